"""`torch2hw cache`: what was built before, and is kept."""

from __future__ import annotations

import argparse
from typing import Any

HELP = "show what is kept of earlier runs (simulators, synthesis results), or remove it"


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("cache", help=HELP, description=HELP[0].upper() + HELP[1:] + ".", allow_abbrev=False)
    parser.add_argument("action", choices=("show", "clear"), nargs="?", default="show", metavar="show|clear")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and requested output")


def run(parsed: argparse.Namespace) -> int:
    """Print a line for every kind of entry, or clear."""
    from torch2hw.tools import cache

    removed = {"removed_bytes": cache.clear()} if parsed.action == "clear" else {}
    found = {**removed, **_contents()}
    if parsed.json:
        import json

        print(json.dumps(found, indent=2))
    elif removed:
        if not parsed.quiet:
            print(f"{found['directory']}: {_mb(removed['removed_bytes'])} removed")
    else:
        print(f"{found['directory']}: {_mb(found['bytes'])} of at most {_mb(found['limit_bytes'])}")
        for kind, each in found["kinds"].items():
            print(f"  {kind:20}{each['entries']:6,}  {_mb(each['bytes'])}")
    return 0


def _contents() -> dict[str, Any]:
    from torch2hw.tools import cache

    kinds: dict[str, dict[str, int]] = {}
    for entry in sorted(cache.entries(), key=lambda each: each.kind):
        kind = kinds.setdefault(entry.kind, {"entries": 0, "bytes": 0})
        kind["entries"] += 1
        kind["bytes"] += entry.size_bytes
    total = sum(kind["bytes"] for kind in kinds.values())
    return {"directory": str(cache.root()), "bytes": total, "limit_bytes": cache.LIMIT_BYTES, "kinds": kinds}


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
