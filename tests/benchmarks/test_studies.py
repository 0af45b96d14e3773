"""The tables of the ablation, of area over lanes and of the state of the art's kernels, from given points."""

from __future__ import annotations

import subprocess
import sys

import pytest

from torch2hw.benchmarks import ablation, area, compile_time, kernels, lane_use, networks, replays, testbenches
from torch2hw.benchmarks.models import tiny


def test_ablation_compares_with_the_same_model_without_arms() -> None:
    base = {"model": "FFNN batch 1", "partition": 1, "variant": ablation.BASE, "cycles": 900, "predicted_cycles": 900}
    arms = {"model": "FFNN batch 1", "partition": 2, "variant": "technique 1", "cycles": 300, "bit_exact": False}
    text = ablation.markdown([base, arms, {**arms, "variant": "naive banking", "error": "too large"}], "a tool")
    assert "| FFNN batch 1 | 1 | no arms | – | 900 | 1.00 |" in text
    assert "| FFNN batch 1 | 2 | technique 1 | – | 300 | 3.00 | – | – | – | – | **no** | – |" in text
    assert "- FFNN batch 1, N=2, naive banking: too large" in text


def test_area_marks_what_is_above_the_limit_and_shows_growth() -> None:
    points = [
        {"partition": 1, "lanes": 1, "predicted_cycles": 9, "rest_lut": 400, "lut": 900},
        {"partition": 2, "lanes": 4, "predicted_cycles": 8, "rest_lut": 800, "lut": 4000},
    ]
    text = area.markdown(points, "a tool")
    assert "| 1 | 1 | 9 | 900 | 900 | 400 | 400 | – |" in text
    assert "| 2 | 4 | 8 | 4,000 | **1000** | 800 | 200 | 0.50 |" in text
    faster = area.markdown([*points, {"partition": 4, "lanes": 16, "predicted_cycles": 7, "rest_lut": 1600}], "a tool")
    assert "`not units` = 400 × lanes^0.50: control and addressing grow slower" in faster
    steep = area.markdown([*points, {"partition": 4, "lanes": 16, "predicted_cycles": 7, "rest_lut": 9600}], "a tool")
    assert "grow **not slower** than the lanes" in steep


def test_use_below_its_goal_is_bold() -> None:
    points = [
        {"model": "CNN", "partition": n, "macs": 64_000, "cycles": cycles} for n, cycles in ((8, 1020), (16, 320))
    ]
    text = lane_use.markdown(points)
    assert "| CNN | 8 | 64,000 | 64 | 1,020 | 98.0% | 97% | +1.0 | 0 |" in text
    assert "| CNN | 16 | 64,000 | 256 | 320 | **78.1%** | 92% | -13.9 | 49 |" in text


def test_units_become_black_boxes() -> None:
    header, top = "module f32_add(\n  input a,\n  output b\n);\n", "module top();\n  x y();\nendmodule\n"
    text = f"{header}  assign b = a;\nendmodule\n\n{top}"
    boxed = area.without_bodies(text, ["f32_add"])
    assert boxed == f"(* blackbox *) {header}endmodule\n\n{top}"


def test_a_kernel_that_misses_says_what_limits_it() -> None:
    case = kernels.CASES[2]
    small = {"cycles": 5, "predicted_cycles": 5, "bit_exact": True, "mac_utilization": 0.9}
    point = {
        "model": case.name,
        "macs": 64,
        "mac_lanes": 16,
        "cycles": 8,
        "mac_utilization": 0.5,
        "limit": "sum0: II 4",
    }
    text = kernels.markdown([{**point, "small": small}])
    assert f"| {case.name} | 64 | 16 | 8 | **50.0%** | 85% | 23 % | 5 | 90.0% | yes, as predicted |" in text
    assert f"- {case.name}: sum0: II 4" in text
    assert "limits" not in kernels.markdown([{**point, "mac_utilization": 0.9}])


def test_the_kernels_have_models() -> None:
    from torch2hw.benchmarks.models import kernels as models

    for case in kernels.CASES:
        assert callable(getattr(models, case.model)) and callable(getattr(models, case.small))


def test_testbenches_that_fail_and_faults_that_are_missed_are_bold() -> None:
    passed = {"passed": 7, "failed": 0, "skipped": 0, "seconds": 70}
    faults = {"a constant flipped": True, "an address off by one": False, "a register missing": None}
    text = testbenches.markdown([{"model": "cnn", "cycles": 9, "verilator": passed, "faults": faults}])
    assert "| cnn | 9 | 7 of 7 pass, 70 s | – | caught | **missed** | – |" in text
    assert "**6 of 7 pass, 70 s**" in testbenches.markdown(
        [{"model": "cnn", "cycles": 9, "icarus": passed | {"passed": 6, "skipped": 1}}]
    )


