"""A process that measures points, or tells what models hold: `python -m torch2hw.explore.worker IN.json OUT.jsonl`.

IN.json holds {"task": …, "jobs": what `Job.to_json` gives of each}; OUT.jsonl gets the answers, a line each:

| task | answer |
|---|---|
| content | {"content": a digest of the exported program, its weights and the example inputs}, or {"error": …} |
| vitis | {"figures": cycles, latency and resources by Vitis HLS, "note"}, or {"error": …} |
| predict | {"predicted": cycles, latency_us, resources estimated, a digest of the design}, or {"error": …} |
| measure | {"figures": the point, "costs": {"compile_s", "simulate_s", …, "total_s", "peak_mib"}} |

A process for each point that is measured: a fault of native code ends that point alone, and the memory is the point's
own.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch2hw.explore.grid import Job
from torch2hw.tools.errors import Torch2HWError

PR_SET_PDEATHSIG = 1
STEPS = {"compile": "compile_s", "simulate": "simulate_s", "synthesise": "synthesise_s", "place and route": "route_s"}


def main(arguments: list[str]) -> int:
    """Answer the requests."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whoever asked is gone: nobody waits for the answer
    request = json.loads(Path(arguments[0]).read_text())
    answer = {"content": content, "measure": measured, "vitis": vitis, "predict": predicted}[request["task"]]
    with Path(arguments[1]).open("w") as answers:
        for job in map(Job.of_json, request["jobs"]):
            os.chdir(job.cwd)
            answers.write(json.dumps(answer(job)) + "\n")
            answers.flush()
    return 0


def measured(job: Job) -> dict[str, Any]:
    """The point and what it took."""
    from torch2hw.explore.measure import measure, times

    clock = _Clock()
    options = job.options
    figures = measure(
        job.spec,
        options,
        name=job.name,
        model=job.model,
        inputs=job.inputs,
        simulate=job.simulate and options.interface != "axi",  # a memory on the bus decides how long a run takes
        synthesis=job.synthesis,
        parts=job.parts,
        fmax=job.fmax,
        watch=clock.step,
    )
    return {"figures": job.axes | figures | times(figures, options.clock_ns), "costs": clock.costs()}


def content(job: Job) -> dict[str, str]:
    """What the model holds, whatever its files are called: two models with one content give the same points."""
    from torch2hw.analysis.stored_arrays import from_torch
    from torch2hw.frontend.load_model import load
    from torch2hw.frontend.signature import Structure
    from torch2hw.frontend.torch_to_linalg import import_torch
    from torch2hw.tools.cache import digest

    try:
        loaded = load(job.spec, job.model, job.inputs)
        with loaded.naming_nodes():
            program = import_torch(loaded)
    except Torch2HWError as error:
        return {"error": str(error).split("\n")[0]}
    _, tensors = Structure.of(loaded.example_inputs)
    arrays = [from_torch(tensor).tobytes() for tensor in tensors]
    calibration = [Path(job.options.calibrate).read_bytes()] if job.options.calibrate else []
    return {"content": digest([loaded.top, program.text(), *arrays, *calibration])}


def vitis(job: Job) -> dict[str, Any]:
    """The same loops by Vitis HLS."""
    from torch2hw.compiler.compiled import compile_model
    from torch2hw.fpga.flows import hls_project, run_vitis_hls
    from torch2hw.fpga.vivado import PART
    from torch2hw.frontend.load_model import load
    from torch2hw.tools.output import write_folder

    try:
        compiled = compile_model(load(job.spec, job.model, job.inputs), job.options, stop_at="scheduled")
        with tempfile.TemporaryDirectory(prefix="torch2hw-") as name:
            folder = Path(name) / "project"
            write_folder(folder, hls_project(compiled, PART))
            report = run_vitis_hls(folder, compiled.top)
    except Torch2HWError as error:
        return {"error": str(error).split("\n")[0]}
    figures = {**report.resources.to_json(), "note": f"measured: csynth, estimated clock {report.estimated_ns} ns"}
    if report.cycles is None:
        return {"figures": figures}
    period = max(job.options.clock_ns, report.estimated_ns)
    return {"figures": {"cycles": report.cycles, "latency_us": round(report.cycles * period / 1000, 4), **figures}}


def predicted(job: Job) -> dict[str, Any]:
    """Exact cycles, and resources as `explore.estimate` has them."""
    from torch2hw.compiler.compiled import compile_model
    from torch2hw.explore.estimate import estimate
    from torch2hw.frontend.load_model import load
    from torch2hw.tools.cache import digest

    try:
        compiled = compile_model(load(job.spec, job.model, job.inputs), job.options, stop_at="calyx")
    except Torch2HWError as error:
        return {"error": str(error).split("\n")[0]}
    cycles = compiled.manifest([], [])["latency_cycles"]
    found = estimate(compiled.at("scheduled"), compiled.library)
    told = {"cycles": cycles, "latency_us": round(cycles * job.options.clock_ns / 1000, 4), **vars(found)}
    return {"predicted": told | {"digest": digest([compiled.at("calyx").text()])}}


class _Clock:
    """Seconds of each step, told when the next one begins."""

    def __init__(self) -> None:
        self.begun = self.since = time.monotonic()
        self.step_name: str | None = None
        self.seconds: dict[str, float] = {}

    def step(self, told: str) -> None:
        """`told` ends with the step's name."""
        self._end()
        self.step_name = STEPS[told.rpartition(": ")[2]]

    def _end(self) -> None:
        now = time.monotonic()
        if self.step_name is not None:
            self.seconds[self.step_name] = round(now - self.since, 3)
        self.since = now

    def costs(self) -> Mapping[str, float]:
        """All steps, the whole, and the memory of the largest process in MiB."""
        self._end()
        most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return self.seconds | {"total_s": round(self.since - self.begun, 3), "peak_mib": round(most / 1024)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
