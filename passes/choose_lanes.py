"""choose-lanes: chooses which loops of each kernel run in parallel, so that N² multiply-accumulate lanes are busy in
every cycle.

Before:  matmul0: for i < 64, j < 48 { for k < 64 … }        at --partition 4
After:   matmul0: for io < 4, j < 48 { for k < 64 { 16 arms … } }

needs: affine programs.
leaves: kernels with their parallel arms written out. A load that several arms need is made once.
refuses: nothing.
why: lanes only help if their operands arrive in the same cycle. Every choice of loops with at most N² lanes is priced.
    Its price is the cycles (with padding, and with the II that memory conflicts or a short reduction force) plus the
    area in LUTs (`lane_costs`), weighed as in `time_and_area` in a design of a first choice for each kernel: what takes
    many LUTs anyway adds some for few cycles. A buffer has the banks that all its kernels need, and a unit that kernels
    share is there once, so the choice for one kernel changes the prices for others. Kernels are therefore chosen one by
    one, the largest first; then each is chosen again, given all others, and so are pairs of kernels that share a
    buffer, until nothing changes. Lanes that are joined unlike those of the largest kernel need multiplexers in front
    of the shared adders, once for all kernels that are joined in the same way: where these would save more together
    than the multiplexers are worth, all is chosen again with such multiplexers for nothing, and the cheaper result
    wins. Of equal prices the first in the order of enumeration wins: the result is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from torch2hw.dialects.program import Program
from torch2hw.passes.block_sums import models_of
from torch2hw.passes.lane_search import Effort, LaneSearch
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class ChooseLanes:
    """The pass, with the effort of its search."""

    name: str = "choose-lanes"
    source: str = "affine"
    target: str = "affine"
    effort: Effort = field(default_factory=Effort)

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: loops written out and estimated cycles by kernel; reductions split over lanes as a change of
        rounding.
        """
        partition = int(context.options.partition)
        if partition == 1:
            return program, {}
        block = context.options.sums == "block"
        search = LaneSearch(self.effort, program, partition * partition, context.library, block)
        chosen = search.best()
        factors = search.partition(range(len(chosen)), chosen)
        report: dict[str, Any] = {}
        joined: list[str] = []  # kernels whose lanes are added in a tree
        made = [choices[lanes.place].written_out for choices, lanes in zip(search.choices, chosen, strict=True)]
        for kernel, lanes, unrolled in zip(program.kernels, chosen, made, strict=True):
            report[kernel.name] = f"{lanes.text}: about {lanes.cost(factors)[0]} cycles"
            trips = [
                prod(loop.extent for loop in each.loops if loop.reduced_by in (0, 1)) for each in (kernel, unrolled)
            ]
            if trips[1] < trips[0]:
                joined.append(kernel.name)
        if joined:
            report["rounding"] = joined
        models = {name: text for kernel in made for name, text in models_of(kernel, context.library).items()}
        return program.with_kernels(made).with_models(models.values()), report
