"""Names as file, class, layer, buffer and dictionary key, in all that is written: valid, and harmless."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from torch2hw.cli import main
from torch2hw.dialects.names import escaped, readable, unescaped
from torch2hw.sim.lint import lint

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({NAME: nn.Linear(3, 2)})
        self.register_buffer(NAME, torch.ones(2))

    def forward(self, x, more):
        return {NAME: self.layers[NAME](x) + getattr(self, NAME), "plain": more[NAME] * 2}

Net.__name__ = Net.__qualname__ = NAME
model = Net()
example_inputs = torch.ones(2, 3), {NAME: torch.ones(2, 2)}
"""
NAMES = {
    "quotes": "a\"b'c\\",
    "lines": "a\nendmodule\r*%2F\x1b[0m\u2028b",
    "commands": "$(touch pwned)`touch pwned`%s%[exec touch pwned]{<b>&amp;//",
    "script": "模型 größe 🔥",
    "C++": "constexpr",
    "Python": "class",
    "macro": "NULL",
    "long": 80 * "名",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    file = name.replace("/", ":")
    model = Path(f"{file}.py")
    model.write_text(f"NAME = {name!r}\n{MODEL}")
    assert main([str(model), "--dump", f"{file}.steps", "-o", f"{file}.sv", "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest == json.loads(Path(f"{file}.json").read_text())
    shown = readable(escaped(file))
    assert {component["source"] for component in manifest["components"]} <= {f"{shown}.py:{line}" for line in (12, 13)}
    verilog = Path(f"{file}.sv").read_text(encoding="utf-8")
    assert verilog.isascii() and f"// {escaped(file)}.py:13\n" in verilog
    Path("design.sv").write_text(verilog)
    assert not lint([Path("design.sv")], manifest["top"])
    dumps = Path(f"{file}.steps").glob("*.mlir")
    last = max(path for path in dumps if "// level: scheduled\n" in path.read_text(encoding="utf-8"))
    assert main(["replay", str(last), "-o", "again.sv", "-q"]) == 0
    assert Path("again.sv").read_text() == verilog
    assert main(["replay", str(last), "--emit", "hls", "-o", "again.cpp"]) == 0
    subprocess.run(["g++", "-std=gnu++14", "-fsyntax-only", "again.cpp"], check=True, capture_output=True)
    assert not Path("pwned").exists()


def test_a_synthesis_project_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("[exec touch pwned]$name.py").write_text(f"NAME = {NAMES['commands']!r}\n{MODEL}")
    assert main(["fpga", "[exec touch pwned]$name.py", "--flow", "vivado", "-o", "project", "-q"]) == 0
    scripts = [path.read_text() for path in Path("project").iterdir() if path.suffix in (".tcl", ".xdc")]
    assert scripts and all("[exec" not in text and "pwned]" not in text for text in scripts)
    if shutil.which("tclsh"):
        for text in scripts:
            said = subprocess.run(["tclsh"], input=f"puts [info complete {{{text}}}]", capture_output=True, text=True)
            assert said.stdout == "1\n"


@pytest.mark.parametrize("name", [*NAMES.values(), "%25", "\udcff"])
def test_an_escaped_name_is_read_back(name: str) -> None:
    assert unescaped(escaped(name)) == name
    assert escaped(name).isascii() and escaped(name).isprintable()
    assert readable(escaped(name)).isprintable()
