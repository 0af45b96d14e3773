"""`torch2hw replay`: from each file of --dump, and from a reproducer, the same bytes; other files are refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torch2hw.cli import main
from torch2hw.compiler import memory_files
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.design_files import design_texts
from torch2hw.compiler.options import SCHEDULES, Options
from torch2hw.compiler.stored_text import Heading, NotReplayable, stored_text
from torch2hw.dialects.levels import LEVELS
from torch2hw.dialects.loops import Kernel, Operation
from torch2hw.frontend.load_model import load
from torch2hw.replay import open_file, replay
from torch2hw.tools.errors import CheckError, InternalError, Torch2HWError, UsageError
from torch2hw.tools.unfinished import lasting_folder

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        return torch.exp(self.second(torch.relu(self.first(x)))).argmax(-1), x / 3

model = Net().eval()
example_inputs = torch.ones(4, 6)
"""
MODELS = Path(__file__).parents[2] / "examples"
SLICE = [
    *((MODELS / f"{name}.py", "static") for name in ("ffnn", "cnn")),
    (MODELS / "ffnn_batch1.py", "sequential"),
]


@pytest.fixture(scope="module", params=SCHEDULES)
def dumped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with net.py, out.sv, out.json and the dumps in steps/."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "net.py").write_text(MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        arguments = ["net.py", "--partition", "2", "--schedule", request.param, "--dump", "steps", "-q", "-o", "out.sv"]
        assert main(arguments) == 0
        yield folder


def steps(folder: Path) -> list[Path]:
    """The files of --dump, in the order of the passes."""
    return sorted((folder / "steps").glob("[0-9]*"))


def of_level(folder: Path, level: str) -> Path:
    """The last dump of a level."""
    return [path for path in steps(folder) if f"// level: {level}\n" in path.read_text()][-1]


