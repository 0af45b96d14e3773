"""Runs the program of a replayed file, and the program after every pass that follows, on the CPU (`replay --check`).

After a pass the outputs equal those before it, bit for bit, as in `pass_checker`. There is no model and no example:
floats are random numbers with special values among them, integers and booleans are 0, which is in range of every index.
How far a pass that declares its rounding moves values is not judged, for want of PyTorch's values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from torch2hw.analysis.stored_arrays import Array
from torch2hw.compiler.driver import LevelProgram
from torch2hw.dialects.number_types import number_type
from torch2hw.sim.compare import Mismatch, first_mismatch
from torch2hw.sim.execution import outputs_of, runs_on_cpu
from torch2hw.sim.pass_checker import Checked, first_kernel, wrong_value
from torch2hw.sim.stimulus import input_sets, ordinary


class ReplayChecker:
    """`check` is to be called after every pass that changed the program, in order; `checked` says what was found."""

    def __init__(self, program: LevelProgram, level: str, subnormals: str) -> None:
        ports: Any = getattr(program, "program", program)  # of scf, the loop program that it was made of
        random = np.random.default_rng(1)
        example = [
            ordinary(port.dtype, port.shape, random)
            if number_type(port.dtype).is_float
            else np.zeros(port.shape, number_type(port.dtype).stored)
            for port in ports.inputs
        ]
        self.sets = input_sets(ports.inputs, example, random)
        self.outputs = ports.results
        self.subnormals = subnormals
        self.program: LevelProgram = program
        self.values = self._run(program, level)
        self.checked: list[Checked] = []

    def check(self, name: str, level: str, program: LevelProgram, report: Mapping[str, Any]) -> None:
        """Compare `program`, which pass `name` left, with the program before. Raises CheckError where values differ."""
        if not runs_on_cpu(program, level):
            return
        values = self._run(program, level)
        for number, (before, after) in enumerate(zip(self.values, values, strict=True)):
            found = self._mismatch(before, after)
            if found is not None and "rounding" in report:
                self.checked.append(Checked(name, False, None))
                break
            if found is not None:
                place = first_kernel(self.program, program, self.sets[number], self.subnormals, rounds=False)
                raise wrong_value(name, found, place, number, "its values must be those before it, bit for bit")
        else:
            self.checked.append(Checked(name, True))
        self.program, self.values = program, values

    def _run(self, program: LevelProgram, level: str) -> list[list[Array]]:
        return outputs_of(program, level, torch.nn.Identity(), self.sets, self.subnormals, keeps=False)

    def _mismatch(self, before: Sequence[Array], after: Sequence[Array]) -> Mismatch | None:
        for port, old, new in zip(self.outputs, before, after, strict=True):
            found = first_mismatch(port.name, port.dtype, old, new)
            if found is not None:
                return found
        return None
