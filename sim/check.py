"""Simulate a compiled design, and compare it with its reference and with PyTorch (contract section 6).

The first run takes the given inputs; each further run takes random ones of the same shapes: normally distributed
numbers, and the given integers and booleans in another order, which keeps indices valid; the given ones again where
PyTorch cannot run the model on those. All runs follow each other without a reset in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from torch2hw.analysis.stored_arrays import Array, from_torch, to_torch
from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.bus_timing import MEMORY_LATENCY_CYCLES
from torch2hw.frontend.export_model import run_model
from torch2hw.frontend.in_format import rounded
from torch2hw.frontend.quiet import copied
from torch2hw.frontend.signature import Structure, TensorInfo
from torch2hw.sim import execution, pytorch
from torch2hw.sim.compare import Comparison, Result, compare, first_wrong
from torch2hw.sim.explained import Unexplained, unexplained
from torch2hw.sim.kernel_values import wrong_kernel
from torch2hw.sim.monitors import watched
from torch2hw.sim.quantised import Steps, output_steps, steps_apart, total
from torch2hw.sim.simulate_compiled import simulate_compiled
from torch2hw.sim.simulation import Conditions
from torch2hw.sim.timeline import Timeline
from torch2hw.sim.top1 import Top1, top1
from torch2hw.tools.errors import CheckError, UsageError

if TYPE_CHECKING:
    from torch2hw.sim.per_layer import LayerDistance

ORACLES = {"pytorch": "PyTorch", "onnxruntime": "onnxruntime", "mlir-cpu": "MLIR on the CPU"}
"""What results are compared with, as `--json` and the text call it."""


@dataclass(frozen=True)
class SimulationResult:
    """`outputs` is what the model returns, computed by the hardware from the first inputs; `cycles` of every run.

    `timeline` is there where it was asked for; `wrong_kernel` where a result is wrong: the first kernel at fault;
    `unexplained` where a result is further from PyTorch's than rounding explains; `steps`, of a quantised model, the
    distance in codes; `top1`, over a data set, how often classes are PyTorch's and right; `results` are all outputs of
    all runs. `intervals`, of a design with beats: the cycles from one result of each output to the next. `facts` are
    what `--json` adds; of a design with a bus, the cycles of a run with its transfers among them.
    """

    outputs: Any
    cycles: tuple[int, ...]
    predicted_cycles: int
    comparison: Comparison
    facts: dict[str, Any]
    seconds: dict[str, float]
    timeline: Timeline | None = None
    wrong_kernel: str | None = None
    unexplained: Unexplained | None = None
    steps: Steps | None = None
    intervals: tuple[int, ...] = ()
    predicted_interval: int | None = None
    top1: Top1 | None = None
    results: tuple[Result, ...] = ()
    layers: tuple[LayerDistance, ...] = ()

    @property
    def bit_exact(self) -> bool:
        """Whether every bit of every run equals the reference."""
        return self.comparison.bit_exact

    def to_json(self) -> dict[str, Any]:
        """The object of `simulate --json`."""
        cycles = (self._mispredicted or self.cycles)[0]
        facts = self.facts | {"cycles": cycles, "predicted_cycles": self.predicted_cycles}
        if self.predicted_interval is not None:
            facts |= {"interval_cycles": self._interval, "predicted_interval_cycles": self.predicted_interval}
        if self.steps is not None:
            facts["codes"] = {"different": self.steps.different, "of": self.steps.of, "max_steps": self.steps.most}
        if self.layers:
            facts["layers"] = [each.to_json() for each in self.layers]
        if self.top1 is not None:
            facts["top1"] = self.top1.to_json()
        return facts | self.comparison.to_json() | {"seconds": self.seconds}

    def check(self) -> None:
        """Raise CheckError if the hardware differs from its reference, or took another number of cycles,
        or is further from PyTorch than rounding explains.
        """
        if self.comparison.first_mismatch is not None:
            raise CheckError(
                f"the simulation differs from its reference: {self.comparison.first_mismatch}", why=self.wrong_kernel
            )
        if self.unexplained is not None:
            raise CheckError(
                f"{self.unexplained.what}: {self.unexplained}",
                why="rounding in other places does not explain it (sim/explained.py)",
                fix="this is a fault in torch2hw, unless the model reads or changes something outside its inputs; "
                "report it with your model",
            )
        if self._mispredicted:
            raise CheckError(f"a run took {self._mispredicted[0]} cycles, {self.predicted_cycles} were predicted")
        alone, predicted = self.facts.get("run_cycles"), self.facts.get("predicted_run_cycles")
        if alone != predicted:
            raise CheckError(f"a run with its transfers took {alone} cycles, {predicted} were predicted")
        if self._interval != self.predicted_interval:
            raise CheckError(
                f"results came every {self._interval} cycles, every {self.predicted_interval} were predicted"
            )

    @property
    def _interval(self) -> int | None:
        """The cycles from result to result; those of the first output that differs from the prediction."""
        wrong = [interval for interval in self.intervals if interval != self.predicted_interval]
        return wrong[0] if wrong else self.predicted_interval

    @property
    def _mispredicted(self) -> list[int]:
        """Cycles of the runs that did not take what was predicted."""
        return [cycles for cycles in self.cycles if cycles != self.predicted_cycles]

    def __str__(self) -> str:
        facts, torch_distance = self.facts, self.comparison.torch
        number = max(len(self.cycles), sum(each.name == self.results[0].name for each in self.results))
        runs = f"{number} run{'s' if number > 1 else ''}"
        exact = "bit-exact with its reference" if self.bit_exact else f"WRONG: {self.comparison.first_mismatch}"
        use = "" if "mac_utilization" not in facts else f", {facts['mac_utilization']:.1%} used"
        pcc = "" if torch_distance.pcc is None else f", correlation {torch_distance.pcc:.9f}"
        lines = [
            f"{facts['top']}: {exact} ({runs})",
            f"  cycles: {', '.join(f'{n:,}' for n in sorted(set(self.cycles)))} ({self.predicted_cycles:,} predicted)",
            *self._of_the_bus(),
            *(
                []
                if self.predicted_interval is None
                else [f"  from result to result: {self._interval:,} cycles ({self.predicted_interval:,} predicted)"]
            ),
            f"  multiply-accumulates: {facts['macs']:,}, lanes: {facts['mac_lanes']}{use}",
            f"  from {ORACLES[facts['oracle']]}: max abs {torch_distance.max_abs:.3g}, "
            f"max rel {torch_distance.max_rel:.3g}, {torch_distance.max_ulp:.0f} ulp{pcc}",
        ]
        if self.steps is not None:
            apart = f", by at most {self.steps.most}" if self.steps.different else ""
            lines.append(f"  codes other than PyTorch's: {self.steps.different:,} of {self.steps.of:,}{apart}")
        if self.top1 is not None:
            lines.append(f"  {self.top1}")
        hardware, software = self.comparison.hardware_float64_max_abs, self.comparison.torch_float64_max_abs
        if hardware is not None and software is not None:
            lines.append(f"  from PyTorch in float64: max abs {hardware:.3g}; PyTorch's own distance is {software:.3g}")
        if self.layers:
            lines += ["  layers, the worst first:", *(f"    {each}" for each in self.layers)]
        lines.append("  seconds: " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in self.seconds.items()))
        return "\n".join(lines)

    def _of_the_bus(self) -> list[str]:
        """The line about runs with their transfers, of a design with a bus."""
        if "run_cycles" not in self.facts:
            return []
        measured, predicted = self.facts["run_cycles"], self.facts["predicted_run_cycles"]
        latency = f"memory latency {self.facts['memory_latency_cycles']}"
        return [f"  with transfers: {measured:,} cycles ({predicted:,} predicted), {latency}"]


MAX_BYTES_OF_INPUTS = 1 << 31
BYTES_OF_A_SET = 2048  # what Python adds


def simulate_design(
    compiled: Compiled,
    arguments: tuple[Any, ...],
    *,
    runs: int = 1,
    seed: int = 1,
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
    monitored: bool = False,
    netlist: bool = False,
) -> SimulationResult:
    """Run the design `runs` times, first on `arguments` (what `forward` takes, of the shapes it was compiled for)."""
    loaded = compiled.loaded
    tensors = Structure.of(rounded(arguments, compiled.options.dtype))[1]
    count = len(compiled.imported.inputs)
    if len(tensors) == count + len(compiled.imported.states):
        tensors = tensors[:count]  # states are those of the design
    check_shapes(compiled.imported.inputs, tensors)
    _check_runs(runs, tensors)
    with torch.no_grad():
        structure = compiled.imported.input_structure
        given = [*tensors, *(to_torch(each, info.dtype) for each, info in _first(compiled))]
        run_model(lambda *all_: loaded.model(*structure.build(all_)), given, loaded, "these inputs")
    generator = torch.Generator().manual_seed(seed)
    sets = [tensors, *([_another(tensor, generator) for tensor in tensors] for _ in range(runs - 1))]
    stored = execution.accepted(
        loaded.model, compiled.imported, [[from_torch(tensor) for tensor in each] for each in sets]
    )
    return simulate_sets(
        compiled, stored, conditions=conditions, progress=progress, monitored=monitored, netlist=netlist
    )


def _first(compiled: Compiled) -> Iterable[tuple[Array, TensorInfo]]:
    return zip(execution.first_values(compiled.imported), compiled.imported.states, strict=True)


def _check_runs(runs: int, tensors: Sequence[torch.Tensor]) -> None:
    """Refuse runs whose inputs, all drawn at the start, memory does not hold."""
    most = MAX_BYTES_OF_INPUTS // (BYTES_OF_A_SET + sum(tensor.nbytes for tensor in tensors))
    if runs > max(1, most):
        why = "the inputs of all runs are in memory at once"
        raise UsageError(f"{runs:,} runs: more than {most:,} for inputs of this size", why=why, fix="run fewer")


def simulate_dataset(
    compiled: Compiled,
    sets: Sequence[Sequence[torch.Tensor]],
    labels: Any = None,
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> SimulationResult:
    """Run the design on every set of input tensors, and compare the classes of its first output, too; `labels` are
    those of its rows in order."""
    stored = [[from_torch(tensor) for tensor in rounded(tuple(each), compiled.options.dtype)] for each in sets]
    for each in sets:
        check_shapes(compiled.imported.inputs, each)
    result = simulate_sets(compiled, stored, conditions=conditions, progress=progress)
    first = result.results[:: len(compiled.imported.results)]
    classes = top1([each.hardware for each in first], [each.torch for each in first], first[0].dtype, labels)
    return replace(result, top1=classes)


def check_shapes(ports: Sequence[TensorInfo], tensors: Sequence[torch.Tensor]) -> None:
    """UsageError where these are not tensors of the design's shapes."""
    fix = "compile the model for these inputs, or give tensors of the shapes it was compiled for"
    if len(tensors) != len(ports):
        raise UsageError(f"{len(tensors)} inputs, the design takes {len(ports)}", fix=fix)
    for port, tensor in zip(ports, tensors, strict=True):
        if tuple(tensor.shape) != port.shape:
            raise UsageError(
                f"input {port.name} has shape {tuple(tensor.shape)}, the design takes {port.shape}", fix=fix
            )


