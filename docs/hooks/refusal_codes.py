"""Error codes with what they mean, from their classes; texts, from the goldens that the tests compare with."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from pathlib import Path

from torch2hw.tools.errors import Torch2HWError

MODULES = (
    "torch2hw.tools.errors",
    "torch2hw.frontend.refusals",
    "torch2hw.frontend.quantise_model",
    "torch2hw.analysis.refusals",
    "torch2hw.compiler.stored_text",
    "torch2hw.tools.nextpnr",
    "torch2hw.fpga.flows",
    "torch2hw.explore.sweep",
    "torch2hw.explore.search",
)

GOLDENS = Path(__file__).parents[2] / "tests" / "frontend" / "refusals"


def classes(base: type[Torch2HWError] = Torch2HWError) -> list[type[Torch2HWError]]:
    """All classes with a code of their own, refusals of the model first."""
    for module in MODULES:
        importlib.import_module(module)
    found = [each for child in base.__subclasses__() for each in (child, *classes(child))]
    coded = {each.code: each for each in found if "code" in vars(each) and each.__module__ in MODULES}
    return sorted(coded.values(), key=lambda each: (each.exit_status, each.code))


def markdown() -> str:
    """A table of codes, then for each code the texts that the tests hold."""
    texts = defaultdict(list)
    for golden in sorted(GOLDENS.glob("*.golden")):
        answer = re.sub(r"^exit \d+\n", "", golden.read_text().partition("---- expected\n")[2]).rstrip()
        texts[re.findall(r"error\[([\w-]+)\]", answer)[0]].append(answer)
    rows = ["| code | exit status | meaning |", "| --- | ---: | --- |"]
    parts = []
    for each in classes():
        name = f"[`{each.code}`](#{each.code})" if texts[each.code] else f"`{each.code}`"
        meaning = " ".join((each.__doc__ or "").split("\n\n")[0].split())
        rows.append(f"| {name} | {each.exit_status} | {meaning} |")
        if texts[each.code]:
            parts += [f"## {each.code}", meaning, "```\n" + "\n\n".join(texts[each.code]) + "\n```"]
    return "\n\n".join(["\n".join(rows), *parts])
