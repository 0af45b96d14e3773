"""What is recorded about streams, buses and packages, and the commands that measure it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torch2hw.benchmarks import bus_proofs, packages, streams
from torch2hw.explore.measure import read_points

HERE = packages.HERE


@pytest.mark.slow
def test_packages_are_taken(tmp_path: Path) -> None:
    chosen = ["--board", "zcu104", "--interface", "axis", "--format", "int8", "--data-bits", "512"]
    assert packages.main([*chosen, "-o", str(tmp_path)]) == 0
    assert "| zcu104 | axis |  |  | 512 |\n" in (tmp_path / "packages.md").read_text()
    files = {"rtl/t.sv": "module t(input a, output b);\nassign b = 1'b0;\nendmodule\n", "sim/t_bench.sv": ""}
    with pytest.raises(AssertionError, match=r"t\.sv:1: verilator warning UNUSEDSIGNAL"):
        packages.check_hardware(files, "t")


def test_every_package_is_recorded() -> None:
    points = read_points(HERE / "packages.json")
    assert len(points) == 7 * len(packages.FORMATS) * len(packages.WIDTHS)
    assert (HERE / "packages.md").read_text() == packages.markdown(points)


def test_every_proof_is_recorded() -> None:
    points = read_points(HERE / "bus_proofs.json")
    assert points and all(point["holds"] for point in points)
    assert {(p["interface"], p["data_bits"]) for p in points} == {
        (interface, bits) for interface in bus_proofs.INTERFACES for bits in bus_proofs.WIDTHS
    }
    assert (HERE / "bus_proofs.md").read_text() == bus_proofs.markdown(points)


def test_throughput_is_as_predicted() -> None:
    points = [point for point in read_points(HERE / "streams.json") if point["kind"] == "throughput"]
    assert {(p["model"], p["interface"]) for p in points} == {(m, i) for m in streams.WHOLE for i in ("axis", "axi")}
    for point in points:
        assert point["interval_cycles"] == point["predicted_interval_cycles"] <= 1.02 * point["latency_cycles"]
