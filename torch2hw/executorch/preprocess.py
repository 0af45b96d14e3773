"""A part of an ExecuTorch program → what its `.pte` holds: a zip of manifest.json and the design's files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from executorch.exir.backend.backend_details import BackendDetails, PreprocessResult
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.design_files import design_texts
from torch2hw.compiler.options import Options
from torch2hw.executorch.edge import as_model, zeros_like
from torch2hw.executorch.names import MANIFEST
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources

OPTIONS = "options"
"""The compile specification that holds the options, as JSON."""


class Torch2HwBackend(BackendDetails):  # type: ignore[misc, unused-ignore]
    """Compiles a part. Raises what `compile_model` does; a part that the partitioner chose is seldom refused."""

    @staticmethod
    def preprocess(edge_program: ExportedProgram, compile_specs: Sequence[Any]) -> PreprocessResult:
        """The design of `edge_program`."""
        return PreprocessResult(processed_bytes=packed(edge_program, options_of(compile_specs)))


def options_of(specs: Sequence[Any]) -> Options:
    """The options that the partitioner wrote."""
    found = [json.loads(bytes(spec.value)) for spec in specs if spec.key == OPTIONS]
    return Options.given(found[0] if found else {})


def packed(program: ExportedProgram, options: Options) -> bytes:
    """The zip of a design; the same bytes for the same program."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    kinds = [(each.kind, each.arg.name) for each in program.graph_signature.input_specs]
    inputs = tuple(zeros_like(placeholders[n].meta["val"]) for kind, n in kinds if kind == InputKind.USER_INPUT)
    sources = Sources(Path.cwd(), Path.cwd())
    compiled = compile_model(LoadedModel(as_model(program), inputs, "<executorch>", "part", sources), options)
    texts = design_texts(compiled, "part.sv")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**texts.files, MANIFEST: texts.manifest_text}.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return data.getvalue()
