"""The command `torch2hw`."""

from __future__ import annotations


def main() -> int:
    """Run the command line; return the exit status."""
    raise NotImplementedError
