"""Runs the program after every pass on the CPU, and names the first pass that changed a value (`--check`).

All programs get the same sets of inputs (`stimulus.input_sets`). After a pass the outputs equal those before it, bit
for bit, NaNs made canonical. A pass whose report has `rounding` has declared that it rounds in other places: then they
may move by what `rounding` allows, integers and truth values only where `explained` finds them uncertain, and only on
inputs without special values are they compared at all.

Outputs are what counts; where they differ, the kernel is looked for: the first kernel of the new program after which a
buffer differs from what it held after the kernel that wrote it in the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from torch2hw.analysis.reference import Reference
from torch2hw.analysis.stored_arrays import Array, as_stored, from_torch, to_float64, to_words
from torch2hw.compiler.driver import LevelProgram
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Node, Program
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.signature import Structure
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.sim.banked import pack, unpack
from torch2hw.sim.compare import Mismatch, first_mismatch
from torch2hw.sim.execution import accepted, arguments, first_states, first_values, outputs_of, runs_on_cpu
from torch2hw.sim.explained import unexplained
from torch2hw.sim.quantised import output_steps
from torch2hw.sim.rounding import FACTOR, Yardstick
from torch2hw.sim.stimulus import INPUT_SETS, input_sets
from torch2hw.tools.errors import CheckError

ORDINARY_SETS = 2  # of INPUT_SETS, the first ones: neither special values nor subnormals
SHOWN_SHARE = 1e-3  # of a buffer's largest value: more than rounding moves it, when a kernel is looked for
FIX = "this is a fault in torch2hw, not in your model: report it with your model"
Outputs = list[list[Array]]


@dataclass(frozen=True)
class Checked:
    """A pass whose values were compared: bit for bit, or at most so many of the scales of `rounding` from float64; None
    where they moved as declared, and float64 is not known."""

    name: str
    exact: bool
    scales: float | None = 0.0

    def __str__(self) -> str:
        if self.exact:
            return f"{self.name}: bit for bit"
        if self.scales is None:
            return f"{self.name}: rounding moved values, as it declares; how far is for --check of the model to judge"
        return f"{self.name}: rounding moved values {self.scales:.2g} of the {FACTOR:.0f} scales allowed"


def sets_for(model: torch.nn.Module, imported: TorchProgram, example: tuple[Any, ...]) -> list[list[Array]]:
    """The sets of inputs that every program, and the hardware at the end, is given; always the same.

    The example stands for a set on which PyTorch itself cannot run the model.
    """
    tensors = Structure.of(example)[1][: len(imported.inputs)]  # without states
    sets = input_sets(imported.inputs, [from_torch(tensor) for tensor in tensors], np.random.default_rng(1))
    return accepted(model, imported, sets)


class PassChecker:
    """`check` is to be called after every pass that changed the program, in order; `checked` says what was found."""

    def __init__(
        self, model: torch.nn.Module, imported: TorchProgram, example: tuple[Any, ...], options: Options
    ) -> None:
        self.model, self.imported, self.options, self.subnormals = model, imported, options, options.subnormals
        self.sets = sets_for(model, imported, example)
        self.program: LevelProgram = imported
        self.outputs = self._run(imported, "torch")
        self.torch_outputs = self.outputs
        self.first = first_values(imported)
        inputs = arguments(imported, [*self.sets[0], *self.first])
        self.is_quantised = output_steps(model, inputs) is not None
        self.checked: list[Checked] = []
        self._yardsticks: list[Yardstick] = []

    @classmethod
    def of(cls, loaded: LoadedModel, imported: TorchProgram, options: Options) -> PassChecker:
        """The checker of a model that was loaded, as `compile_model` wants it."""
        return cls(loaded.model, imported, loaded.example_inputs, options)

    def check(self, name: str, level: str, program: LevelProgram, report: Mapping[str, Any]) -> None:
        """Compare `program`, which pass `name` left, with the program before. Raises CheckError where values differ."""
        if not runs_on_cpu(program, level):
            return
        outputs = self._run(program, level)
        if self._equal(outputs):
            self.checked.append(Checked(name, True))
        elif "rounding" in report:
            self.checked.append(Checked(name, False, self._bounded(name, program, outputs, report["rounding"])))
        else:
            for number in range(len(self.sets)):
                self._exact(name, program, outputs, number)
        self.program, self.outputs = program, outputs

    def _run(self, program: LevelProgram, level: str) -> Outputs:
        return outputs_of(program, level, self.model, self.sets, self.subnormals, keeps=False)

    def _equal(self, outputs: Outputs) -> bool:
        return all(self._mismatch(outputs, number) is None for number in range(len(self.sets)))

    def _mismatch(self, outputs: Outputs, number: int) -> Mismatch | None:
        for info, before, after in zip(self.imported.results, self.outputs[number], outputs[number], strict=True):
            found = first_mismatch(info.name, info.dtype, before, after)
            if found is not None:
                return found
        return None

    def _exact(self, name: str, program: LevelProgram, outputs: Outputs, number: int) -> None:
        found = self._mismatch(outputs, number)
        if found is not None:
            place = first_kernel(self.program, program, self.sets[number], self.subnormals, rounds=False)
            raise wrong_value(name, found, place, number, "its values must be those before it, bit for bit")

    def _bounded(self, name: str, program: LevelProgram, outputs: Outputs, declared: object) -> float:
        """The most scales of any output from float64; raises CheckError where they are too many."""
        if self.is_quantised:
            self._near(name, program, outputs)
            return 0.0
        worst = 0.0
        for number in range(ORDINARY_SETS):
            yardstick = self._yardstick(number)
            self._certain(name, program, outputs, number)
            for k, info in enumerate(self.imported.results):
                before, after = self.outputs[number][k], outputs[number][k]
                scales, index = yardstick.scales(k, before, after, info.dtype)
                worst = max(worst, scales)
                if scales > FACTOR:
                    words = (int(to_words(array, info.dtype).reshape(array.shape)[index]) for array in (before, after))
                    found = Mismatch(info.name, index, info.dtype, *words)
                    place = first_kernel(self.program, program, self.sets[number], self.subnormals, rounds=True)
                    why = (
                        f"the rounding that it declares ({declared}) explains {FACTOR:.0f} scales' distance from "
                        f"float64 (sim/rounding.py); this is {scales:.3g}"
                    )
                    raise wrong_value(name, found, place, number, why)
        return worst

    def _near(self, name: str, program: LevelProgram, outputs: Outputs) -> None:
        """Raises CheckError where a quantised model's output is too far from PyTorch's (sim/quantised.py)."""
        infos = self.imported.results
        names, dtypes = [info.name for info in infos], [info.dtype for info in infos]
        for number in range(ORDINARY_SETS):
            inputs = arguments(self.imported, [*self.sets[number], *self.first])
            expected = self.torch_outputs[number]
            found = unexplained(self.model, inputs, names, dtypes, expected, outputs[number], self.options)
            if found is not None:
                place = first_kernel(self.program, program, self.sets[number], self.subnormals, rounds=True)
                raise wrong_value(name, found.mismatch, place, number, "codes may be one step off (sim/quantised.py)")

    def _certain(self, name: str, program: LevelProgram, outputs: Outputs, number: int) -> None:
        """Raises CheckError where an integer or boolean changed that no rounding explains."""
        infos = self.imported.results
        before = [
            new if number_type(info.dtype).is_float else old
            for info, old, new in zip(infos, self.outputs[number], outputs[number], strict=True)
        ]
        names, dtypes = [info.name for info in infos], [info.dtype for info in infos]
        inputs = arguments(self.imported, [*self.sets[number], *self.first])
        found = unexplained(self.model, inputs, names, dtypes, before, outputs[number], self.options)
        if found is not None:
            place = first_kernel(self.program, program, self.sets[number], self.subnormals, rounds=True)
            why = "no change of rounding explains another integer or truth value (sim/explained.py)"
            raise wrong_value(name, found.mismatch, place, number, why)

    def _yardstick(self, number: int) -> Yardstick:
        while len(self._yardsticks) <= number:
            inputs = arguments(self.imported, [*self.sets[len(self._yardsticks)], *self.first])
            self._yardsticks.append(Yardstick.of(self.model, inputs, self.options.dtype))
        return self._yardsticks[number]


@dataclass(frozen=True)
class Place:
    """A kernel of the new program after which a buffer's element is not what it was in the old one."""

    kernel: Kernel
    mismatch: Mismatch


