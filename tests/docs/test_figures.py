"""Figures in README and the documentation are those of the benchmark files; names of passes and codes exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks
from torch2hw.compiler.pipeline import SCHEDULES

sys.path.insert(0, str(ROOT / "docs" / "hooks"))
import benchmark_tables
import refusal_codes

FIGURE = r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w,]*\d)"
"""A number with a thousands separator: what was measured is written so."""


def prose(page: Path) -> str:
    """A page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_figures_are_measured() -> None:
    held = {figure for file in (ROOT / "benchmarks").glob("*.md") for figure in re.findall(FIGURE, file.read_text())}
    for page in PAGES:
        assert set(re.findall(FIGURE, prose(page))) <= held, page.name


def test_readme_has_the_table(bless: bool) -> None:
    readme = ROOT / "README.md"
    parts = re.split(r"(<!-- comparison -->\n|<!-- end -->\n)", readme.read_text())
    assert len(parts) == 5
    if bless:
        parts[2] = benchmark_tables.comparison() + "\n"
        readme.write_text("".join(parts))
    assert parts[2] == benchmark_tables.comparison() + "\n"


def test_quoted_code_is_that_of_the_library() -> None:
    sources = (ROOT / "hwlib" / "float_compare.py").read_text() + (ROOT / "hwlib" / "entries.py").read_text()
    quoted = [block.text for block in blocks(ROOT / "docs" / "adding-a-unit.md") if block.language == "py"]
    assert quoted
    for text in quoted:
        assert text.strip() in sources


def test_every_benchmark_file_is_on_the_page() -> None:
    assert set(benchmark_tables.FILES) == {file.name for file in (ROOT / "benchmarks").glob("*.md")}


def test_named_passes_exist() -> None:
    names = {step.name for passes in SCHEDULES.values() for step in passes}
    others = {"do-something", "scf-to-calyx", "data-dependent", "unsupported-operation"}  # an example, codes
    others |= {"torch-mlir", "stream-hls", "comb-prop", "mlir-cpu"}  # other tools, and what they have
    for page in PAGES:
        named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", prose(page)))
        assert named <= names | others, page.name


def test_every_code_is_on_the_page() -> None:
    rooms = ("tools", "hwlib", "frontend", "analysis", "compiler", "sim", "fpga", "torch2hw", "benchmarks", "explore")
    files = [file for room in rooms for file in (ROOT / room).glob("*.py")]
    code = re.compile(r"^    code(?:: ClassVar\[str\])? = \"([\w-]+)\"", re.MULTILINE)
    written = {found for file in files for found in code.findall(file.read_text())}
    assert {each.code for each in refusal_codes.classes()} == written - {"error"}


EXAMPLE = re.compile(r"^\| `(\w+)`[^|]* \| [\d,]+ \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)
ROWS = EXAMPLE.findall((ROOT / "benchmarks" / "examples.md").read_text())


COLUMNS = [(name, *each) for name, *cycles in ROWS for each in zip(("static", "sequential"), cycles, strict=True)]
LONG = {"lstm", "transformer_layer", "mha100", "mha16"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "schedule", "cycles"),
    [
        pytest.param(*each, marks=pytest.mark.long if each[0] in LONG and each[1] == "sequential" else ())
        for each in COLUMNS
    ],
)
def test_cycles_of_the_examples(name: str, schedule: str, cycles: str) -> None:
    """What is predicted now; that a run takes it is the simulation's business."""
    from torch2hw.compiler.compiled import compile_model
    from torch2hw.compiler.options import Options
    from torch2hw.frontend.load_model import load

    loaded = load(str(ROOT / "examples" / f"{name}.py"), None, [])
    compiled = compile_model(loaded, Options(schedule=schedule), stop_at="calyx")
    assert f"{compiled.at('calyx').latency_cycles:,}" == cycles


def test_every_example_is_in_the_table() -> None:
    files = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"__init__"}
    assert {row[0] for row in ROWS} == files
