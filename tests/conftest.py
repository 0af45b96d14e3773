"""Options and fixtures of all tests. A run neither sees what is in the user's cache directory nor adds to it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from tests.skips import SKIPS

COMPILERS = {"CCACHE_DIR": "ccache", "YOWASP_CACHE_DIR": "YoWASP"}

settings.register_profile("torch2hw", database=None)  # no examples of earlier runs
settings.load_profile("torch2hw")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="write what goldens expect, after you have read it")
    parser.addoption(
        "--only-listed-skips", action="store_true", help="a skipped test fails, unless tests/skips.py lists its reason"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--only-listed-skips"):
        config.pluginmanager.register(OnlyListedSkips())


class OnlyListedSkips:
    """Makes a failure of a skip whose reason is not on the list, of a test or of a whole file."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        return checked(report := (yield), getattr(report, "wasxfail", None))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        return checked((yield), None)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def checked(report: Report, expected_failure: str | None) -> Report:
    """The report of a test, failed if it was skipped for a reason that is not on the list."""
    if report.skipped and expected_failure is None:
        said = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = said.removeprefix("Skipped: ")
        if reason not in SKIPS:
            report.outcome = "failed"
            report.longrepr = f"skipped, and tests/skips.py does not list the reason: {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A simulation is slow, since what it simulates is compiled as C++ first; a long test is slow as well."""
    for item in items:
        simulation = item.get_closest_marker("simulation") and not item.get_closest_marker("quick")
        if simulation or item.get_closest_marker("long"):
            item.add_marker("slow")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are to be written instead of compared."""
    return bool(request.config.getoption("--bless"))


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache directory of this run, shared by its workers. Compilers' own caches, which change no result, stay."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        for variable, folder in COMPILERS.items():
            patch.setenv(variable, os.environ.get(variable) or str(user / folder))
        patch.setenv("XDG_CACHE_HOME", str(directory))
        yield directory


@pytest.fixture(scope="session", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files of this run, where reproducers of planted faults stay."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder
