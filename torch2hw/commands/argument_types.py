"""Types of command line arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def count(text: str) -> int:
    """A whole number of 1 or more; ArgumentTypeError otherwise."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: not a whole number of 1 or more")
    return int(text)


def whole(text: str) -> int:
    """A whole number of 0 or more; ArgumentTypeError otherwise."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: not a whole number of 0 or more")
    return int(text)


def number(text: str, kind: Callable[[str], Any]) -> Any:
    """What is no number is given on as it is, for its user to refuse."""
    try:
        return kind(text)
    except ValueError:
        return text


def output_file(text: str) -> Path:
    """The file that -o names."""
    if not text or text.endswith("/"):
        raise argparse.ArgumentTypeError(f"{text or 'nothing'} is not the name of a file")
    return Path(text)
