"""Projects of Vitis HLS: the C++ of `--emit hls`, a test bench, and the Tcl that synthesises and simulates it.

| file | holds |
|---|---|
| design.cpp | the design: our loops, order of operations and array partitions, with pragmas |
| testbench.cpp | the example inputs, and the outputs of our reference; fails where one is far from them |
| run.tcl | `vitis_hls -f run.tcl`: C simulation, synthesis, and co-simulation with `COSIM=1` in the environment |

`read_csynth` and `read_cosim` parse what it reports (UG1399, 2023.2: `csynth.xml`, `TOP_cosim.rpt`). Its latency is an
estimate of its scheduler, co-simulation's is counted; both are cycles. Vitis HLS is not ours to install.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from torch2hw.analysis.stored_arrays import Array, to_words
from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.lowering.static.affine_to_hls import emit, with_names_apart
from torch2hw.lowering.static.hls_declarations import argument, c_type, legal, shape
from torch2hw.tools.errors import UsageError
from torch2hw.tools.resources import Resources

TCL = """\
# vitis_hls -f run.tcl; with COSIM=1 in the environment, co-simulation too
open_project -reset project
set_top {top}
add_files design.cpp
add_files -tb testbench.cpp
open_solution -reset solution -flow_target vivado
set_part {part}
create_clock -period {period} -name default
csim_design
csynth_design
if {{[info exists ::env(COSIM)]}} {{ cosim_design -rtl verilog }}
exit
"""
REPORT = "project/solution/syn/report/csynth.xml"
COSIM = "project/solution/sim/report"
README = """\
Vitis HLS project of {top} for {part}, made by torch2hw.

    vitis_hls -f run.tcl            C simulation and synthesis; leaves {report}
    COSIM=1 vitis_hls -f run.tcl    co-simulation, too; leaves {cosim}/{top}_cosim.rpt
    g++ -std=c++14 design.cpp testbench.cpp -o bench && ./bench    C simulation without Vitis
"""
TOLERANCE = 1e-3
"""Of the largest output: its functions are C's, ours have other last bits."""

COMPARE = """\
static int compare(const char *name, const {type} *got, const {type} *expected, int count) {{
    double largest = 0, apart = 0;
    for (int i = 0; i < count; ++i) {{
        const double value = (double)expected[i], difference = std::fabs((double)got[i] - value);
        if (std::fabs(value) > largest) largest = std::fabs(value);
        if (!(difference <= apart)) apart = difference;
    }}
    const bool right = apart <= {tolerance} * largest;
    std::printf("%s: largest difference %g, %s\\n", name, apart, right ? "PASS" : "FAIL");
    return right ? 0 : 1;
}}
"""


@dataclass(frozen=True)
class HlsReport:
    """What Vitis HLS says of a design: cycles of the worst case, None where it does not know them; the clock period
    that it estimates; resources, with a BRAM18 as a half."""

    cycles: int | None
    interval_cycles: int | None
    target_ns: float
    estimated_ns: float
    resources: Resources


def project(compiled: Compiled, inputs: Sequence[Array], outputs: Sequence[Array], part: str) -> dict[str, str]:
    """The files by name; `inputs` and `outputs` in the stored form, those of one run of the reference."""
    program = with_names_apart(compiled.at("scheduled"))
    top = legal(program.name)
    words = {"top": top, "part": part, "period": f"{compiled.options.clock_ns:g}", "report": REPORT, "cosim": COSIM}
    return {
        "design.cpp": emit(compiled.at("scheduled")),
        "testbench.cpp": testbench(program, inputs, outputs),
        "run.tcl": TCL.format(**words),
        "README": README.format(**words),
    }


