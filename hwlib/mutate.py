"""Mutation tests of units: `python -m torch2hw.hwlib.mutate` plants faults (`faults`) in units, one at a time, and runs
the test that CI runs on the unit: the vectors of unit_bench.cpp against its oracle; for elementary functions, a sample
of the inputs (survey.cpp) against the stated bound and the results that the test has pinned.

A fault that no vector shows may be none, because no result changes. SAT proves that (`equivalence`), or, for units of
one operand, trying all its values. If a result does change, the fault was missed (exit status 1). Where SAT finds no
proof for a unit of several operands, fifty times as many vectors are run: a fault that they show was missed, and one
that they do not show is listed as undecided.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from . import emit_c, survey, verify
from .bits import Bits
from .equivalence import same
from .exhaustive import WIDEST, difference
from .faults import Fault, faults, faulty
from .library import Library
from .unit import Unit

SURVEY_STEP = 4001  # of tests/hwlib/test_elementary.py
MANY = 50
FEW = 10
CONFLICTS = 100  # of one SAT question: differences that have a proof mostly have a short one


@dataclass(frozen=True)
class Subject:
    """A unit, and how many vectors CI's test of it runs."""

    operation: str
    types: tuple[str, ...]
    vectors: int
    predicate: str = ""

    def unit(self, policy: str) -> Unit:
        """The unit, combinational, under a policy for subnormals."""
        return Library(subnormals=policy).unit(
            self.operation, self.types[:-1], self.types[-1], self.predicate or None, 0
        )


F32 = ("f32", "f32", "f32")
SUBJECTS = (
    *(Subject(f"arith.{name}", F32, 400_000) for name in ("addf", "subf", "mulf", "divf")),
    Subject("math.fma", ("f32", "f32", "f32", "f32"), 400_000),
    Subject("math.sqrt", F32[:2], 400_000),
    *(Subject(f"arith.{name}", F32, 400_000) for name in ("maximumf", "minimumf", "maxnumf", "minnumf")),
    *(Subject("arith.cmpf", ("f32", "f32", "i1"), 100_000, name) for name in ("oeq", "olt", "oge", "ugt", "uno")),
    *(Subject(f"math.{name}", F32[:2], 400_000) for name in ("floor", "ceil", "trunc", "round", "roundeven")),
    *(Subject(f"arith.{name}", ("i32", "f32"), 200_000) for name in ("sitofp", "uitofp")),
    *(Subject(f"arith.{name}", ("f32", "i32"), 200_000) for name in ("fptosi", "fptoui")),
    Subject("arith.truncf", ("f32", "bf16"), 200_000),
    Subject("arith.truncf", ("f32", "f16"), 200_000),
    Subject("arith.extf", ("f16", "f32"), 200_000),
    *(Subject(operation, F32[:2], 0) for operation in sorted(survey.EXACT)),
)


@dataclass(frozen=True)
class Verdict:
    """Of one unit: how many faults were planted; shown by the oracle (or the bound), and only by a result that is not
    the pinned one; proved to change nothing; and those missed or undecided. `latest`: the most vectors that one took.
    """

    name: str
    graph: str
    planted: int
    by_oracle: int
    by_result: int
    equivalent: int
    missed: tuple[Fault, ...]
    undecided: tuple[Fault, ...]
    latest: int


