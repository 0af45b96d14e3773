"""The findings of two linters in SystemVerilog: Verilator with -Wall, and slang with all warnings and full analysis.

Each linter finds what the other misses (two drivers of one register: slang; bits never used: Verilator). In generated
designs the only findings are those in WAIVED, each with its reason.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyslang import DiagnosticSeverity, analysis, driver

from torch2hw.sim.verilator import PROGRAM
from torch2hw.sim.verilator_runtime import ROOT
from torch2hw.tools.processes import Command, run_all

WAIVED: Mapping[str, str] = {
    "DECLFILENAME": "a design is one file of many modules",
    "empty-output-connection": "an instance may have outputs that its user does not want",
    "unused-port": "the contract's address port of a tensor with one element selects nothing",
    "bitwise-op-parentheses": "ExportVerilog writes no parentheses that SystemVerilog's precedence makes superfluous",
}

VERILATOR_FINDING = re.compile(r"%(Warning|Error)(?:-(\w+))?: (?:(.+?):(\d+):\d+: )?(.*)")


@dataclass(frozen=True)
class Finding:
    """One complaint. `code` is the linter's own name for it; `line` is 0 where it is about no line."""

    linter: Literal["verilator", "slang"]
    severity: Literal["warning", "error"]
    code: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.linter} {self.severity} {self.code}: {self.message}"


def lint(files: Sequence[Path], top: str, waived: Mapping[str, str] = WAIVED) -> list[Finding]:
    """The findings of both linters that are not waived."""
    findings = [*lint_with_verilator(files, top), *lint_with_slang(files, top)]
    return [finding for finding in findings if finding.code not in waived]


def lint_with_verilator(files: Sequence[Path], top: str) -> list[Finding]:
    """What `verilator --lint-only -Wall` finds, nothing waived yet."""
    command: Command = [PROGRAM, "--lint-only", "-Wall", "--top-module", top, *(file.resolve() for file in files)]
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as work:
        ((_, output),) = run_all([command], Path(work), 1, {"VERILATOR_ROOT": str(ROOT)})
    findings = []
    for kind, code, file, line, message in VERILATOR_FINDING.findall(output):
        if not message.startswith("Exiting due to"):
            name = Path(file).name
            severity: Literal["warning", "error"] = "warning" if kind == "Warning" else "error"
            findings.append(Finding("verilator", severity, code or "ERROR", name, int(line or 0), message))
    return findings


def lint_with_slang(files: Sequence[Path], top: str) -> list[Finding]:
    """What slang finds with every warning and its analysis of drivers, nothing waived yet."""
    slang = driver.Driver()
    slang.addStandardArgs()
    command = ["slang", "-Weverything", "--top", top, *(str(file.resolve()) for file in files)]
    assert slang.parseCommandLine(shlex.join(command)) and slang.processOptions()
    slang.parseAllSources()
    compilation = slang.createCompilation()
    diagnostics = list(compilation.getAllDiagnostics())
    if not any(diagnostic.isError() for diagnostic in diagnostics):
        manager = analysis.AnalysisManager(slang.analysisOptions)
        compilation.freeze()
        manager.analyze(compilation)
        diagnostics += list(manager.getDiagnostics())
    findings = []
    for diagnostic in diagnostics:
        severity = slang.diagEngine.getSeverity(diagnostic.code, diagnostic.location)
        if severity in (DiagnosticSeverity.Ignored, DiagnosticSeverity.Note):
            continue
        findings.append(
            Finding(
                "slang",
                "warning" if severity == DiagnosticSeverity.Warning else "error",
                slang.diagEngine.getOptionName(diagnostic.code) or str(diagnostic.code),
                Path(slang.sourceManager.getFileName(diagnostic.location)).name,
                slang.sourceManager.getLineNumber(diagnostic.location),
                slang.diagEngine.formatMessage(diagnostic),
            )
        )
    return findings