def testbench(program: Program, inputs: Sequence[Array], outputs: Sequence[Array]) -> str:
    """A `main` that returns 0 where the design computes `outputs` of `inputs`."""
    ports = [argument(b, True) for b in program.inputs] + [argument(b, False) for b in program.outputs]
    lines = ["#include <cmath>", "#include <cstdint>", "#include <cstdio>", "#include <cstring>", ""]
    lines += [f"void {legal(program.name)}({', '.join(ports)});", ""]
    kinds = dict.fromkeys(c_type(buffer.dtype) for buffer in program.outputs)
    lines += [COMPARE.format(type=kind, tolerance=TOLERANCE) for kind in kinds]
    lines += [_words(f"in{k}", b, array) for k, (b, array) in enumerate(zip(program.inputs, inputs, strict=True))]
    lines += [_words(f"out{k}", b, array) for k, (b, array) in enumerate(zip(program.outputs, outputs, strict=True))]
    lines += ["", "int main() {"]
    names = []
    for k, buffer in enumerate(program.inputs):
        lines += _array(f"x{k}", buffer, f"in{k}")
        names.append(f"x{k}")
    for k, buffer in enumerate(program.outputs):
        lines += [*_array(f"expected{k}", buffer, f"out{k}"), f"    static {c_type(buffer.dtype)} y{k}{shape(buffer)};"]
        names.append(f"y{k}")
    lines += [f"    {legal(program.name)}({', '.join(names)});", "    int wrong = 0;"]
    for k, buffer in enumerate(program.outputs):
        kind = c_type(buffer.dtype)
        pointers = f"(const {kind} *)y{k}, (const {kind} *)expected{k}, {_count(buffer)}"
        lines.append(f'    wrong += compare("{buffer.name}", {pointers});')
    return "\n".join([*lines, "    return wrong;", "}", ""])


def _words(name: str, buffer: Buffer, array: Array) -> str:
    """The bits of a tensor as unsigned integers of its width."""
    bits = 8 if number_type(buffer.dtype).kind == "boolean" else number_type(buffer.dtype).bits
    words = ", ".join(str(int(word)) + ("ull" if bits == 64 else "u") for word in to_words(array, buffer.dtype))
    return f"static const uint{bits}_t {name}[{_count(buffer)}] = {{{words}}};"


def _array(name: str, buffer: Buffer, words: str) -> list[str]:
    kind = c_type(buffer.dtype)
    return [f"    static {kind} {name}{shape(buffer)};", f"    std::memcpy({name}, {words}, sizeof {words});"]


def _count(buffer: Buffer) -> int:
    count = 1
    for size in buffer.shape:
        count *= size
    return count


def read_csynth(text: str) -> HlsReport:
    """Of `csynth.xml`. Raises UsageError where a figure is missing."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UsageError(f"csynth.xml is not XML: {error}", fix="run vitis_hls -f run.tcl again") from None

    def found(path: str) -> str:
        value = root.findtext(path)
        if value is None:
            raise UsageError(f"csynth.xml has no {path}", fix="run it again, with Vitis HLS 2020 or later")
        return value.strip()

    latency, area = "PerformanceEstimates/SummaryOfOverallLatency", "AreaEstimates/Resources"
    counts = {name: int(found(f"{area}/{name}")) for name in ("LUT", "FF", "DSP", "BRAM_18K", "URAM")}
    return HlsReport(
        _cycles(found(f"{latency}/Worst-caseLatency")),
        _cycles(found(f"{latency}/Interval-max")),
        float(found("UserAssignments/TargetClockPeriod")),
        float(found("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod")),
        Resources(counts["LUT"], counts["FF"], counts["DSP"], counts["BRAM_18K"] / 2, counts["URAM"]),
    )


def _cycles(text: str) -> int | None:
    """`undef` where a loop's bounds are not known."""
    return int(text) if text.isdigit() else None


def read_cosim(text: str) -> int:
    """The largest latency in cycles of `TOP_cosim.rpt`: of the row of Verilog. UsageError where it did not pass."""
    row = re.search(r"^\|\s*Verilog\s*\|\s*(\w+)\s*\|\s*(\w+)\s*\|\s*(\w+)\s*\|\s*(\w+)\s*\|", text, re.MULTILINE)
    if row is None or row[1] != "Pass":
        said = "has no row of Verilog" if row is None else f"says {row[1]}"
        raise UsageError(f"the co-simulation {said}", fix="see project/solution/sim/report/verilog")
    return int(row[4])


def read_reports(folder: Path, top: str) -> HlsReport:
    """What a run left in `folder`, with the cycles of the co-simulation if there was one."""
    file = folder / REPORT
    if not file.is_file():
        raise UsageError(f"{file} is missing", fix="run vitis_hls -f run.tcl first")
    report = read_csynth(file.read_text())
    cosim = folder / COSIM / f"{top}_cosim.rpt"
    if not cosim.is_file():
        return report
    return HlsReport(**{**vars(report), "cycles": read_cosim(cosim.read_text())})
