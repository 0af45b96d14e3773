"""Executes the user's model file, or imports the module of `package.module:attribute`.

The folder of the file is on the import path meanwhile. Whatever the user's code raises becomes a refusal at the line
that raised it (`model-file`).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from torch2hw.dialects.names import identifier
from torch2hw.frontend.locations import Sources, recording_construction
from torch2hw.frontend.refusals import ModelFileError
from torch2hw.tools.errors import UsageError
from torch2hw.tools.unfinished import users_code


def _dotted(spec: str) -> re.Match[str] | None:
    """`package.module:attribute`, unless a file has that name."""
    return None if Path(spec).exists() else re.fullmatch(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)", spec)


SUFFIXES = {
    ".py": "a Python file",
    ".pt2": "a program that torch.export saved (.pt2)",
    ".onnx": "an ONNX file",
    ".mlir": "an MLIR file",
}
"""The files that MODEL may be."""


def check_exists(spec: str) -> str:
    """The file's suffix, `.py` for `package.module:attribute`; what is not there is refused before PyTorch is
    imported."""
    if _dotted(spec) is not None:
        return ".py"
    path, kinds = Path(spec), ", ".join(SUFFIXES.values())
    if not path.exists():
        raise UsageError(f"{spec}: no such file", fix=f"MODEL is {kinds}, or package.module:attribute")
    if path.suffix not in SUFFIXES or not path.is_file():
        raise UsageError(
            f"{spec}: not a file that holds a model",
            why=f"MODEL is {kinds}, or package.module:attribute",
            fix="write a .py file that loads it into a global `model` and sets `example_inputs`",
        )
    return path.suffix


def execute(spec: str) -> tuple[ModuleType, str | None, Sources, str]:
    """Run the user's code; the module, the attribute of `package.module:attribute`, and the file as written."""
    dotted = _dotted(spec)
    if dotted is not None:
        return _import(dotted.group(1), dotted.group(2))
    path = Path(spec)
    sources = Sources(path.absolute().parent, path.parent)
    module_name = f"torch2hw_model_{identifier(path.stem)}"
    module_spec = importlib.util.spec_from_file_location(module_name, path.absolute())
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    with _import_path(sources.folder), user_code(sources, spec), recording_construction(sources):
        module_spec.loader.exec_module(module)
    return module, None, sources, spec


def _import(module_name: str, attribute: str) -> tuple[ModuleType, str, Sources, str]:
    folder = Path.cwd()
    with _import_path(folder):
        try:
            found = importlib.util.find_spec(module_name)
        except ModuleNotFoundError:
            found = None
        if found is None or found.origin is None:
            raise UsageError(
                f"{module_name}:{attribute}: no module named {module_name}",
                fix="MODEL is a Python file, or package.module:attribute of something that this Python can import",
            )
        file = Path(found.origin)
        shown = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
        sources = Sources(file.parent, Path(shown).parent)
        with user_code(sources, shown), recording_construction(sources):
            module = importlib.import_module(module_name)
    return module, attribute, sources, shown


@contextlib.contextmanager
def _import_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


@contextlib.contextmanager
def user_code(sources: Sources, shown: str) -> Iterator[None]:
    """Turn what the user's code raises into a refusal at the line that raised it."""
    from torch2hw.tools.errors import Torch2HWError

    try:
        with users_code():
            yield
    except (Torch2HWError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        place = sources.place(error.filename, error.lineno or 0) if error.filename else (shown, 0)
        coded = "'utf-8' codec" in str(error.msg)
        fix = "save the file as UTF-8, or name its encoding in the first line" if coded else "correct the Python code"
        raise ModelFileError(f"syntax error: {error.msg}", location=place, fix=fix) from None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
        frames = sources.frames(error.__traceback__)
        place = sources.place(*frames[-1]) if frames else (shown, 0)
        if isinstance(error, ModuleNotFoundError):
            raise ModelFileError(
                f"no module named {error.name}",
                location=place,
                fix=f"install {error.name} in the environment that torch2hw runs in, or correct the import",
            ) from None
        text = traceback.format_exception_only(error)[-1].strip()
        raise ModelFileError(
            f"the model file raised {text}",
            location=place,
            why="torch2hw executes the file to get the model",
            fix="make `python " + shown + "` run without error",
        ) from None
