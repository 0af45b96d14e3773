from __future__ import annotations

import re
from pathlib import Path

import pytest

from torch2hw.cli import main
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.kernel_times import KernelTime, design_times
from torch2hw.explore.page.design_page import module_lines
from torch2hw.explore.what_if import WhatIf, sentence
from torch2hw.frontend.load_model import load

MODEL = """\
import torch
from torch import nn

class Net(nn.Module):
    def forward(self, a, b):
        product = a @ b
        return torch.exp(product)

model = Net()
example_inputs = torch.randn(4, 6), torch.randn(6, 5)
"""


@pytest.mark.slow
def test_page_of_a_design(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    page = tmp_path / "net.html"
    assert main(["report", str(tmp_path / "net.py"), "--no-synthesis", "--html", str(page), "-q"]) == 0
    text = page.read_text()
    for name in re.findall(r"href=['\"]#([^'\"]+)", text):
        assert f'id="{name}"' in text or f"id='{name}'" in text, name
    assert text.count("class='line' id='line-net.py:") == MODEL.count("\n") + 1
    compiled = compile_model(load(str(tmp_path / "net.py")), Options(partition=2), stop_at="calyx")
    doubled = {kernel.name: kernel.cycles for kernel in design_times(compiled).kernels}
    told = re.findall(r"<p id='kernel-(\w+)'>.*?takes ([\d,]+) cycles, floor ([\d,]+), .*?; (.*?)</p>", text)
    assert {name for name, *_ in told} == set(doubled)
    given = {name: re.findall(r"--partition 2 gives ([\d,]+) ", change) for name, _, _, change in told}
    assert any(given.values())
    for name, figures in given.items():
        assert all(int(figure.replace(",", "")) == doubled[name] for figure in figures)


def test_sentences() -> None:
    kernel = KernelTime("k", "a.py:1", 0, 0, 1, 90, 90, 90, 80, 1, 2, 10, 80, {"II 2": 10.0})
    assert sentence(kernel, []) == (
        "takes 90 cycles, floor 80, limited by II 2 (10 cycles); no other options have this kernel."
    )
    assert sentence(kernel, [WhatIf("--partition 2", _times(50)), WhatIf("--clock-ns 5", _times(70))]).endswith(
        "--partition 2 gives 50 (the design 50)."
    )
    assert sentence(kernel, [WhatIf("--clock-ns 5", _times(90))]).endswith("none of --clock-ns 5 gives fewer.")


def _times(cycles: int) -> object:
    from torch2hw.explore.kernel_times import DesignTimes

    kernel = KernelTime("k", "a.py:1", 0, 0, 1, cycles, cycles, cycles, 80, 1, 2, 10, 80, {})
    return DesignTimes(cycles, (kernel,), 0)


def test_lines_of_modules() -> None:
    text = "module a(\n);\nendmodule\n\nmodule b(x);\n  y\nendmodule\n"
    assert module_lines(text, ["a", "b"]) == {"a": (1, 3), "b": (5, 7)}


def test_the_sequential_schedule_has_no_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["report", "net.py", "--schedule", "sequential", "--html", str(tmp_path / "a.html")]) == 2
    assert "unsupported with --schedule sequential" in capsys.readouterr().err
