"""A sweep: every point of a grid measured, side by side, and written as CSV and JSON, with a page.

| file | holds |
|---|---|
| sweep.csv, sweep.json | the points in the order of the grid; `sweep.schema.json` beside this file describes the JSON |
| sweep.parquet | the same, where it is asked for |
| index.html | the page (`explore.page`) |
| times.csv | seconds of each step and memory, of the run that measured a point |
| points/ | each point as soon as it is measured: a sweep that is run again goes on from here |

All files but times.csv are the same, byte for byte, however often the sweep was interrupted, and wherever its points
were measured. A point that is refused stays, with its error; so does one whose process died, which a further run tries
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch2hw.explore.execution import Answer, Workers
from torch2hw.explore.grid import Job
from torch2hw.explore.measure import Point
from torch2hw.explore.records import Records, name_of
from torch2hw.tools.errors import Torch2HWError


class NothingMeasured(Torch2HWError):
    """Every point of a sweep was refused."""

    code = "nothing-measured"


@dataclass(frozen=True)
class Measured:
    """A point, and what it took: None where a refusal came before any work."""

    point: Point
    costs: dict[str, float] | None = None


Told = Callable[[str], None]
Counted = Callable[[int, int], None]


def measure_all(
    jobs: Sequence[Job],
    workers: Workers,
    records: Records,
    *,
    tell: Told = lambda text: None,
    counted: Counted = lambda done, total: None,
) -> list[Measured]:
    """The points of `jobs`, in their order. `counted` hears how many of those that are not known yet are measured."""
    contents = _contents(jobs, workers, tell)
    found: dict[int, Measured] = {}
    missing: list[int] = []
    for number, job in enumerate(jobs):
        content = contents[_model(job)]
        if "content" not in content:
            found[number] = Measured(job.axes | {"error": _why(content)})
        elif (answer := records.find(name_of(job, content["content"]))) is not None:
            found[number] = _measured(job, answer)
        else:
            missing.append(number)
    if found and missing:
        tell(f"{len(found)} of {len(jobs)} points are known")
    counted(0, len(missing))
    asked = [jobs[number] for number in missing]
    for done, (number, answer) in enumerate(workers.answers("measure", asked), 1):
        job = asked[number]
        if "figures" in answer and "cycles" in answer["figures"]:
            records.keep(name_of(job, contents[_model(job)]["content"]), answer)
        found[missing[number]] = _measured(job, answer)
        counted(done, len(missing))
    points = [found[number] for number in range(len(jobs))]
    if points and all("cycles" not in each.point for each in points):
        said = points[0].point["error"]
        raise NothingMeasured(said, fix="compile the model with torch2hw MODEL, which says more")
    return points


def _model(job: Job) -> tuple[Any, ...]:
    """What decides the content of a model."""
    return job.spec, job.cwd, job.model, job.inputs, job.options.calibrate, job.options.top


def _contents(jobs: Sequence[Job], workers: Workers, tell: Told) -> dict[tuple[Any, ...], Answer]:
    models = {_model(job): job for job in jobs}
    tell("read the models")
    asked = workers.answers("content", list(models.values()))
    keys = list(models)
    return {keys[number]: answer for number, answer in asked}


def _measured(job: Job, answer: Answer) -> Measured:
    """With the columns of this sweep: another one may have called the model otherwise."""
    if "figures" not in answer:
        return Measured(job.axes | {"error": _why(answer)})
    return Measured({**answer["figures"], **job.axes}, answer["costs"])


def _why(answer: Answer) -> str:
    return str(answer.get("error") or f"error[internal]: {answer['died']}")


def cost_rows(points: Sequence[Measured], axes: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of times.csv."""
    for each, told in zip(points, axes, strict=True):
        if each.costs is not None:
            yield {**told, **each.costs}