def wrong_value(name: str, output: Mismatch, place: Place | None, number: int, why: str) -> CheckError:
    """The error for a pass that changed a value, at the kernel's line in the model where that was found."""
    found = output if place is None else place.mismatch
    got, expected = found.value(found.got), found.value(found.expected)
    what = f"pass {name} changed a value: {found.place} is {got}, before it {expected}"
    kernel = "" if place is None else f"kernel {place.kernel.name}, seen in output {output.place}, "
    source = None if place is None else place.kernel.source
    return CheckError(
        what,
        location=None if source is None else (source.file, source.line),
        operation=f"{kernel}on {INPUT_SETS[number]}",
        why=why,
        fix=FIX,
    )


def first_kernel(before: Any, after: Any, inputs: Sequence[Array], subnormals: str, rounds: bool) -> Place | None:
    """Where two loop programs first differ; with `rounds`, by more than rounding explains. None if unseen."""
    old, new = loops_of(before), loops_of(after)
    if old is None or new is None:
        return None
    earlier = written(old, inputs, subnormals)
    paired = [(buffer.shape, buffer.dtype) for _, buffer, _ in earlier]
    by_name = {buffer.name: array for _, buffer, array in earlier}
    later = written(new, inputs, subnormals)
    in_order = paired == [(buffer.shape, buffer.dtype) for _, buffer, _ in later]
    for position, (kernel, buffer, array) in enumerate(later):
        expected = earlier[position][2] if in_order else by_name.get(buffer.name)
        if expected is None or expected.shape != array.shape:
            continue
        shown = expected if not rounds else _rounded_away(expected, array, buffer.dtype)
        mismatch = first_mismatch(buffer.name, buffer.dtype, shown, array)
        if mismatch is not None:
            return Place(kernel, mismatch)
    return None


