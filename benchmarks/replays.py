"""`python -m torch2hw.benchmarks.replays`: every dump of every example, replayed; each must give the design's bytes.

For each example, schedule and N = 1, 2, 4: the design is compiled with `--dump`, then made again from each file of the
dump. SystemVerilog, manifest and memory files must be the same. In the sequential schedule CIRCT takes minutes to make
Calyx of scf, so a file from before is replayed up to scf: if that dump is the first one byte for byte, and the arrays
beside it too, what follows is the same, and is run once, from the first one. Writes replays.json and replays.md after
each design; what is not run this time (`--only`, `--partition`, `--schedule`) stays. The exit status is 3 where bytes
differed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from torch2hw.benchmarks.tables import number, table
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.design_files import DesignTexts, design_texts
from torch2hw.compiler.options import SCHEDULES, Options
from torch2hw.frontend.load_model import load
from torch2hw.replay import open_file, replay
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
EXAMPLES = tuple(sorted(path.stem for path in (HERE.parent / "examples").glob("*.py") if path.stem != "__init__"))
TITLES = ("example", "schedule", "N", "files", "text, KB", "weights, KB", "other bytes from", "s")


@dataclass(frozen=True)
class Replays:
    """The dumps of one design: how many files, the bytes of their texts and of the arrays beside them, and the names of
    those files from which another design was made."""

    files: int
    text_bytes: int
    weight_bytes: int
    different: tuple[str, ...]
    seconds: float


def replayed(model: str, options: Options, folder: Path) -> Replays:
    """Compile a model with its dumps in `folder`, and replay each."""
    started = time.monotonic()
    expected = design_texts(compile_model(load(model), options, dump=folder), "out.sv")
    files = sorted(path for path in folder.iterdir() if path.suffix != ".npz")
    slow = next((path for path in files if open_file(path).level == "scf" and options.schedule == "sequential"), None)
    different = [path.name for path in files if not _joins(path, slow) and not _makes(path, expected)]
    weights = sum(path.stat().st_size for path in folder.glob("*.npz"))
    text = sum(path.stat().st_size for path in files)
    return Replays(len(files), text, weights, tuple(different), time.monotonic() - started)


def _makes(path: Path, expected: DesignTexts) -> bool:
    return design_texts(replay(open_file(path)), "out.sv") == expected


def _joins(path: Path, dump: Path | None) -> bool:
    """Whether a replay of the file at `path` comes by the later dump at `dump`, with the same bytes."""
    if dump is None or path.name >= dump.name:
        return False
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        replay(open_file(path), dump=Path(folder), stop_at="scf")
        again = Path(folder)
        if (again / dump.name).read_bytes() != dump.read_bytes():
            return False
        return all(_same_arrays(path, dump.with_name(path.name)) for path in again.glob("*.npz"))


def _same_arrays(ours: Path, theirs: Path) -> bool:
    """Whether one file's arrays, all of them, are in the other, bit for bit."""
    with np.load(ours) as some, np.load(theirs) as others:
        return all(
            name in others and (some[name].dtype, some[name].tobytes()) == (others[name].dtype, others[name].tobytes())
            for name in some
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, and write after every design."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.replays", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="examples whose name contains this")
    parser.add_argument("--partition", metavar="N,…", default="1,2,4", help="partition factors (1,2,4)")
    parser.add_argument("--schedule", choices=SCHEDULES, help="this schedule alone")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the results are")
    parsed = parser.parse_args(arguments)
    results = parsed.output / "replays.json"
    points: list[dict[str, Any]] = json.loads(results.read_text()) if results.exists() else []
    failed = False
    for example in (name for name in EXAMPLES if parsed.only in name):
        for schedule in (each for each in SCHEDULES if parsed.schedule in (None, each)):
            for n in map(int, parsed.partition.split(",")):
                with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
                    model = str(HERE.parent / "examples" / f"{example}.py")
                    found = replayed(model, Options(partition=n, schedule=schedule), Path(folder))
                key = {"example": example, "schedule": schedule, "partition": n}
                points = [point for point in points if any(point[name] != value for name, value in key.items())]
                points.append({**key, **asdict(found), "seconds": round(found.seconds, 1)})
                points.sort(key=lambda point: (point["example"], point["schedule"], point["partition"]))
                failed |= bool(found.different)
                differ = f"{len(found.different)} of {found.files} differ"
                print(f"{example} {schedule} N={n}: {differ}", file=sys.stderr, flush=True)
                texts = {results: json.dumps(points, indent=1) + "\n", parsed.output / "replays.md": markdown(points)}
                write_files(texts)
    return 3 if failed else 0


def markdown(points: Sequence[dict[str, Any]]) -> str:
    """The page."""
    rows = [
        (
            point["example"],
            point["schedule"],
            str(point["partition"]),
            str(point["files"]),
            number(round(point["text_bytes"] / 1000)),
            number(round(point["weight_bytes"] / 1000)),
            ", ".join(point["different"]) or "none",
            number(round(point["seconds"])),
        )
        for point in points
    ]
    return f"# Replays of dumps\n\n{(__doc__ or '').strip()}\n\n{table(TITLES, rows)}\n"


if __name__ == "__main__":
    sys.exit(main())
