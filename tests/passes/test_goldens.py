"""Each file in golden/: the first line names a pass and its options, then a linalg program, then the program before and
after the pass. `pytest --bless` writes what follows the first `// -----`; read it before you commit it.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch_mlir import ir

from tests.passes.compiled import LIBRARY, LOOP_PASSES, context
from torch2hw.lowering import affine_to_scheduled, linalg_to_affine

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
            module=module, inputs=ports(names, main.type.inputs), outputs=ports(outputs, results), weights={}
        )
        return linalg_to_affine.lower(program, "top")  # type: ignore[arg-type]


def ports(names: list[str], types: Any) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(name=name, shape=tuple(kind.shape), dtype=str(kind.element_type))
        for name, kind in zip(names, types, strict=True)
    ]


def before_and_after(name: str, partition: int, linalg_text: str) -> str:
    program = affine(linalg_text)
    if name == "linalg-to-affine":
        return section("after", program)
    for step in LOOP_PASSES:
        changed, report = step.run(program, context(partition))  # type: ignore[arg-type]
        if step.name == name:
            said = "".join(f"// {key}: {value}\n" for key, value in report.items())
            return section("before", program) + section("after", changed) + said
        program = changed
    assert name == "affine-to-scheduled", f"no pass is called {name}"
    return section("before", program) + section("after", affine_to_scheduled.lower(program, LIBRARY))


def section(title: str, program: Any) -> str:
    return f"{RULE}{title}\n" + re.sub(r" loc\(.*?\)$", "", program.text(), flags=re.MULTILINE)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_golden(golden: Path, bless: bool) -> None:
    text = golden.read_text()
    given, _, expected = text.partition(RULE)
    header = re.fullmatch(r"// ([\w-]+)(?: --partition (\d+))?", given.split("\n")[0])
    assert header, "the first line is `// pass-name [--partition N]`"
    got = before_and_after(header[1], int(header[2] or 1), given)
    if bless:
        golden.write_text(given + got)
        return
    assert got == RULE + expected


def test_there_are_goldens() -> None:
    assert len(GOLDENS) > 9
