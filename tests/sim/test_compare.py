from __future__ import annotations

import json
from math import inf, nan

import numpy as np
import pytest
import torch

from torch2hw.analysis.stored_arrays import Array
from torch2hw.sim import pytorch
from torch2hw.sim.compare import Distance, Result, compare, distance, first_mismatch


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


def test_nans_are_one_value_and_zeros_are_two() -> None:
    quiet = np.array([0x7FC00000, 0xFFC00001], np.uint32).view(np.float32)
    assert first_mismatch("y", "f32", quiet, quiet[::-1]) is None
    mismatch = first_mismatch("y", "f32", f32(0.0, 0.0), f32(0.0, -0.0))
    assert str(mismatch) == "y[1] is -0.0 (0x80000000), its reference is 0.0 (0x00000000)"


def test_the_first_mismatch_is_located() -> None:
    expected = np.zeros((2, 3), np.int8)
    got = expected.copy()
    got[1, 0], got[1, 2] = -1, 5
    mismatch = first_mismatch("y", "i8", expected, got)
    assert mismatch is not None
    assert mismatch.to_json() == {"tensor": "y", "index": [1, 0], "expected": "0 (0x00)", "got": "-1 (0xff)"}
    bf16 = first_mismatch("z", "bf16", np.array(0x3FC0, np.uint16), np.array(0x7FFF, np.uint16))
    assert str(bf16) == "z is nan (0x7fc0), its reference is 1.5 (0x3fc0)"


@pytest.mark.parametrize(
    ("got", "expected", "max_abs", "max_rel", "max_ulp"),
    [
        (f32(nan, inf, -inf), f32(nan, inf, -inf), 0, 0, 0),
        (f32(0.0), f32(-0.0), 0, 0, 0),
        (f32(inf), f32(-inf), inf, inf, 2 * 0x7F800000),
        (f32(inf), f32(np.finfo(np.float32).max), inf, inf, 1),
        (f32(1.0), f32(nan), inf, inf, inf),
        (f32(nan), f32(1.0), inf, inf, inf),
        (f32(2.0), f32(inf), inf, inf, 0x7F800000 - 0x40000000),
        (f32(1 + 2.0**-23, 1.0), f32(1.0, 1.0), 2.0**-23, 2.0**-23, 1),
        (f32(-(2.0**-149)), f32(2.0**-149), 2.0**-148, 2.0**-22, 2),
        (f32(0.0), f32(2.0**-127), 2.0**-127, 0.5, 2**22),
    ],
)
def test_distances(got: Array, expected: Array, max_abs: float, max_rel: float, max_ulp: float) -> None:
    measured = distance([(got, expected, "f32")])
    assert (measured.max_abs, measured.max_rel, measured.max_ulp) == (max_abs, max_rel, max_ulp)


def test_distances_of_integers() -> None:
    extremes = np.array([-128, 127], np.int8)
    assert distance([(extremes, extremes[::-1].copy(), "i8")]) == Distance(255.0, 255 / 127, 255.0, -1.0)
    true, false = np.array([True]), np.array([False])
    assert distance([(true, false, "i1")]) == Distance(1.0, 1.0, 1.0, None)


def test_correlation_is_over_finite_pairs_of_all_tensors() -> None:
    rising = np.linspace(0, 1, 50, dtype=np.float32)
    assert distance([(rising, rising, "f32")]).pcc == pytest.approx(1.0)
    assert distance([(rising, -rising, "f32"), (f32(inf, 1.0), f32(1.0, nan), "f32")]).pcc == pytest.approx(-1.0)
    assert distance([(rising, f32(*[2.0] * 50), "f32")]).pcc is None
    huge = f32(3e38, -3e38, 1e38)
    assert distance([(huge, huge, "f32")]).pcc == pytest.approx(1.0)


def test_a_comparison_is_json_whatever_the_values() -> None:
    result = Result("y", "f32", f32(1.0, inf), f32(1.0, inf), f32(1.0, 2.0), np.array([1.0, 3.0]))
    comparison = compare([result])
    text = json.dumps(comparison.to_json(), allow_nan=False)
    assert json.loads(text) == {
        "bit_exact": True,
        "first_mismatch": None,
        "max_abs_err": None,
        "max_rel_err": None,
        "max_ulp": 0x7F800000 - 0x40000000,
        "pcc": None,
        "torch_float64": {"hw_max_abs_err": None, "torch_max_abs_err": 1.0},
    }
    narrow = compare([Result("y", "f32", f32(1.0), f32(2.0), f32(1.0), None)])
    assert not narrow.bit_exact and "torch_float64" not in narrow.to_json()


def test_shapes_are_never_made_to_fit() -> None:
    with pytest.raises(AssertionError, match=r"y: reference \(2,\), hardware \(1, 2\)"):
        first_mismatch("y", "f32", f32(1, 2), f32(1, 2).reshape(1, 2))


class Fixed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"b": x @ torch.eye(3, dtype=torch.float32), "a": x[0]}


def test_pytorch_runs_in_both_precisions() -> None:
    model, x = torch.nn.Linear(3, 2).eval(), torch.randn(4, 3)
    (narrow,), wide = pytorch.run(model, (x,)), pytorch.run_float64(model, (x,))
    assert wide is not None and wide[0].dtype == torch.float64
    assert torch.allclose(narrow.double(), wide[0], atol=1e-5) and not torch.equal(narrow.double(), wide[0])
    assert model.weight.dtype == torch.float32
    assert [tuple(y.shape) for y in pytorch.run(Fixed(), (x,))] == [(4, 3), (3,)]
    assert pytorch.run_float64(Fixed(), (x,)) is None


def test_a_model_that_changes_its_input_in_place_leaves_it() -> None:
    class Changes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.add_(1)

    x = torch.zeros(2)
    pytorch.run(Changes(), (x,))
    assert torch.equal(x, torch.zeros(2))
