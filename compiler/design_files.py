"""The files of a design: OUT.sv, its manifest OUT.json, and OUT.mem/ with weights that are too large for OUT.sv."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch2hw.compiler import memory_files
from torch2hw.hwlib.contents import Contents, fill_verilog
from torch2hw.tools.errors import UsageError
from torch2hw.tools.output import check_writable, write_files
from torch2hw.tools.unfinished import unfinished

UNQUOTABLE = frozenset('"\\') | frozenset(map(chr, range(32)))


def manifest_path(path: Path) -> Path:
    """The path of the manifest of a design that is written to `path`."""
    if path.suffix == ".json":
        raise UsageError(f"-o {path}: the manifest has that name", fix=f"use -o {path.with_suffix('.sv')}")
    return path.with_suffix(".json")


class Finished(Protocol):
    """A design whose passes have all run: a `Compiled`, or a `Replayed`."""

    def at(self, level: str) -> Any:
        """The program of a level."""

    def manifest(self, files: list[str], memory_files: list[str]) -> dict[str, Any]:
        """The manifest of the design written as these files."""


@dataclass(frozen=True)
class DesignTexts:
    """The manifest of a design, and the text of each of its files: SystemVerilog and memory contents."""

    manifest: dict[str, Any]
    files: dict[str, str]

    @property
    def manifest_text(self) -> str:
        """What stands in the manifest's file."""
        return json.dumps(self.manifest, indent=2) + "\n"


def design_texts(compiled: Finished, name: str) -> DesignTexts:
    """The files of a design whose SystemVerilog is called `name`, each by its path beside it."""
    program = compiled.at("sv")
    verilog, files = with_contents(program.text(weights=False), program.contents, f"{Path(name).stem}.mem")
    return DesignTexts(compiled.manifest([name], sorted(files)), {**files, name: verilog})


def with_contents(verilog: str, table: Mapping[str, Contents], folder: str) -> tuple[str, dict[str, str]]:
    """SystemVerilog with the contents of its memories: inside, or in files of `folder`, by their path."""
    if memory_files.contents_bytes(verilog, table) > memory_files.LIMIT_BYTES:
        return memory_files.move_contents(verilog, table, folder)
    return fill_verilog(verilog, table), {}


def write_design(compiled: Finished, path: Path, last: bool = False) -> dict[str, Any]:
    """Write OUT.sv, OUT.json and, for large weights (`LIMIT_BYTES`), OUT.mem/*.hex: all or nothing. The manifest.

    `last`: the command writes nothing after it.
    """
    design = design_texts(compiled, path.name)
    files = {**design.files, manifest_path(path).name: design.manifest_text}
    write_with_memories(path, files, bool(design.manifest["memory_files"]), last)
    return design.manifest


def check_quotable(path: Path, what: str, why: str) -> None:
    """Refuse `path` where its stem cannot stand between quotes, in which `why` says what names it."""
    if not set(path.stem).isdisjoint(UNQUOTABLE):
        raise UsageError(
            f"-o {path}: {what}, and it holds a quote or a backslash",
            why=f"{why} between quotes",
            fix="choose a file name without",
        )


def write_with_memories(path: Path, files: Mapping[str, str], has_memories: bool, last: bool) -> None:
    """Write files by their names beside `path`, all or nothing; some are in the folder OUT.mem if it `has_memories`."""
    folder = path.with_suffix(".mem")
    if has_memories:
        check_quotable(path, "weights go to files whose names begin with that one", "SystemVerilog names them")
    check_writable(path)
    made = [folder] if has_memories and not folder.exists() else []
    with unfinished(*made):
        try:
            for each in made:
                each.mkdir()
            write_files({path.parent / name: text for name, text in files.items()}, last)
        except BaseException:
            for each in made:
                shutil.rmtree(each)
            raise