def judge(
    subject: Subject, policy: str, every: int = 1, vectors: int | None = None, count: int | None = None
) -> Verdict:
    """Plant every `every`-th fault, or `count` of them, at even distances."""
    unit = subject.unit(policy)
    planted = faults(unit)
    planted = planted[::every] if count is None else planted[:: max(1, len(planted) // count)][:count]
    shown = shown_by_tests(subject, unit, planted, policy, subject.vectors if vectors is None else vectors)
    quiet = [fault for fault, places in zip(planted, shown, strict=True) if not any(places)]
    missed, undecided = doubtful(subject, unit, quiet, policy)
    return Verdict(
        unit.name,
        emit_c.digest(list(unit.operands), unit.schedule.output),
        len(planted),
        sum(places[0] > 0 for places in shown),
        sum(places[0] == 0 and any(places) for places in shown),
        len(quiet) - len(missed) - len(undecided),
        missed,
        undecided,
        max((min(filter(None, places)) for places in shown if any(places)), default=0),
    )


def doubtful(
    subject: Subject, unit: Unit, quiet: Sequence[Fault], policy: str
) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """(missed, undecided), of faults that no vector shows."""
    copies = [faulty(unit, fault, f"faulty{k}") for k, fault in enumerate(quiet)]
    proved = [False] * len(quiet)
    if quiet and subject.operation not in survey.EXACT:  # those are beyond SAT
        proved = same(unit, copies, CONFLICTS)
        if 0 < proved.count(False) <= FEW:  # another, harder try
            rest = iter(same(unit, [copy for copy, is_same in zip(copies, proved, strict=True) if not is_same]))
            proved = [is_same or next(rest) for is_same in proved]
    open_ = [(fault, copy) for fault, copy, is_same in zip(quiet, copies, proved, strict=True) if not is_same]
    if len(unit.operands) == 1 and unit.operands[0].width <= WIDEST:
        return tuple(fault for fault, copy in open_ if difference(unit, copy) is not None), ()
    left = [fault for fault, _ in open_]
    more = shown_by_tests(subject, unit, left, policy, subject.vectors * MANY) if left else []
    return (
        tuple(fault for fault, places in zip(left, more, strict=True) if any(places)),
        tuple(fault for fault, places in zip(left, more, strict=True) if not any(places)),
    )


def shown_by_tests(
    subject: Subject, unit: Unit, planted: Sequence[Fault], policy: str, vectors: int
) -> list[tuple[int, ...]]:
    """For each fault the number, from 1, of the vector that shows it to the oracle, or 0; for an elementary function
    also of the one whose result is not the right unit's.
    """
    by_node: dict[int, list[tuple[int, Bits]]] = defaultdict(list)
    for number, fault in enumerate(planted, 1):
        by_node[fault.node.index].append((number, fault.instead))
    graph = emit_c.emit("graph", list(unit.operands), unit.schedule.output, by_node)
    graph = f"static int fault;\n#define FAULTS {len(planted)}\n{graph}"
    flush = policy == "flush"
    with TemporaryDirectory() as folder:
        if subject.operation in survey.EXACT:
            binary = survey.build(unit, subject.operation, flush, Path(folder), graph)
            output = verify.run_tool([str(binary), str(SURVEY_STEP)])
        else:
            binary = verify.build(unit, subject.operation, flush, Path(folder), subject.predicate, graph=graph)
            output = verify.run_tool([str(binary), str(vectors), "0"])
    return [tuple(map(int, line.split())) for line in output.splitlines()]


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 1 if a fault was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operations", nargs="*", help="such as arith.addf (default: all)")
    parser.add_argument("--subnormals", choices=("flush", "keep"), default="flush")
    parser.add_argument("--every", type=int, default=1, help="plant every Nth fault only")
    parser.add_argument("--count", type=int, help="plant so many faults, at even distances")
    parser.add_argument("--vectors", type=int, help="instead of as many as CI runs")
    options = parser.parse_args(arguments)
    chosen = [s for s in SUBJECTS if not options.operations or s.operation in options.operations]
    failed = False
    for subject in chosen:
        start = time.monotonic()
        verdict = judge(subject, options.subnormals, options.every, options.vectors, options.count)
        print(line(verdict, options.subnormals), f"({time.monotonic() - start:.0f} s)", flush=True)
        for fault in verdict.missed:
            print(f"  missed: {fault}", flush=True)
        for fault in verdict.undecided:
            print(f"  undecided: {fault}", flush=True)
        failed |= bool(verdict.missed)
    return 1 if failed else 0


def line(verdict: Verdict, policy: str) -> str:
    """The verdict on one unit, for print."""
    by = f" ({verdict.by_oracle} by the bound, {verdict.by_result} by a pinned result)" if verdict.by_result else ""
    return (
        f"{verdict.name} {policy}: {verdict.planted} faults, {verdict.by_oracle + verdict.by_result} caught{by}, "
        f"{verdict.equivalent} proved to change no result, {len(verdict.undecided)} undecided, "
        f"{len(verdict.missed)} missed; the latest at vector {verdict.latest:,}; graph {verdict.graph}"
    )


if __name__ == "__main__":
    sys.exit(main())
