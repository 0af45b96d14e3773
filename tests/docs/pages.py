"""What README and the pages of docs/ hold, for the tests: commands, files, prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w*)(?P<rest>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; `title` is the file that it is."""

    language: str
    title: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, included files in place."""
    found = []
    for match in BLOCK.finditer(page.read_text()):
        title = re.search(r'title="([^"]+)"', match["rest"])
        text = re.sub(r'^--8<-- "(.+)"\n', lambda m: (ROOT / "docs" / m[1]).read_text(), match["text"], flags=re.M)
        found.append(Block(match["language"], title[1] if title else None, text))
    return found


def commands(page: Path) -> list[str]:
    """The lines of `sh` blocks, without comments."""
    lines = [line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.strip()]
