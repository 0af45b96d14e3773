from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.skips import NO_CHROMIUM
from torch2hw.explore.kernel_times import KernelTime
from torch2hw.explore.page import plots
from torch2hw.explore.page.document import Plot, Table, document, rows_csv
from torch2hw.explore.page.sweep_page import labelled, sweep_page

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=10000 --window-size=1200,5000"
).split()


def point(n: int, **more: Any) -> dict[str, Any]:
    lanes = n * n
    kernels = [
        KernelTime(f"net_k{k}", f"net.py:{k}", 40 * k // n, 0, 1, 50 // n, 50 // n, 40 // n, 30, lanes, 1, 9, 30, {})
        for k in range(3)
    ]
    told = {"model": "net", "partition": n, "dtype": "f32", "clock_ns": 3.33, "schedule": "static", "interface": "mem"}
    told |= {"cycles": 120 // n, "macs": 90, "mac_lanes": lanes, "io_words": 20, "output_error": 1e-7}
    told |= {"lut": 500 * lanes, "ff": 600 * lanes, "dsp": 2 * lanes, "bram36": 1.5, "latency_us": 0.4 / n}
    return told | {"kernels": [{**kernel.to_json(), "lut": 100} for kernel in kernels]} | more


def test_the_same_points_give_the_same_bytes_and_nothing_is_fetched() -> None:
    text = sweep_page([point(1), point(2)])
    assert text == sweep_page([point(1), point(2)])
    ours = re.sub(r'<script type="module">.*?</script>', "", text, flags=re.DOTALL)
    assert re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*|url\(|@import", ours) == []


def test_text_of_users_is_text() -> None:
    table = Table("t", "<T>", [("a", "<A>")], [{"a": "</script><b>"}])
    plot = Plot("p", "P", {}, [{"a": "</script><b>"}])
    text = document("<title>", ["<p>"], [table, plot])
    assert "<b>" not in text.replace("\\u003c", "") and "&lt;T&gt;" in text


def test_data_is_behind_each_plot() -> None:
    assert rows_csv([{"a": 1, "anchor": 2}, {"b": "x,y"}]) == 'a,b\n1,\n,"x,y"\n'


def test_the_front_holds_what_no_other_design_beats() -> None:
    assert plots.front([(1, 9), (2, 5), (2, 6), (3, 5), (2, 5)]) == [True, True, False, False, True]


def test_series_are_named_by_what_differs() -> None:
    rows = labelled([point(1), point(1, dtype="bf16"), point(1, quantize="int8")])
    assert [row["label"] for row in rows] == ["net f32 N=1", "net bf16 N=1", "net int8 N=1"]


@pytest.mark.slow
def test_every_plot_is_drawn_in_a_browser(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(NO_CHROMIUM)
    page = tmp_path / "index.html"
    page.write_text(sweep_page([point(1), point(2), point(4)]))
    flags = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*flags, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    dom = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
    drawn = dict(re.findall(r'id="plot-([\w-]+)"[^>]*data-drawn="(\w+)"', dom))
    assert set(drawn) == set(re.findall(r'<section id="([\w-]+)">', dom)) - {"kernels", "points"}
    assert len(drawn) == 9 and set(drawn.values()) == {"yes"}, re.findall(r'class="failed">[^<]*', dom)
    assert dom.count("<svg") == 9
    marks = len(re.findall(r'aria-roledescription="(?:point|bar|line mark container)"', dom))
    assert marks > 40