def test_faults_are_planted_after_two_thirds_of_their_places() -> None:
    text = "".join(f"memory[{k}] = 32'h3f80000{k};\n" for k in range(3)) + "assign x_addr = at_i;\nstage2 <= stage1;\n"
    faults = [testbenches.planted(text, *fault) for fault in testbenches.FAULTS.values()]
    assert faults == [
        text.replace("3f800002", "7f800002"),
        text.replace("= at_i", "= 1'b1 + (at_i)"),
        text.replace("<= stage1", "<= in"),
    ]
    assert testbenches.planted("module m();", *testbenches.FAULTS["a register missing"]) is None


def test_compile_time_sums_a_pass_that_runs_twice_and_shows_the_slowest() -> None:
    lines = ["  1500.0 ms     250.0 ms to verify  choose-lanes", "    10.0 ms       0.0 ms to verify  bind-units"]
    seconds = compile_time.pass_seconds("\n".join([*lines, lines[0], "   12.00 s   from the loaded model on"]))
    assert seconds == {"choose-lanes": 3.5, "bind-units": 0.01}
    now = {"wall_seconds": 9.5, "cpu_seconds": 5.0, "peak_mib": 1200, "pass_seconds": seconds}
    text = compile_time.markdown([{"model": "FFNN", "partition": 16, "now": now, "before": {"error": "too large"}}])
    assert "| FFNN | 16 | 5.0 | too large | 9.5 | too large | 1,200 | too large | 7 s of passes |" in text
    assert "| FFNN | choose-lanes 3.5 | – |" in text


def test_peak_memory_counts_children() -> None:
    """Two processes hold 64 MiB each at the same time; the parent waits for its child."""
    hold = "import time; held = bytearray(b'x') * (64 << 20); time.sleep(1)"
    outer = (
        f"import subprocess, sys; held = bytearray(b'x') * (64 << 20); subprocess.run([sys.executable, '-c', {hold!r}])"
    )
    process = subprocess.Popen([sys.executable, "-c", outer])
    with compile_time.Peak(process.pid) as peak:
        assert process.wait() == 0
    assert 128 <= peak.mib < 256


def test_replays_name_the_files_that_gave_other_bytes() -> None:
    point = {"example": "ffnn", "schedule": "static", "partition": 2, "files": 15, "text_bytes": 1_234_000}
    rest = {"weight_bytes": 56_000, "different": ["13-choose-lanes.mlir"], "seconds": 9.0}
    text = replays.markdown([{**point, **rest}, {**point, **rest, "partition": 4, "different": []}])
    assert "| ffnn | static | 2 | 15 | 1,234 | 56 | 13-choose-lanes.mlir | 9 |" in text
    assert "| ffnn | static | 4 | 15 | 1,234 | 56 | none | 9 |" in text


def test_networks_say_what_was_simulated_and_what_was_refused() -> None:
    point = {"model": "ResNet-8", "format": "int8", "partition": 4, "macs": 9000, "mac_lanes": 16, "cycles": 600}
    point |= {"mac_utilization": 0.9, "pcc_floats": 0.99, "pcc_format": 1.0}
    text = networks.markdown(
        [
            point | {"simulated": 600, "bit_exact": True, "lut": 5000, "ff": 10, "dsp": 8, "bram36": 2.5},
            point | {"partition": 8},
            point | {"format": "bf16", "error": "too large"},
        ]
    )
    assert "| 600 | 90.0% | bit-exact | 0.9900 | 1.0000 | 5,000 | 10 | 8 | 2.5 |" in text
    assert "| 600 | 90.0% | – | 0.9900 | 1.0000 | – | – | – | – |" in text
    assert "- ResNet-8, bf16, N = 4: too large" in text


@pytest.mark.slow
def test_a_network_is_measured_on_inputs_that_calibrated_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    small = networks.Network(lambda: tiny.Autoencoder(12, 8, 1, 2), (1, 12))
    monkeypatch.setitem(networks.NETWORKS, "small", small)
    point = networks.measured("small", "int8", 1, cycles=0, lanes=0)
    assert point["pcc_format"] > 0.999 and 0.9 < point["pcc_floats"] < 1 and "simulated" not in point
