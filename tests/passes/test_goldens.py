"""Each file in golden/: the first line names a pass and its options, then comes the program that the pass is given, as
loop text (of linalg-to-affine: a linalg program), then the program after it. No other pass runs, so that a golden
changes with its own pass only. `pytest --bless` writes what follows the first `// -----`; read it before you commit it.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch_mlir import ir

from tests.passes.compiled import LIBRARY, LOOP_PASSES, context
from torch2hw.dialects.loop_parser import parse_loop_text
from torch2hw.dialects.loop_text import loop_text
from torch2hw.dialects.program import Program
from torch2hw.frontend.signature import TensorInfo
from torch2hw.lowering.linalg import linalg_to_affine
from torch2hw.lowering.static import affine_to_scheduled

GOLDENS = sorted((Path(__file__).parent / "golden").glob("*.mlir"))
RULE = "// ----- "


def affine(linalg_text: str) -> Any:
    """The affine program of a function `main` on tensors; its results are out, or out0, out1 …"""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(linalg_text)
        main = next(iter(module.body.operations))
        names = re.findall(r"%(\w+): tensor", linalg_text.split("@main")[1].split("->")[0])
        results = list(main.type.results)
        outputs = ["out"] if len(results) == 1 else [f"out{k}" for k in range(len(results))]
        program = SimpleNamespace(
            module=module, inputs=ports(names, main.type.inputs), outputs=ports(outputs, results), weights={}, states=()
        )
        return linalg_to_affine.lower(program, "top")  # type: ignore[arg-type]


def ports(names: list[str], types: Any) -> list[TensorInfo]:
    return [
        TensorInfo(name, tuple(kind.shape), str(kind.element_type)) for name, kind in zip(names, types, strict=True)
    ]


def after(name: str, partition: int, given: str) -> str:
    if name == "linalg-to-affine":
        return section(affine(given))
    program = parse_loop_text(given, {}.__getitem__)
    if name == "affine-to-scheduled":
        return section(affine_to_scheduled.lower(program, LIBRARY))
    step = next(step for step in LOOP_PASSES if step.name == name)
    changed, report = step.run(program, context(partition))  # type: ignore[arg-type]
    return section(changed) + "".join(f"// {key}: {value}\n" for key, value in report.items())


def section(program: Program) -> str:
    def inline(data: Any) -> str:
        raise AssertionError("contents of a golden stand in its text")

    return f"{RULE}after\n" + re.sub(r' loc\("[^"]*":\d+\)', "", loop_text(program, inline))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_golden(golden: Path, bless: bool) -> None:
    text = golden.read_text()
    given, _, expected = text.partition(RULE)
    header = re.fullmatch(r"// ([\w-]+)(?: --partition (\d+))?", given.split("\n")[0])
    assert header, "the first line is `// pass-name [--partition N]`"
    got = after(header[1], int(header[2] or 1), given)
    if bless:
        golden.write_text(given + got)
        return
    assert got == RULE + expected


def test_there_are_goldens() -> None:
    assert len(GOLDENS) > 9
