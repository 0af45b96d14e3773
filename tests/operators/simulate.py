"""Simulate the rows of the operator table, and keep what was found in `benchmarks/operators.json`.

    python -m tests.operators.simulate [OPERATION …] [--partition 1,3] [--all] [--seconds S]

Each row is one design with all its forms. It is run twice, on the table's operands and on others: every bit is compared
with the reference, and the cycles of every run with the prediction. Rows that are bit-exact in the record are left out
without `--all`, so a run can be continued. The exit status is 3 if a row failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.operators.row import Row
from tests.operators.table import ROWS
from torch2hw.tools.errors import Torch2HWError

RECORD = Path(__file__).parents[2] / "benchmarks" / "operators.json"

BIT_EXACT = "bit-exact"


def key(row: Row) -> str:
    """The row's name in the record."""
    return f"{row.operation}: {row.code}"


def read() -> dict[str, dict[str, str]]:
    """For each row, by partition factor, `bit-exact` or what went wrong."""
    record: dict[str, dict[str, str]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return record


def simulated(row: Row, partition: int) -> str:
    """`bit-exact`, or the error."""
    import torch2hw
    from tests.operators.row import Forms

    forms = row.accepted()
    inputs = tuple(operand for operands in forms.values() for operand in operands)
    try:
        torch2hw.compile(Forms(row, forms), inputs, partition=partition).simulate(*inputs, runs=2).check()
    except Torch2HWError as error:
        return str(error).splitlines()[0]
    return BIT_EXACT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="tests.operators.simulate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operations", metavar="OPERATION", nargs="*", help="only rows of these, such as aten.add")
    parser.add_argument("--partition", default="1,3", help="partition factors (1,3)")
    parser.add_argument("--all", action="store_true", help="rows that the record holds, too")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no row after so long")
    parsed = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    started, failed = time.monotonic(), 0
    for row in ROWS:
        if (parsed.operations and row.operation not in parsed.operations) or not row.accepted():
            continue
        for partition in parsed.partition.split(","):
            if time.monotonic() - started > parsed.seconds:
                return 3 if failed else 0
            if not parsed.all and read().get(key(row), {}).get(partition) == BIT_EXACT:
                continue
            answer = simulated(row, int(partition))
            failed += answer != BIT_EXACT
            print(f"{key(row)}, N = {partition}: {answer}", flush=True)
            record = read()
            record.setdefault(key(row), {})[partition] = answer
            RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
