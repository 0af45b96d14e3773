"""The documentation is built without a warning, and nothing in it is fetched from the network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
FETCHED = r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*?(?:src|href)=\"?(https?:[^\s\">]+)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    written = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert written <= {path.stem for path in site.glob("*.html")}


def test_nothing_is_fetched_from_the_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert re.findall(FETCHED, page.read_text()) == [], page.name
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(https?:[^\"')]+)", sheet.read_text()) == [], sheet.name


def test_generated_parts_are_there(site: Path) -> None:
    for page, text in (
        ("command-line", "--sequential-banking HOW"),
        ("refusals", "control flow depends on the values of a tensor"),
        ("benchmarks", "BRAM36: ours"),
        ("operators", "aten.scaled_dot_product_attention"),
        ("python", "subnormals"),
    ):
        assert text in (site / f"{page}.html").read_text(), page


def test_drawings_are_in_the_pages(site: Path) -> None:
    for drawing in (ROOT / "docs" / "images").glob("*.svg"):
        title = re.search(r"<title>(.+)</title>", drawing.read_text())
        assert title is not None
        assert any(title[1] in page.read_text() for page in site.glob("*.html")), drawing.name
