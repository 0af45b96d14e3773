"""Makes the backend known to ExecuTorch's runtime: backend.cpp, compiled against the wheel's headers."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

from torch2hw.sim.verilator_runtime import checked, compiler
from torch2hw.tools.cache import digest, entry

SOURCE = Path(__file__).with_name("backend.cpp")


@cache
def register() -> None:
    """Compiles the backend, unless it is in the cache, and registers it in this process. Raises MissingTool without a
    C++ compiler."""
    import executorch

    (root,) = (Path(each) for each in executorch.__path__)
    program = compiler()
    library = root / "lib" / "libexecutorch.so"
    options = [
        *("-std=c++17", "-O1", "-shared", "-fPIC", f"-I{root / 'include'}", "-DC10_USING_CUSTOM_GENERATED_MACROS"),
        f"-I{root / 'include/executorch/runtime/core/portable_type/c10'}",
        f'-DTORCH2HW_PYTHON="{sys.executable}"',
    ]

    def make(place: Path) -> None:
        checked(
            [[program, *options, SOURCE, library, f"-Wl,-rpath,{library.parent}", "-o", place / "backend.so"]], place
        )

    name = digest([program, *map(str, options), SOURCE.read_bytes(), library.read_bytes()])
    built = entry("executorch", name, make) / "backend.so"
    ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(built), ctypes.RTLD_GLOBAL)


def load(path: str | Path) -> Any:
    """The program of a `.pte`, whose `forward` takes a sequence of tensors and gives a list of them."""
    register()
    from executorch.extension.pybindings.portable_lib import _load_for_executorch

    return _load_for_executorch(str(path))