def test_the_last_dump_of_each_level_gives_the_same_bytes(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    levels = [level for level in LEVELS if any(f"// level: {level}\n" in path.read_text() for path in steps(dumped))]
    assert len(levels) == 6
    for level in levels:
        assert main(["replay", str(of_level(dumped, level)), "-o", "again.sv", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == json.loads(Path("again.json").read_text())
        assert Path("again.sv").read_bytes() == Path("out.sv").read_bytes(), level
        assert Path("again.json").read_text().replace("again", "out") == Path("out.json").read_text(), level


def test_weights_are_beside_the_text_once(dumped: Path) -> None:
    with np.load(dumped / "steps" / "weights.npz") as arrays:
        held = [arrays[name] for name in arrays.files]
    contents = {(array.dtype.str, array.tobytes()) for array in held}
    assert len(contents) == len(held) > 1
    assert sum(array.size == 30 for array in held) >= 1
    for path in steps(dumped):
        assert str(dumped) not in path.read_text()


@pytest.mark.slow
def test_a_replay_dumps_what_the_compilation_dumped(dumped: Path) -> None:
    first = steps(dumped)[1]
    assert main(["replay", str(first), "--dump", "later", "-q", "-o", "again.sv"]) == 0
    later = sorted(Path("later").glob("[0-9]*"))
    assert [path.name for path in later] == [path.name for path in steps(dumped)[2:]]
    for path in later:
        assert path.read_text() == (dumped / "steps" / path.name).read_text()


@pytest.mark.slow
def test_emit_and_stop_after(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    affine = str(of_level(dumped, "affine"))
    static = {"futil": "component net", "scf": "scf.for", "hls": "#pragma HLS"} if dumped.name[:-1] == "static" else {}
    for level, beginning in {"affine": "affine.for", "calyx": "calyx.component", **static}.items():
        assert main(["net.py", "--partition", "2", "--schedule", dumped.name[:-1], "--emit", level]) == 0
        expected = capsys.readouterr().out
        assert main(["replay", affine, "--emit", level]) == 0
        assert capsys.readouterr().out == expected
        assert beginning in expected
    assert main(["replay", affine, "--stop-after", "calyx-to-hw", "--time", "-v"]) == 0
    out, err = capsys.readouterr()
    assert "hw.module @net(" in out
    assert "to verify  calyx-to-hw\n" in err
    assert err.endswith("s   from the file on\n")


@pytest.mark.slow
def test_memory_files(dumped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_files, "LIMIT_BYTES", 16)
    options = Options(partition=2, schedule=dumped.name[:-1])
    expected = design_texts(compile_model(load("net.py"), options), "out.sv")
    assert expected.manifest["memory_files"]
    for level in ("linalg", "affine", "hw", "sv"):
        assert design_texts(replay(open_file(of_level(dumped, level))), "out.sv") == expected


@pytest.mark.slow
def test_check(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("linalg", "affine"):
        assert main(["replay", str(of_level(dumped, level)), "--check", "-o", "again.sv"]) == 0
        assert capsys.readouterr().err.startswith("check: bit for bit after ")
    assert main(["replay", str(of_level(dumped, "hw")), "--check", "-o", "a.sv"]) == 2
    assert "is at level hw, which does not run on the CPU alone\n  fix: leave it out," in capsys.readouterr().err


def test_check_names_the_pass_that_changes_a_value(dumped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch2hw.passes import name_kernels

    def wrong(self: Any, program: Any, context: Any) -> Any:
        def subtracted(statement: Any) -> Any:
            added = isinstance(statement, Operation) and statement.name == "arith.addf"
            return replace(statement, name="arith.subf") if added else statement

        def changed(kernel: Kernel) -> Kernel:
            stages = [replace(stage, statements=tuple(map(subtracted, stage.statements))) for stage in kernel.stages]
            return replace(kernel, stages=tuple(stages))

        return program.with_kernels([changed(kernel) for kernel in program.kernels]), {}

    monkeypatch.setattr(name_kernels.NameKernels, "run", wrong)
    before = next(path for path in steps(dumped) if "remove-dead-code" in path.name)
    with pytest.raises(CheckError, match="pass name-kernels changed a value: "):
        replay(open_file(before), check=True)


def test_the_place_of_a_float_library_is_not_in_the_file(dumped: Path) -> None:
    options = Options(partition=2, subnormals="keep", float_lib="hardfloat:/somewhere/of/mine")
    heading = Heading("affine", 0, "start", "torch-to-linalg", "net", options)
    text = stored_text(heading, [])
    assert "/somewhere" not in text
    written = next(line for line in text.split("\n") if line.startswith("// options: "))
    source = of_level(dumped, "affine").read_text()
    Path("edited.mlir").write_text(
        "\n".join(
            f'{written[:-1]}, "schedule": "{dumped.name[:-1]}"}}' if line.startswith("// options: ") else line
            for line in source.split("\n")
        )
    )
    opened = open_file(Path("edited.mlir"), options.float_lib)
    assert replace(opened.options, schedule="static") == options
    with pytest.raises(NotReplayable, match="the program uses hardfloat"):
        open_file(Path("edited.mlir"))


def failing(name: str) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise ZeroDivisionError(f"in {name}")

    return fail


@pytest.mark.slow
@pytest.mark.parametrize("module", ["calyx_to_hw", "hw_to_sv"])
def test_a_reproducer_runs_again(dumped: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch2hw.lowering import hardware

    function = {"calyx_to_hw": "lower", "hw_to_sv": "export"}[module]
    with monkeypatch.context() as patch:
        patch.setattr(getattr(hardware, module), function, failing(module))
        with pytest.raises(InternalError) as caught:
            replay(open_file(of_level(dumped, "affine")))
        reproducer = Path(str(caught.value.reproducer))
        with pytest.raises(InternalError) as again:
            replay(open_file(reproducer))
        assert again.value.what == caught.value.what
        Path(str(again.value.reproducer)).unlink()
        Path(str(again.value.reproducer)).with_suffix(".npz").unlink()
    assert "// | ZeroDivisionError: in " in reproducer.read_text()
    assert design_texts(replay(open_file(reproducer)), "out.sv").files["out.sv"] == Path("out.sv").read_text()
    reproducer.unlink()
    reproducer.with_suffix(".npz").unlink()


def test_a_reproducer_of_the_import_holds_no_program(dumped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch2hw.compiler import compiled as compiler

    monkeypatch.setattr(compiler, "import_torch", failing("import-torch"))
    with pytest.raises(InternalError) as caught:
        compile_model(load("net.py"), Options())
    reproducer = Path(str(caught.value.reproducer))
    with pytest.raises(NotReplayable, match="the file has no section `// ----- program`"):
        replay(open_file(reproducer))
    reproducer.unlink()


# level, text of its file, what stands there instead; the line of the refusal (0: none), a part of it
REFUSED: list[tuple[str, str, str, int | str, str]] = [
    (
        "affine",
        "// torch2hw 0",
        "// torch2hw 9",
        1,
        "torch2hw 9.1.0 wrote this file, and this is torch2hw 0.1.0\n"
        "  why: passes and text change from version to version\n"
        "  fix: write it again with this version, or replay it with torch2hw 9.1.0",
    ),
    (
        "affine",
        "// torch2hw",
        "module",
        1,
        "this file has no header of torch2hw\n  why: replay goes on from files that --dump and reproducers write\n"
        "  fix: write one with torch2hw MODEL --dump DIR -o OUT.sv",
    ),
    ("affine", "// level: affine", "// level: high", 2, "high is no level: there are torch, linalg, affine,"),
    ("affine", "// level: affine", "// level: scf", 2, "pass NN leaves level affine, not scf"),
    ("affine", "// level: affine\n", "", 1, "the header has no field level"),
    ("affine", "// top: net\n", "", 1, "the header has no field top"),
    ("affine", '{"partition"', '{"portion"', 6, "not the options of this version:"),
    ("affine", '"partition": 2', '"partition": 0', 6, "--partition 0: not a whole number of 1 or more"),
    ("affine", '{"partition"', '"partition"', 6, "the field options is no JSON object"),
    ("affine", "weights.npz", "../weights.npz", 7, "../weights.npz is no name of a file beside this one"),
    ("affine", "weights.npz", "gone.npz", 7, "steps/gone.npz: cannot read the weights: no such file or directory"),
    ("affine", "// ----- end\n", "", "end", "the file does not end with `// ----- end`"),
    ("affine", "buffer @x", "baffer @x", 11, "`baffer @x: 4x6xf32 input banks"),
    ("affine", '{"par', '{"float_lib": "hardfloat", "par', 6, "the program uses hardfloat\n  fix: name your copy with"),
    ("linalg", "arith.addf", "arith.addd", "there", "custom op 'arith.addd' is unknown"),
    ("linalg", "// ----- ports", "// ----- parts", 0, "the file has no section `// ----- ports`"),
    ("calyx", "calyx.control", "calyx.cantrol", "there", "custom op 'calyx.cantrol' is unknown"),
    ("calyx", "hw.output", "hw.autput", "there", "custom op 'hw.autput' is unknown"),
    ("calyx", "// manifest: {", "// kept: {", 0, "the header has no field manifest"),
    ("hw", "hw.output", "hw.autput", "there", "custom op 'hw.autput' is unknown"),
    ("hw", "// ----- contents\n", "// ----- contents\nmore\n", "below", "`more` is no line of the section contents"),
    ("sv", "endmodule", "wire = ; endmodule", "there", "expected"),
]


@pytest.mark.parametrize("dumped", ["static"], indirect=True)
@pytest.mark.parametrize(("level", "old", "new", "line", "what"), REFUSED)
def test_other_files_are_refused(
    dumped: Path,
    level: str,
    old: str,
    new: str,
    line: int | str,
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = of_level(dumped, level)
    text = source.read_text()
    assert old in text
    path = Path("steps", "edited.mlir")
    path.write_text(text.replace(old, new, 1))
    before = sorted(dumped.rglob("*"))
    assert main(["replay", str(path), "-q", "-o", "refused.sv"]) == 1
    path_and_line, _, said = capsys.readouterr().err.partition(": error[not-replayable]: ")
    assert what.replace("NN", source.name[:2]) in said
    changed = text[: text.index(old)].count("\n") + 1
    place = {"there": changed, "below": changed + 1, "end": text.count("\n")}.get(str(line), line)
    assert path_and_line == (f"steps/edited.mlir:{place}" if place else "steps/edited.mlir")
    assert sorted(dumped.rglob("*")) == before
    path.unlink()


EDITED = [  # level, a line of the text, what becomes of it, what is said
    ("affine", r"%(\w+) = load @x\[%\w+", "%{0} = load @x[%nothing", "%nothing is no loop of this kernel"),
    ("scheduled", r"(%\w+ = load @\w+\[.*\{cycle = )\d+", "{0}900", "starts in cycle 900"),
    ("scheduled", r"(store %\w+ to @\w+\[.*\{cycle = )\d+", "{0}0", "is ready in"),
    ("scheduled", r"(buffer @x: 4x6xf32 input) banks 2x2", "{0}", "fails on this program"),
    ("scheduled", r"(kernel @\w+\(.*\)) start \d+", "{0} start 0", "divide0 starts in cycle 0, before max0"),
]


@pytest.mark.parametrize("dumped", ["static"], indirect=True)
@pytest.mark.parametrize(("level", "line", "becomes", "said"), EDITED)
def test_a_program_that_was_edited_is_no_fault_of_ours(
    dumped: Path, level: str, line: str, becomes: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = of_level(dumped, level).read_text()
    found = list(re.finditer(line, text))[-1]
    path = Path("steps", "edited.mlir")
    path.write_text(text[: found.start()] + becomes.format(*found.groups()) + text[found.end() :])
    before = set(lasting_folder().glob("torch2hw-*"))  # other tests' reproducers
    assert main(["replay", str(path), "-q", "-o", "refused.sv"]) == 1
    place, _, message = capsys.readouterr().err.partition(": error[not-replayable]: ")
    assert said in message and "\n  fix: " in message
    assert set(lasting_folder().glob("torch2hw-*")) <= before
    if "fails on" not in said:
        assert place == f"steps/edited.mlir:{text[: found.start()].count(chr(10)) + 1}"
    path.unlink()


def test_a_missing_array_is_refused(dumped: Path, tmp_path: Path) -> None:
    for level in ("linalg", "affine", "calyx"):
        shutil.copy(of_level(dumped, level), tmp_path / "one.mlir")
        np.savez(tmp_path / "weights.npz", other=np.zeros(3, np.uint32))
        with pytest.raises(NotReplayable, match=r'the weights have no array "[0-9a-f]{16}"'):
            replay(open_file(tmp_path / "one.mlir"))
        (tmp_path / "weights.npz").write_bytes(b"PK no zip")
        with pytest.raises(NotReplayable, match="no file of weights"):
            replay(open_file(tmp_path / "one.mlir"))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nowhere.mlir", "-o", "a.sv"], "nowhere.mlir: cannot read: no such file or directory"),
        (["HW"], "no output file\n  fix: add -o "),
        (["HW", "--emit", "affine"], "--emit affine: HW is at level hw, past it\n  fix: replay an earlier file"),
        (
            ["HW", "--stop-after", "bank-memories"],
            "--stop-after bank-memories: no pass of that name follows HW\n  fix: the passes that follow are hw-to-sv",
        ),
        (["SV", "--stop-after", "hw-to-sv"], "no pass of that name follows SV\n  fix: no pass follows: leave it out"),
        (["HW", "-o", "a.sv", "--float-lib", "hardfloat:x"], "--float-lib: HW was written without it\n  fix: leave it"),
    ],
)
def test_wrong_command_lines(dumped: Path, arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"HW": str(of_level(dumped, "hw")), "SV": str(of_level(dumped, "sv"))}
    assert main(["replay", *(files.get(each, each) for each in arguments)]) == 2
    for name, file in files.items():
        what = what.replace(name, file)
    assert what in capsys.readouterr().err
    assert not Path("a.sv").exists()


def test_every_error_is_one_of_ours() -> None:
    assert issubclass(NotReplayable, Torch2HWError)
    assert (NotReplayable.exit_status, UsageError.exit_status) == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("example", "schedule"), SLICE, ids=lambda part: getattr(part, "stem", part))
def test_every_dump_of_the_examples(example: Path, schedule: str, tmp_path: Path) -> None:
    """The whole, both schedules at N = 1, 2 and 4, is `python -m torch2hw.benchmarks.replays`."""
    from torch2hw.benchmarks.replays import replayed

    found = replayed(str(example), Options(partition=2, schedule=schedule), tmp_path)
    assert found.files > 5
    assert not found.different
