"""The models in which faults are planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialects import planting


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.py"
    path.write_text(planting.MODEL)
    path.with_name("dividing.py").write_text(planting.DIVIDING)
    return path
