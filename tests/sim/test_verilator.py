"""How a simulation is built: which kind of build, which modules are classes of their own, how files are shared out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.compiler.design_files import write_design
from torch2hw.sim import verilator
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import FAST_BUILD_BELOW_CYCLES, Conditions


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("design")
    compiled = torch2hw.compile(nn.Linear(4, 4), (torch.randn(4, 4),), partition=2).compiled
    return folder, Manifest.from_json(write_design(compiled, folder / "linear.sv"))


def test_the_cycles_choose_the_build(design: tuple[Path, Manifest]) -> None:
    manifest = replace(design[1], latency_cycles=1000)
    fewest = FAST_BUILD_BELOW_CYCLES // 1000
    assert Conditions().builds_fast(manifest, fewest - 1)
    assert not Conditions().builds_fast(manifest, fewest)
    assert not Conditions(repeats=2).builds_fast(manifest, fewest // 2)
    assert not Conditions(abandon_cycles=(500, 500)).builds_fast(manifest, fewest // 2)
    assert not Conditions().builds_fast(replace(manifest, latency_cycles=None), 1)
    assert Conditions(fast_build=True).builds_fast(manifest, fewest)
    assert not Conditions(fast_build=False).builds_fast(manifest, 1)


def test_units_that_stand_several_times_are_classes(design: tuple[Path, Manifest], tmp_path: Path) -> None:
    folder, manifest = design
    text = (folder / "linear.sv").read_text()
    commented = re.sub(r" \($", " (\t// net.py:3", text, flags=re.MULTILINE)
    assert commented.count("net.py") > 8
    for each in (text, commented):
        assert set(verilator.repeated_modules([each])) == {"f32_add", "f32_mul"}
    verilator._verilate(tmp_path, [folder / "linear.sv"], manifest, "none", [], "")
    assert (tmp_path / "Vdesign_f32_add.h").is_file()
    functions = "".join(file.read_text() for file in tmp_path.glob("Vdesign_f32_add*.cpp"))
    names = re.findall(r"^void Vdesign_f32_add___nba_sequent__\w+DOT__(\w+)__\d+\(", functions, re.MULTILINE)
    assert text.count("f32_add ") > 3 and len(set(names)) == 1  # those of one instance serve all


@pytest.mark.parametrize("fast", [True, False])
def test_every_file_is_compiled_once(fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    sizes = {"Va.cpp": 900_000, "Vb.cpp": 700_000, "Vc.cpp": 650_000, "Vd__Slow.cpp": 10, "Ve.cpp": 20}
    for name, size in sizes.items():
        (tmp_path / name).write_text("/" * size)
    units = verilator._units(tmp_path, fast)
    texts = {name: (tmp_path / f"{name}.cpp").read_text() for name in units}
    for name in [*sizes, "bench.cpp"]:
        assert sum(text.count(f'"{name}"') for text in texts.values()) == 1
    expected = {"all0", "all1", "all2"} if fast else {"fast0", "fast1", "slow0"}
    assert set(units) == expected and all("#include" in text for text in texts.values())
