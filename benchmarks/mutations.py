"""`python -m torch2hw.benchmarks.mutations`: faults planted in the compiler, and the tests that find them.

Each fault of planted_faults.toml is planted in a clone of this repository's last commit, alone. Then the fast tests
run (the likeliest first) until one fails, and where none does the slow ones. Before the first fault the
tests of each stage must pass without any. Writes mutations.json and mutations.md after each fault; those that are not
planted this time (`--only`) stay as the record has them. A whole run takes hours.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch2hw.benchmarks.tables import table
from torch2hw.explore.measure import Point, json_text, read_points
from torch2hw.tools.output import write_files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FAULTS = HERE / "planted_faults.toml"
OWN_TESTS = "tests/benchmarks/test_mutations.py"  # they see every planted fault, by its text
TEST_SECONDS = 300  # a fault may make the compiler run for ever
TITLES = ("fault", "file", "found by", "s")
FAST, SLOW, NONE = "fast tests", "slow tests", "no test"


@dataclass(frozen=True)
class Fault:
    """`old` stands once in `file`, a path from the root of the repository, and becomes `new`."""

    kind: str
    file: str
    old: str
    new: str

    def planted(self, text: str) -> str:
        """The file's text with the fault. Raises ValueError where there is not one place for it."""
        if text.count(self.old) != 1 or self.old == self.new:
            raise ValueError(f"{self.file}: {self.kind}: `old` stands {text.count(self.old)} times in it")
        return text.replace(self.old, self.new)


def faults() -> list[Fault]:
    """Those of planted_faults.toml, in order."""
    return [Fault(**each) for each in tomllib.loads(FAULTS.read_text())["fault"]]


def likely_tests(file: str) -> tuple[str, ...]:
    """What planted_faults.toml says of a file, by the longest beginning of its path."""
    first: dict[str, list[str]] = tomllib.loads(FAULTS.read_text())["first"]
    return tuple(first[max((start for start in first if file.startswith(start)), key=len)])


@dataclass(frozen=True)
class Stage:
    """Tests that run together: arguments of pytest, and the group that they belong to."""

    group: str
    arguments: tuple[str, ...]


def stages_for(file: str) -> list[Stage]:
    """The fast tests that are likely to find a fault in the file, all fast ones, the slow ones."""
    fast = ("-m", "not slow")
    likely = likely_tests(file)
    others = tuple(f"--ignore={test}" for test in (*likely, OWN_TESTS))
    return [
        Stage(FAST, (*likely, *fast)),
        Stage(FAST, ("tests", *others, *fast)),
        Stage(SLOW, ("tests", f"--ignore={OWN_TESTS}", "-m", "slow")),
    ]


def failing_test(clone: Path, stage: Stage, jobs: int) -> str | None:
    """The first test that fails; None where all pass. Raises RuntimeError where pytest itself fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", str(jobs), "-o", f"timeout={TEST_SECONDS}"]
    done = subprocess.run(
        [*command, *stage.arguments],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (0, 5):  # 5: none of these tests is in the group
        return None
    found = re.search(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return found[1]


def measured(fault: Fault, clone: Path, jobs: int, slow: bool) -> Point:
    """The fault's row of the record; the clone is left as it was."""
    path = clone / fault.file
    text = path.read_text()
    begin, test, group = time.monotonic(), None, NONE
    path.write_text(fault.planted(text))
    try:
        for stage in stages_for(fault.file):
            if stage.group == SLOW and not slow:
                group = "no fast test"
                break
            test = failing_test(clone, stage, jobs)
            if test is not None:
                group = stage.group
                break
    finally:
        path.write_text(text)
    seconds = round(time.monotonic() - begin)
    return {"kind": fault.kind, "file": fault.file, "group": group, "test": test or "", "seconds": seconds}


def text_of(points: Sequence[Point]) -> str:
    """The record as Markdown."""
    groups = Counter(point["group"] for point in points)
    counts = ", ".join(f"{groups[group]} by {group}" for group in (FAST, SLOW) if groups[group])
    missed = len(points) - groups[FAST] - groups[SLOW]
    rows = [
        (
            point["kind"],
            f"`{point['file']}`",
            f"{point['group']}" + (f": `{point['test'].removeprefix('tests/')}`" if point["test"] else ""),
            str(point["seconds"]),
        )
        for point in points
    ]
    return (
        "# Faults planted in the compiler\n\nWritten by `python -m torch2hw.benchmarks.mutations`. "
        f"Of {len(faults())} faults in planted_faults.toml, {len(points)} were planted, one at a time: "
        f"{counts or 'none'} were found, {missed} by no test that ran. "
        "The seconds are those until a test failed.\n\n" + table(TITLES, rows)
    )


def main(arguments: list[str] | None = None) -> int:
    """Plant, test, and write after every fault. 1 where a fault was found by no test that ran."""
    parser = argparse.ArgumentParser(
        prog="python -m torch2hw.benchmarks.mutations", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="faults whose file or kind contains this")
    parser.add_argument("--resume", action="store_true", help="leave out what the record says is found")
    parser.add_argument("--no-slow", action="store_true", help="leave out the slow tests")
    parser.add_argument("--no-control", action="store_true", help="leave out the run without a fault")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="tests that run at a time (2)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR", help="where the record is")
    parsed = parser.parse_args(arguments)
    every = faults()
    known = {point["kind"]: point for point in read_points(parsed.output / "mutations.json")}
    chosen = [
        fault
        for fault in every
        if parsed.only in fault.file + fault.kind
        and not (parsed.resume and known.get(fault.kind, {}).get("group") in (FAST, SLOW))
    ]
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as folder:
        clone = Path(folder) / "torch2hw"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if not parsed.no_control:
            control(clone, chosen, parsed.jobs, not parsed.no_slow)
        for fault in chosen:
            known[fault.kind] = point = measured(fault, clone, parsed.jobs, not parsed.no_slow)
            print(
                f"{point['seconds']:5} s  {point['group']:12}  {fault.file}: {fault.kind}  {point['test']}", flush=True
            )
            write(parsed.output, [known[each.kind] for each in every if each.kind in known])
    return int(any(known[fault.kind]["group"] not in (FAST, SLOW) for fault in chosen))


def control(clone: Path, chosen: Sequence[Fault], jobs: int, slow: bool) -> None:
    """Raises RuntimeError where a test fails without any fault: it would be said to find all of them."""
    stages = dict.fromkeys(stage for fault in chosen for stage in stages_for(fault.file) if slow or stage.group != SLOW)
    for stage in stages:
        test = failing_test(clone, stage, jobs)
        if test is not None:
            raise RuntimeError(f"{test} fails without a fault")


def write(folder: Path, points: Sequence[Point]) -> None:
    """Both files of the record."""
    write_files({folder / "mutations.json": json_text(points), folder / "mutations.md": text_of(points)})


if __name__ == "__main__":
    sys.exit(main())
