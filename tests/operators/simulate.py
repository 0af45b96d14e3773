"""Simulate the rows of the operator table, and keep what was found in `benchmarks/operators.json`.

    python -m tests.operators.simulate [OPERATION …] [--partition 1,3] [--all] [--seconds S] [--rows R]

Some rows with all their forms are one design, which is quick to simulate and slow to build; one that fails is split,
down to the row at fault. A design is run twice, on the table's operands and on others: every bit is compared with the
reference, and the cycles of every run with the prediction. Rows that are bit-exact in the record are left out without
`--all`, so a run can be continued; a row whose forms have changed is simulated again. The exit status is 3 if a row
failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.operators.row import Forms, Row, operands_of
from tests.operators.table import ROWS
from torch2hw.tools.errors import Torch2HWError

RECORD = Path(__file__).parents[2] / "benchmarks" / "operators.json"
PARTITIONS = (1, 3)
BIT_EXACT = "bit-exact"
Record = dict[str, dict[str, str]]


def key(row: Row) -> str:
    """The row's name in the record."""
    return f"{row.operation}: {row.code}"


def forms_of(row: Row) -> str:
    """The names of the forms that are compiled."""
    return " ".join(row.accepted())


def read() -> Record:
    """For each row its `forms`, and by partition factor `bit-exact` or what went wrong; without rows whose forms have
    changed since."""
    record: Record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    forms = {key(row): forms_of(row) for row in ROWS if key(row) in record}
    return {name: answers for name, answers in record.items() if answers.get("forms") == forms.get(name)}


def simulated(rows: Sequence[Row], partition: int) -> str:
    """`bit-exact`, or the error, of one design with all these rows."""
    import torch2hw

    forms = {row: row.accepted() for row in rows}
    inputs = operands_of(forms)
    try:
        torch2hw.compile(Forms(forms), inputs, partition=partition).simulate(*inputs, runs=2).check()
    except Torch2HWError as error:
        return str(error).splitlines()[0]
    return BIT_EXACT


def answers(rows: Sequence[Row], partition: int) -> Iterator[tuple[Row, str]]:
    """What is found of each row."""
    answer = simulated(rows, partition)
    if answer == BIT_EXACT or len(rows) == 1:
        yield from ((row, answer) for row in rows)
    else:
        half = len(rows) // 2
        yield from answers(rows[:half], partition)
        yield from answers(rows[half:], partition)


def write(partition: int, found: Sequence[tuple[Row, str]]) -> None:
    """Add to the record."""
    record = read()
    for row, answer in found:
        record.setdefault(key(row), {"forms": forms_of(row)})[str(partition)] = answer
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="tests.operators.simulate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operations", metavar="OPERATION", nargs="*", help="only rows of these, such as aten.add")
    parser.add_argument("--partition", default=",".join(map(str, PARTITIONS)), help="partition factors (1,3)")
    parser.add_argument("--all", action="store_true", help="rows that the record holds, too")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no design after so long")
    parser.add_argument("--rows", type=int, default=12, help="rows in a design (12)")
    parsed = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    started, failed = time.monotonic(), 0
    for partition in map(int, parsed.partition.split(",")):
        record = {} if parsed.all else read()
        wanted = [
            row
            for row in ROWS
            if (not parsed.operations or row.operation in parsed.operations)
            and record.get(key(row), {}).get(str(partition)) != BIT_EXACT
            and row.accepted()
        ]
        for first in range(0, len(wanted), parsed.rows):
            if time.monotonic() - started > parsed.seconds:
                return 3 if failed else 0
            found = list(answers(wanted[first : first + parsed.rows], partition))
            write(partition, found)
            failed += sum(answer != BIT_EXACT for _, answer in found)
            for row, answer in found:
                print(f"N = {partition}: {key(row)}: {answer}", flush=True)
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
