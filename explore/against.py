"""Other flows beside ours: `sweep --against vitis,paper,nngen,sequential,ideal,stream-hls,autosa`.

| flow | rows |
|---|---|
| vitis | Vitis HLS on the C++ of `--emit hls`, where `vitis_hls` is on the PATH; what the paper publishes elsewhere |
| paper | the flow of From PyTorch to Calyx, as published |
| sequential | our own `--schedule sequential`: compiled, simulated, synthesised as the points are |
| ideal | multiply-accumulates over lanes |
| nngen | NNgen, measured before (`explore.published`) |
| stream-hls, autosa | published kernels; lanes of a published systolic array, an estimate |

A row has the columns of a point and `flow`, `published` and `note`, which says where it is from.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch2hw.explore import published
from torch2hw.explore.execution import Workers
from torch2hw.explore.grid import Job
from torch2hw.explore.published import Row
from torch2hw.tools.errors import Torch2HWError, UsageError

FLOWS = ("vitis", "paper", "nngen", "sequential", "ideal", "stream-hls", "autosa")
VITIS = "Vitis HLS"


def flows(text: str) -> tuple[str, ...]:
    """The flows of `--against`, each once."""
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for flow in found:
        if flow not in FLOWS:
            raise UsageError(f"--against {flow}: unknown", fix=f"the flows are {', '.join(FLOWS)}")
    return found


def sequential_jobs(jobs: Sequence[Job]) -> list[Job]:
    """The points again with the sequential schedule, but for those that it has not."""
    found: dict[Job, None] = {}
    for job in jobs:
        try:
            options = replace(job.options, schedule="sequential", sums="float", interface="mem", data_bits=None)
            found[replace(job, options=options)] = None
        except Torch2HWError:
            continue
    return list(found)


def rows(
    chosen: Sequence[str],
    points: Sequence[Mapping[str, Any]],
    jobs: Sequence[Job],
    workers: Workers,
    sequential: Sequence[Mapping[str, Any]] = (),
) -> list[Row]:
    """The rows of all chosen flows; `sequential`: the points of `sequential_jobs`."""
    made: dict[str, list[Row]] = {}
    for flow in chosen:
        if flow == "vitis":
            made[flow] = vitis(points, jobs, workers)
        elif flow == "paper":
            made[flow] = published.paper(points, "paper")
        elif flow == "nngen":
            made[flow] = published.kernels(points, "NNgen int16", published.NNGEN, published.NNGEN_NOTE)
        elif flow == "sequential":
            made[flow] = [_sequential_row(point) for point in sequential]
        elif flow == "ideal":
            made[flow] = published.ideal(points)
        elif flow == "stream-hls":
            note = published.STREAM_NOTE
            made[flow] = published.kernels(points, "Stream-HLS (published)", published.STREAM_HLS, note)
        else:
            made[flow] = published.autosa(points)
    return [row for flow in chosen for row in made[flow]]


def vitis(points: Sequence[Mapping[str, Any]], jobs: Sequence[Job], workers: Workers) -> list[Row]:
    """Measured where Vitis HLS is, else as published."""
    if shutil.which("vitis_hls") is None:
        return published.paper(points, "vitis")
    wanted = [job for job in jobs if job.options.schedule == "static" and job.options.interface == "mem"]
    found: dict[int, Row] = {}
    for number, answer in workers.answers("vitis", wanted):
        axes = wanted[number].axes
        label = f"{axes['model']} {VITIS} N={axes['partition']}"
        told = {"flow": VITIS, "series": axes["model"], "label": label, "published": False}
        failed = {"error": str(answer.get("error") or answer.get("died"))}
        found[number] = {**axes, **told, **(answer.get("figures") or failed)}
    return [found[number] for number in sorted(found)]


def _sequential_row(point: Mapping[str, Any]) -> Row:
    told = {key: value for key, value in point.items() if key not in ("kernels", "idle_cycles")}
    label = f"{point['model']} sequential N={point['partition']}"
    names = {"flow": "sequential", "series": point["model"], "label": label, "published": False}
    return {**told, **names, "note": "measured: --schedule sequential"}
