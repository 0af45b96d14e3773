"""What becomes of the ONNX package's own test models, and of files that other packages ship.

    python -m torch2hw.benchmarks.onnx_models [--simulate] [--seconds S] [NAME ...]
    python -m torch2hw.benchmarks.onnx_models --file FILE.onnx INPUT [--file ...]

Each model is imported up to linalg; with `--simulate`, those whose inputs have at most `MAX_ELEMENTS` elements are
simulated at N = 2 and compared with onnxruntime, and larger ones compiled at N = 2. What is in double precision is
computed in single precision. Answers are kept in `benchmarks/onnx_models.json`, and a further run goes on from there;
the table is `benchmarks/onnx_models.md`. A `--file` of one input, at the size that INPUT says (`f32[1,3,32,32]`), is
compiled whole at N = 1, and its reference compared with onnxruntime.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "onnx_models.json", HERE / "onnx_models.md"
GROUPS = ("light", "pytorch-operator", "pytorch-converted")
IMPORTED, COMPILED, EXACT = "imported", "compiled", "bit-exact"
KINDS = (EXACT, COMPILED, IMPORTED)
"""How an answer begins that is no refusal, the best first."""
SHIPPED = "file: "
MAX_ELEMENTS = 4096


def models() -> Iterator[tuple[str, Path]]:
    """Names and files."""
    import onnx

    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    for group in GROUPS:
        for path in sorted((data / group).rglob("*.onnx")):
            name = path.parent.name if path.stem == "model" else path.stem
            yield f"{group}: {name.removeprefix('test_')}", path


def tried(path: Path, simulate: bool) -> str:
    """`imported`, `compiled, C cycles`, `bit-exact in C cycles`, or the refusal."""
    from torch2hw.compiler.compiled import compile_model
    from torch2hw.compiler.options import Options
    from torch2hw.frontend.load_model import load
    from torch2hw.sim.check import simulate_design
    from torch2hw.tools.errors import SeveralErrors, Torch2HWError

    try:
        given = doubles(path)
        loaded = load(str(path), inputs=given)
        small = sum(tensor.numel() for tensor in loaded.example_inputs) <= MAX_ELEMENTS
        compiled = compile_model(loaded, Options(partition=2), stop_at=None if simulate else "linalg")
        if not simulate:
            return IMPORTED
        if not small:
            return f"{COMPILED}, {compiled.at('calyx').latency_cycles:,} cycles"
        result = simulate_design(compiled, loaded.example_inputs)
        result.check()
    except Torch2HWError as error:
        first = error.errors[0] if isinstance(error, SeveralErrors) else error
        return f"{first.code}: {first.what}"
    return f"{EXACT} in {result.cycles[0]:,} cycles{', in single precision' if given else ''}"


def doubles(path: Path) -> list[str]:
    """--input for the inputs that the file has in double precision."""
    import onnx

    graph = onnx.load(path).graph
    kinds = {each.name: each.type.tensor_type for each in graph.input}
    return [
        f"{name}=f32[{','.join(str(size.dim_value) for size in kind.shape.dim)}]"
        for name, kind in kinds.items()
        if kind.elem_type == onnx.TensorProto.DOUBLE
    ]


def compared(path: Path, given: str) -> str:
    """`C cycles, D from onnxruntime`: the largest difference of an element of the reference; or the refusal."""
    import numpy as np

    from torch2hw.compiler.compiled import compile_model
    from torch2hw.compiler.options import Options
    from torch2hw.frontend.load_model import load
    from torch2hw.sim.check import references
    from torch2hw.tools.errors import SeveralErrors, Torch2HWError

    try:
        loaded = load(str(path), inputs=[given])
        assert loaded.oracle is not None
        expected = loaded.oracle(*loaded.example_inputs)
        compiled = compile_model(loaded, Options())
    except Torch2HWError as error:
        first = error.errors[0] if isinstance(error, SeveralErrors) else error
        return f"{first.code}: {first.what}"
    (found,) = references(compiled, [[tensor.numpy() for tensor in loaded.example_inputs]])
    apart = max(float(np.abs(got - right.numpy()).max()) for got, right in zip(found, expected.values(), strict=True))
    return f"{compiled.at('calyx').latency_cycles:,} cycles, {apart:.1e} from onnxruntime"


def read() -> dict[str, str]:
    """The record."""
    found: dict[str, str] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return found


def write(record: dict[str, str]) -> None:
    """The record and its table."""
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    lines = [
        "# ONNX's test models",
        "",
        "`python -m torch2hw.benchmarks.onnx_models --simulate` makes this: N = 2, compared with onnxruntime;",
        "large ones are compiled at N = 2.",
        "",
        "| group | models | simulated, bit-exact | compiled | imported only | refused |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for group in GROUPS:
        answers = [answer for name, answer in record.items() if name.startswith(f"{group}: ")]
        kinds = Counter(next((k for k in KINDS if each.startswith(k)), "refused") for each in answers)
        counts = " | ".join(str(kinds[kind]) for kind in (*KINDS, "refused"))
        lines.append(f"| {group} | {len(answers)} | {counts} |")
    lines += ["", "| model | |", "| --- | --- |"]
    lines += [f"| {name} | {answer} |" for name, answer in sorted(record.items()) if not name.startswith(SHIPPED)]
    shipped = {name: answer for name, answer in record.items() if name.startswith(SHIPPED)}
    if shipped:
        lines += ["", "Files that packages ship, `--file`: N = 1, the reference compared with onnxruntime.", ""]
        lines += ["| file and input | |", "| --- | --- |"]
        lines += [f"| {name.removeprefix(SHIPPED)} | {answer} |" for name, answer in sorted(shipped.items())]
    TABLE.write_text("\n".join(lines) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 3 if the answer for a model that was imported or simulated is a refusal now."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help="only models whose names hold one of these")
    parser.add_argument("--simulate", action="store_true", help="simulate the small ones")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no further model after so long")
    parser.add_argument(
        "--file", metavar=("FILE", "INPUT"), nargs=2, action="append", default=[], help="this model alone"
    )
    parsed = parser.parse_args(arguments)
    for file, given in parsed.file:
        name = f"{SHIPPED}{Path(file).name}, {given}"
        answer = compared(Path(file), given)
        write(read() | {name: answer})
        print(f"{name}: {answer}", flush=True)
    if parsed.file:
        return 0
    started, worse = time.monotonic(), 0
    for name, path in models():
        record = read()
        held = record.get(name, "")
        done = held.startswith((EXACT, COMPILED)) or (held == IMPORTED and not parsed.simulate)
        if time.monotonic() - started > parsed.seconds:
            break
        if (done and not parsed.names) or (parsed.names and not any(each in name for each in parsed.names)):
            continue
        record[name] = tried(path, parsed.simulate)
        worse += held.startswith(KINDS) and not record[name].startswith(KINDS)
        write(record)
        print(f"{name}: {record[name]}", flush=True)
    return 3 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