def simulate_sets(
    compiled: Compiled,
    sets: Sequence[Sequence[Array]],
    *,
    conditions: Conditions | None = None,
    progress: Callable[[int, float], None] | None = None,
    monitored: bool = False,
    netlist: bool = False,
) -> SimulationResult:
    """Run the design on each set of stored inputs, in the order of the ports; `monitored`, for a timeline. PyTorch is
    given the states that the hardware had before the run, so that distances do not add up over runs; an oracle keeps
    states of its own.

    With `netlist`, what Yosys synthesises of the design is run in its place.
    """
    assert not (monitored and netlist), "a netlist has no kernels"
    if compiled.loaded.oracle is not None and not compiled.imported.states:  # where it fails, that is told at once
        pytorch.run(compiled.loaded.oracle, execution.arguments(compiled.imported, sets[0]))
    circuits = watched(compiled.at("calyx")) if monitored else []
    manifest, outputs, simulation = simulate_compiled(compiled, sets, conditions, progress, circuits, netlist)
    answers = references(compiled, sets)
    results: list[Result] = []
    far: Unexplained | None = None
    steps: list[Steps] = []
    states = execution.first_values(compiled.imported)
    oracle = copied(compiled.loaded.oracle) if states else compiled.loaded.oracle  # it may keep state, too
    for run, stored in enumerate(sets):
        inputs = execution.arguments(compiled.imported, [*stored, *states])
        states = simulation.outputs[run][len(compiled.imported.outputs) :]
        model = compiled.loaded.model
        of_torch = [from_torch(tensor) for tensor in pytorch.run(model, inputs)]
        expected = of_torch if oracle is None else [from_torch(tensor) for tensor in pytorch.run(oracle, inputs)]
        wide = pytorch.run_float64(model, inputs) if oracle is None else None
        for k, port in enumerate(outputs):
            exact = None if wide is None else wide[k].double().numpy()
            hardware, reference = simulation.outputs[run][k], answers[run][k]
            results.append(Result(port.name, port.dtype, hardware, reference, expected[k], exact))
        names, dtypes = [port.name for port in outputs], [port.dtype for port in outputs]
        results_of_run = simulation.outputs[run]
        sizes = output_steps(model, inputs) or []
        steps += [
            steps_apart(results_of_run[k], expected[k], dtypes[k], size)
            for k, size in enumerate(sizes)
            if size is not None
        ]
        far = far or unexplained(model, inputs, names, dtypes, of_torch, results_of_run, compiled.options)
        if oracle is not None and far is None and not states:
            misread = unexplained(model, inputs, names, dtypes, of_torch, expected, compiled.options)
            far = None if misread is None else replace(misread, by=compiled.loaded.oracle_name)
    tensors_out = [to_torch(array, port.dtype) for array, port in zip(simulation.outputs[0], outputs, strict=True)]
    facts: dict[str, Any] = {
        "model": compiled.loaded.source_file,
        "top": compiled.top,
        "oracle": compiled.loaded.oracle_name,
        "partition": compiled.options.partition,
        "dtype": compiled.options.dtype,
        "macs": manifest["macs"],
        "mac_lanes": manifest["mac_lanes"],
    }
    cycles = tuple(count for of_set in simulation.cycles for count in of_set)
    timeline, wrong = None, None
    if circuits:
        clock_ns = compiled.options.clock_ns
        timeline = Timeline(compiled.top, clock_ns, tuple(circuits), simulation.runs, cycles, simulation.seen.kernels)
    comparison = compare(results)
    if comparison.first_mismatch is not None and compiled.options.schedule == "static":
        wrong = wrong_kernel(compiled, sets[first_wrong(results) // len(outputs)])
    if simulation.run_cycles is not None:
        facts |= {"run_cycles": simulation.run_cycles, "predicted_run_cycles": manifest["run_cycles"]}
        facts["memory_latency_cycles"] = MEMORY_LATENCY_CYCLES
    if facts["macs"] and facts["mac_lanes"]:
        facts["mac_utilization"] = facts["macs"] / (cycles[0] * facts["mac_lanes"])
    seconds = {"compile": compiled.seconds, "build": simulation.build_seconds, "run": simulation.run_seconds}
    return SimulationResult(
        compiled.imported.output_structure.build(tensors_out),
        cycles,
        manifest["latency_cycles"],
        comparison,
        facts,
        {step: round(value, 3) for step, value in seconds.items()},
        timeline,
        wrong,
        far,
        total(steps),
        simulation.intervals,
        manifest.get("interval_cycles"),
        results=tuple(results),
    )


def references(compiled: Compiled, sets: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """The outputs of the reference, the scheduled loop program run on the CPU, for each set of stored inputs."""
    program = compiled.reference
    return execution.loop_outputs(program, program.text(), sets, compiled.options.subnormals)


def _another(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if tensor.is_floating_point():
        return torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
    order = torch.randperm(tensor.numel(), generator=generator)
    return tensor.reshape(-1)[order].reshape(tensor.shape)
