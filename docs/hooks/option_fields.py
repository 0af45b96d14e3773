"""The fields of `Options`, with the explanations of its docstring."""

from __future__ import annotations

import dataclasses
import inspect
import re

from torch2hw.compiler.options import Options


def markdown() -> str:
    """A table; a field without an explanation is an error."""
    text = inspect.cleandoc(Options.__doc__ or "")
    explained: dict[str, str] = {}
    for names, meaning in re.findall(r"^(`\w+`(?:, `\w+`)*): (.*(?:\n(?!`\w+`[:,]).+)*)", text, flags=re.MULTILINE):
        cell = " ".join(meaning.split()).replace("|", "\\|")  # a bar would end the table's cell
        explained |= dict.fromkeys(re.findall(r"\w+", names), cell)
    rows = [
        f"| `{field.name}` | `{field.default!r}` | {explained[field.name]} |" for field in dataclasses.fields(Options)
    ]
    return "\n".join(["| option | default | meaning |", "| --- | --- | --- |", *rows])
