"""What every refusal says."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = "analysis compiler dialects fpga frontend hwlib lowering passes sim tools benchmarks explore".split()
REFUSALS = (
    "UsageError MissingTool NotReplayable StatefulModel NotExportable BadInputs DynamicShape UnsupportedOperation "
    "UnsupportedDtype ModelRaised ModelFileError ShapeMismatch DataDependentControlFlow NothingMeasured".split()
)


def test_every_refusal_says_what_to_do() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    files += [*(ROOT / "torch2hw").glob("*.py"), *(ROOT / "torch2hw" / "commands").glob("*.py")]
    assert len(files) > 200
    for path in files:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if any(f"{name}(" in text for name in REFUSALS) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
                assert any(word.arg == "fix" for word in node.keywords), f"{path}:{node.lineno}"
