"""Faults in wrappers of streams and buses: the generated benches find them, those of resets among them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from torch2hw.benchmarks.bus_faults import FAILED, HERE, Fault, bench, design, faults, text_of, with_fault
from torch2hw.benchmarks.generated_bench import run
from torch2hw.explore.measure import read_points

IN_A_PACKET, IN_A_RUN = (
    "a reset keeps the index in a packet that comes",
    "a reset keeps the runs that are to be written",
)


@pytest.mark.simulation
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize(
    ("interface", "kind", "chosen"),
    [("axis", IN_A_PACKET, "random_transactions"), ("axi", IN_A_RUN, "random_runs")],
)
def test_what_a_reset_leaves_behind_is_found(interface: str, kind: str, chosen: str, tmp_path: Path) -> None:
    compiled = design(interface)
    for fault in (each for each in faults() if each.interface == interface):
        assert fault.planted(compiled.verilog()) != compiled.verilog()
    source = bench(compiled, tmp_path / "bench")
    ran = run(tmp_path / "bench", "icarus", 20, chosen)
    assert ran.returncode == 0 and f"{chosen} " in ran.stdout, ran.stdout
    (fault,) = (each for each in faults() if each.kind == kind)
    with with_fault(source, fault):
        ran = run(tmp_path / "bench", "icarus", 20, chosen)
    assert ran.returncode != 0 and FAILED.findall(ran.stdout) == [chosen], ran.stdout


def test_a_fault_without_one_place_is_no_fault() -> None:
    fault = Fault("twice", "axis", "output", "a", "b")
    for text in ("module relu_output(a a\nendmodule", "module relu_input(a\nendmodule"):
        with pytest.raises(ValueError, match="twice: "):
            fault.planted(text)


def test_no_fault_of_the_record_survives() -> None:
    points = read_points(HERE / "bus_faults.json")
    assert [point["kind"] for point in points] == [fault.kind for fault in faults()]
    assert all(point["found_by"] for point in points)
    assert (HERE / "bus_faults.md").read_text() == text_of(points)