def loops_of(program: object) -> Program | None:
    """The loop program at levels affine and scheduled, or that a lower level was made of."""
    inner = getattr(program, "program", program)
    return inner if isinstance(inner, Program) else None


def written(program: Program, inputs: Sequence[Array], subnormals: str) -> list[tuple[Kernel, Buffer, Array]]:
    """Every kernel with each buffer it writes, as a whole tensor, as it is when the kernel has run."""
    found = []
    packed = [pack(array, buffer.bank_factors) for array, buffer in zip(inputs, program.inputs, strict=True)]
    for number, kernel in enumerate(program.kernels):
        for buffer, array in contents_after(program, program.up_to(number + 1).sequence, packed, subnormals).items():
            if any(store.buffer is buffer for store in kernel.stores()):
                found.append((kernel, buffer, unpack(array, buffer.shape, buffer.bank_factors)))
    return found


def contents_after(
    program: Program, nodes: Sequence[Node], packed: Sequence[Array], subnormals: str
) -> dict[Buffer, Array]:
    """Every output, temporary and state, in its banks, after these nodes have run on the inputs in their banks."""
    part = replace(program.with_sequence(nodes), level="affine")  # a part has no schedule of its own
    inner = [buffer for buffer in part.buffers() if buffer.storage.is_scratch]
    outputs = [*program.outputs, *inner]
    reference = Reference(part.with_ports(program.inputs, outputs).text(), subnormals)
    results = zip([*outputs, *program.states], reference.run(packed, first_states(program)), strict=True)
    return {buffer: as_stored(array, buffer.dtype) for buffer, array in results}


def _rounded_away(expected: Array, got: Array, dtype: str) -> Array:
    """`expected`, with elements of `got` in place of those from which they differ by no more than rounding explains."""
    old, new = to_float64(expected, dtype), to_float64(got, dtype)
    finite = np.isfinite(old) & np.isfinite(new)
    largest = float(np.abs(old[finite]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        near = ~finite | (np.abs(old - new) <= SHOWN_SHARE * largest)
    return np.where(near, got, expected)
