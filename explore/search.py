"""`torch2hw search`: the options that reach a goal, from cost models first; the best few are synthesised.

1. Every candidate (`candidates`) is compiled as far as its schedule: its cycles are exact, its resources estimated.
2. Candidates are ranked: the fastest first, or, where a speed is asked for, the smallest of those that are fast enough.
3. They are synthesised in that order, but for those whose estimate is past the budget by more than its known error. The
   estimate of a resource is corrected by the ratio that synthesis measured of the candidates before. The first that
   holds the budget is the answer: all that come before it were measured, or estimated as too large by a margin.
4. The answer is simulated and compared bit for bit.

Nothing is random, and ties are broken by the order of `candidates`: the same input gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch2hw.explore.execution import TOGETHER, Workers
from torch2hw.explore.goal import Goal
from torch2hw.explore.grid import Job
from torch2hw.explore.records import Records
from torch2hw.explore.sweep import measure_all
from torch2hw.tools.errors import Torch2HWError, UsageError

RESOURCES = ("lut", "dsp", "bram36")
FIRST_MARGIN, MARGIN = 1.6, 1.15
"""By how much of its budget an estimate may be past it: before and after a candidate was synthesised."""


class NoDesign(Torch2HWError):
    """No design that was tried reaches the goal."""

    code = "no-design"


@dataclass
class Candidate:
    """A design that may be the answer. `predicted`: cycles, latency_us and estimated resources; `measured`: those of
    synthesis; `verdict`: why it is the answer, or not."""

    job: Job
    words: str
    predicted: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"options": self.words, "predicted": self.predicted, "measured": self.measured, "verdict": self.verdict}


def candidates(base: Job, factors: Sequence[int], formats: Sequence[str]) -> list[Candidate]:
    """Designs over partition factor, the way lanes add, dividers, and the formats that the user allows."""
    found: list[Candidate] = []
    for number_format in formats:
        for factor in factors:
            for sums in ("float", "block") if factor > 1 else ("float",):
                for iterative in (True, False):
                    given: dict[str, Any] = {"partition": factor, "sums": sums, "iterative_units": iterative}
                    integers = {"quantize": base.options.quantize or "int8"}
                    given |= integers if number_format == "int8" else {"dtype": number_format}
                    try:
                        options = replace(base.options, **given)
                    except UsageError:
                        continue
                    found.append(Candidate(replace(base, options=options), words(given)))
    return found


def words(given: Mapping[str, Any]) -> str:
    """Options as the command line has them, defaults left out."""
    told = [f"--partition {given['partition']}"]
    told += [f"--quantize {given['quantize']}"] if "quantize" in given else [f"--dtype {given['dtype']}"]
    told += ["--sums block"] if given["sums"] == "block" else []
    told += [] if given["iterative_units"] else ["--no-iterative-units"]
    return " ".join(word for word in told if word != "--dtype f32")


def search(
    tried: Sequence[Candidate],
    goal: Goal,
    workers: Workers,
    records: Records,
    *,
    most: int,
    tell: Callable[[str], None] = lambda text: None,
    counted: Callable[[int, int], None] = lambda done, total: None,
) -> Candidate:
    """The best candidate; all of them get their figures and verdicts. `most`: candidates that may be synthesised.

    Raises NoDesign, which says what came nearest.
    """
    tell("read the model")
    ((_, content),) = workers.answers("content", [tried[0].job])
    if "content" not in content:
        raise NoDesign(_without_designs(content), fix="compile the model with torch2hw MODEL, which says more")
    tell("predict cycles and estimate resources")
    for done, (number, answer) in enumerate(workers.answers("predict", [each.job for each in tried], TOGETHER), 1):
        counted(done, len(tried))
        candidate = tried[number]
        if "predicted" in answer:
            candidate.predicted = answer["predicted"]
        else:
            candidate.verdict = _without_designs(answer)
    known = _without_twins([each for each in tried if each.predicted])
    if not known:
        raise NoDesign(tried[0].verdict, fix="compile the model with torch2hw MODEL, which says more")
    return _best(known, goal, workers, records, most, tell)


def _without_designs(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error") or answer.get("died"))


def _without_twins(known: Sequence[Candidate]) -> list[Candidate]:
    """Without those whose design has the same cycles and estimates as one before: an option that changes nothing."""
    seen: dict[tuple[Any, ...], Candidate] = {}
    for each in known:
        key = each.job.options.quantize, each.job.options.dtype, each.predicted["digest"]
        if key in seen:
            each.verdict = f"the same design as {seen[key].words}"
        else:
            seen[key] = each
    return list(seen.values())


def _best(
    known: Sequence[Candidate],
    goal: Goal,
    workers: Workers,
    records: Records,
    most: int,
    tell: Callable[[str], None],
) -> Candidate:
    ratios: dict[str, float] = dict.fromkeys(RESOURCES, 1.0)
    measured: list[Candidate] = []
    left = [each for each in known if goal.fast_enough(each.predicted["latency_us"])]
    for each in known:
        if each not in left:
            each.verdict = f"too slow: {each.predicted['latency_us']:,.4g} µs"
    while left:
        left.sort(key=lambda each: _rank(each, goal, ratios))
        candidate = left.pop(0)
        share = goal.overrun(_corrected(candidate, ratios))
        if share > (MARGIN if measured else FIRST_MARGIN):
            candidate.verdict = f"estimated at {share:.2f} of the budget"
            continue
        if len(measured) == most:
            candidate.verdict = "not tried: as many were synthesised as --synthesise allows"
            continue
        tell(f"synthesise {candidate.words}")
        (point,) = measure_all([replace(candidate.job, simulate=False)], workers, records)
        candidate.measured = {name: point.point.get(name) for name in (*RESOURCES, "ff", "uram", "cycles")}
        measured.append(candidate)
        ratios = _ratios(measured)
        share = goal.overrun(candidate.measured)
        if share <= 1:
            for each in left:
                each.verdict = each.verdict or ("larger" if goal.smallest else "slower")
            tell(f"simulate {candidate.words}")
            (proved,) = measure_all([replace(candidate.job, synthesis=False)], workers, records)
            candidate.measured |= {"bit_exact": proved.point.get("bit_exact")}
            candidate.verdict = f"the {'smallest' if goal.smallest else 'fastest'} that holds the budget"
            return candidate
        candidate.verdict = f"takes {share:.2f} of the budget"
    raise _none(known, measured, goal)


def _rank(candidate: Candidate, goal: Goal, ratios: Mapping[str, float]) -> tuple[float, ...]:
    figures = _corrected(candidate, ratios)
    size = (goal.overrun(figures), figures["lut"])
    time = candidate.predicted["latency_us"]
    return (*size, time) if goal.smallest else (time, *size)


def _corrected(candidate: Candidate, ratios: Mapping[str, float]) -> dict[str, float]:
    return {name: candidate.predicted[name] * ratios[name] for name in RESOURCES}


def _ratios(measured: Sequence[Candidate]) -> dict[str, float]:
    """Measured over estimated: the median of the candidates that were synthesised."""
    found = {}
    for name in RESOURCES:
        known = [each for each in measured if each.predicted[name] and each.measured[name]]
        ratios = sorted(each.measured[name] / each.predicted[name] for each in known)
        found[name] = ratios[len(ratios) // 2] if ratios else 1.0
    return found


def _none(known: Sequence[Candidate], measured: Sequence[Candidate], goal: Goal) -> NoDesign:
    if not measured:
        fast = [each for each in known if not each.verdict.startswith("too slow")]
        nearest = min(fast or known, key=lambda each: (goal.overrun(each.predicted), each.predicted["latency_us"]))
        why = f"{nearest.words} comes nearest: {nearest.verdict}"
    else:
        nearest = min(measured, key=lambda each: goal.overrun(each.measured))
        why = f"{nearest.words} comes nearest: it {nearest.verdict}"
    return NoDesign(f"no design reaches the goal: {goal}", why=why, fix="allow more, or a format with --formats")
