"""Every control construct, cycle by cycle: the Verilog of calyx_to_hw against an interpreter of what Calyx means."""

from __future__ import annotations

import random

import pytest

from tests.lowering.calyx_interpreter import Machine
from tests.lowering.clocked_bench import run
from tests.lowering.control_cases import programs
from torch2hw.dialects import calyx, calyx_reader
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv

CASES = programs()
OUTPUTS = {"a": 8, "b": 8, "lit": 1, "done": 1}


def stimulus() -> list[dict[str, int]]:
    """A reset; `go` held; pulses; random `go`, with a reset in mid-run now and then."""
    source = random.Random(7)
    cycles = [{"reset": 1, "go": source.getrandbits(1), "x": source.getrandbits(8)} for _ in range(3)]
    for phase in range(4):
        for number in range(160):
            go = {0: 1, 1: number % 60 == 3, 2: source.getrandbits(1), 3: source.random() < 0.1}[phase]
            reset = phase >= 2 and source.random() < 0.02
            cycles.append(
                {"reset": int(reset), "go": int(go), "x": source.choice((source.getrandbits(8), source.getrandbits(2)))}
            )
    return cycles


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, int]]]:
    sources = "\n".join(hw_to_sv.export(calyx_to_hw.lower(text, {})) for text in CASES.values())
    widths = {"reset": 1, "go": 1, "x": 8}
    return run(sources, list(CASES), widths, OUTPUTS, stimulus(), tmp_path_factory.mktemp("calyx"))


@pytest.mark.quick
@pytest.mark.simulation
@pytest.mark.parametrize("name", CASES)
def test_hardware_does_what_calyx_means_in_every_cycle(name: str, simulated: dict[str, list[dict[str, int]]]) -> None:
    program = calyx_reader.read(calyx.verified(CASES[name]))
    machine = Machine(program, program.components[name])
    for cycle, (inputs, found) in enumerate(zip(stimulus(), simulated[name], strict=True)):
        expected = machine.cycle({**inputs, "clk": 0})
        if cycle > 0:  # before the first reset has acted the state is random
            assert found == expected, f"cycle {cycle}"
