"""Programs of every level as the sections of a file (`stored_text`). `program_reader` reads them.

| level             | program      | sections                                                                    |
|-------------------|--------------|-----------------------------------------------------------------------------|
| torch, linalg     | TorchProgram | program: upstream MLIR with locations; ports; arrays                        |
| affine, scheduled | Program      | program: loop text (`dialects/loop_text.py`)                                |
| scf               | Core         | program: generic MLIR; memories; units; loops: the loop text it is made of  |
| calyx             | CalyxProgram | program: Calyx dialect; definition NAME, one for each primitive; contents   |
| hw, sv            | Text         | program: MLIR or SystemVerilog, which refers to contents by name; contents  |

- ports: a JSON object a line, `{"in": NAME, "shape": […], "dtype": …}`, in order; `out` for results, `keeps` for
  states, with `label`, the model's name, and `first`, the key of the first values.
- arrays: `NAME KEY` a line: the key of the array that the text calls NAME.
- contents: `NAME WIDTH_BITS KEY` a line.
- memories: the fields of a `CoreMemory` as a JSON object a line, with the key of its contents.
- units: `FUNCTION OPERATION (TYPES) -> TYPE` a line: the operation whose unit the function stands for.
- `definition NAME = OTHER`, without text: the same text as that of OTHER.

Reading a calyx file gives a `StoredCalyx`: what the passes below need. Its kernels are no longer known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch2hw.compiler.array_file import Array, key
from torch2hw.compiler.driver import LevelProgram
from torch2hw.compiler.stored_text import RULE, Section
from torch2hw.compiler.text_program import Text
from torch2hw.dialects.loop_text import loop_text
from torch2hw.dialects.program import Program
from torch2hw.frontend.torch_to_linalg import TorchProgram
from torch2hw.hwlib.contents import Contents
from torch2hw.lowering.manifest import manifest, sequential_manifest
from torch2hw.lowering.sequential.affine_to_scf import Core
from torch2hw.lowering.sequential.scf_to_calyx import SequentialProgram
from torch2hw.lowering.static.scheduled_to_calyx import CalyxProgram

Naming = Callable[[NDArray[np.generic]], str]


@dataclass(frozen=True)
class StoredCalyx:
    """A calyx program read from a file: its text, the definitions of its primitives, and the contents that these refer
    to."""

    calyx: str
    definitions: dict[str, str]
    contents: dict[str, Contents] = field(repr=False)

    def text(self, weights: bool = True) -> str:
        """Calyx text; weights are beside it in any case."""
        return self.calyx


@dataclass
class Arrays:
    """Gives arrays their names for the text, and collects them."""

    held: dict[str, Array] = field(default_factory=dict)

    def __call__(self, array: NDArray[np.generic]) -> str:
        """The key of an array, which is then among `held`."""
        name = key(array)
        self.held[name] = array
        return name


def manifest_of(program: object) -> dict[str, Any]:
    """The part of the manifest that follows from a calyx program, without generator and files; empty for other
    programs."""
    if isinstance(program, CalyxProgram):
        return manifest(program, "", [], [])
    if isinstance(program, SequentialProgram):
        return sequential_manifest(program, "", [], [])
    return {}


def sections_of(program: LevelProgram, name: Naming) -> list[Section]:
    """The program's sections; `name` gives the arrays their names."""
    if isinstance(program, Program):
        return [Section("program", loop_text(program, name).rstrip("\n"))]
    if isinstance(program, TorchProgram):
        return _torch_sections(program, name)
    if isinstance(program, Core):
        return _core_sections(program, name)
    if isinstance(program, CalyxProgram | SequentialProgram | StoredCalyx):
        return [
            Section("program", program.calyx),
            *_definitions(program.definitions),
            _contents(program.contents, name),
        ]
    if isinstance(program, Text):
        return [Section("program", program.content), _contents(program.contents, name)]
    return [Section("program", program.text())]


def _torch_sections(program: TorchProgram, name: Naming) -> list[Section]:
    text = program.text(weights=False)
    states = [
        json.dumps(
            {
                "keeps": info.name,
                "shape": info.shape,
                "dtype": info.dtype,
                "label": info.label,
                "first": name(info.first.reshape(-1)),
            }
        )
        for info in program.states
    ]
    ports = [
        json.dumps(
            {
                way: info.name,
                "shape": info.shape,
                "dtype": info.dtype,
                **({} if info.codes is None else {"codes": asdict(info.codes)}),
            }
        )
        for way, infos in (("in", program.inputs), ("out", program.outputs))
        for info in infos
    ]
    used = [each for each in dict.fromkeys(re.findall(r"dense_resource<(\w+)>", text)) if each in program.weights]
    arrays = [f"{each} {name(program.weights[each])}" for each in used]
    return [Section("program", text), Section("ports", "\n".join(ports + states)), Section("arrays", "\n".join(arrays))]


def _core_sections(core: Core, name: Naming) -> list[Section]:
    memories = [
        json.dumps(
            {
                "name": memory.name,
                "storage": memory.storage.name,
                "elements": memory.elements,
                "width_bits": memory.width_bits,
                "tensor": memory.tensor,
                "bank": memory.bank,
                "contents": None if memory.contents is None else name(memory.contents),
            }
        )
        for memory in core.memories
    ]
    units = [f"{called} {call[0]} ({', '.join(call[1])}) -> {call[2]}" for called, call in core.calls.items()]
    return [
        Section("program", core.mlir),
        Section("memories", "\n".join(memories)),
        Section("units", "\n".join(units)),
        Section("loops", loop_text(core.program, name).rstrip("\n")),
    ]


def _definitions(definitions: Mapping[str, str]) -> Iterator[Section]:
    first: dict[str, str] = {}
    for name, text in definitions.items():
        assert RULE not in text, f"the definition of {name} has a line that looks like a section's"
        if text in first:
            yield Section(f"definition {name} = {first[text]}", "")
        else:
            first[text] = name
            yield Section(f"definition {name}", text)


def _contents(contents: Mapping[str, Contents], name: Naming) -> Section:
    return Section(
        "contents", "\n".join(f"{key} {held.width_bits} {name(held.words)}" for key, held in contents.items())
    )
