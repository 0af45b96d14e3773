"""Every row of the operator table is compiled, and what its reference computes is compared with PyTorch.

Rows take turns with the partition factors here; `python -m tests.operators.simulate` has every row at each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_leaves

from tests.operators import simulate
from tests.operators.operands import Operands
from tests.operators.row import FORMS, Forms, Row, operands_of
from tests.operators.table import ROWS
from torch2hw.analysis.stored_arrays import from_torch, to_torch
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.locations import Sources
from torch2hw.sim.check import references
from torch2hw.tools.errors import Torch2HWError

ROOT = Path(__file__).parents[2]
WANTED_OPERATIONS = 150
ROWS_IN_A_DESIGN = 8  # which takes less than half as long as one at a time
ACCEPTED = [row for row in ROWS if not set(row.given) <= set(row.codes)]
REFUSED = [row for row in ROWS if row.codes]


def name_of(value: object) -> str | None:
    return f"{value.operation}: {value.code}" if isinstance(value, Row) else None


def groups() -> list[tuple[list[Row], int]]:
    """Some rows that are one design, and its partition factor."""
    found = []
    for turn, partition in enumerate(simulate.PARTITIONS):
        rows = ACCEPTED[turn :: len(simulate.PARTITIONS)]
        found += [
            (rows[first : first + ROWS_IN_A_DESIGN], partition) for first in range(0, len(rows), ROWS_IN_A_DESIGN)
        ]
    return found


def compiled(forms: Mapping[Row, Mapping[str, Operands]], partition: int) -> tuple[Compiled, Forms, Operands]:
    """The scheduled design of these forms, the model, and its inputs."""
    model, inputs = Forms(forms).eval(), operands_of(forms)
    sources = Sources(ROOT, ROOT)
    loaded = LoadedModel(model, inputs, __file__, "row", sources, (__file__, 1))
    return compile_model(loaded, Options(partition=partition), stop_at="calyx"), model, inputs


def graph_operations(model: Forms, inputs: Operands) -> set[str]:
    """The ATen operations of the exported graph, without overloads."""
    graph = torch.export.export(model, inputs).graph
    return {str(node.target).rsplit(".", 1)[0] for node in graph.nodes if node.op == "call_function"}


def check(rows: Sequence[Row], partition: int) -> None:
    """Compile the rows as one design, and compare."""
    forms = {row: row.accepted() for row in rows}
    design, model, inputs = compiled(forms, partition)
    assert {row.operation for row in rows} <= graph_operations(model, inputs)
    (answers,) = references(design, [[from_torch(tensor) for tensor in inputs]])
    left = iter(zip(answers, design.imported.outputs, strict=True))
    parts = [(row, form) for row in rows for form in forms[row]]
    for (row, form), results in zip(parts, model(*inputs), strict=True):
        for expected in tree_leaves(results):
            answer, port = next(left)
            got = to_torch(answer, port.dtype).to(expected.dtype).reshape(expected.shape)
            tolerance = row.tolerance if expected.is_floating_point() else 0
            where = f"{simulate.key(row)} ({form}): "
            torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True, msg=where.__add__)
    assert next(left, None) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")  # PyTorch's own, in ldexp
@pytest.mark.filterwarnings("ignore:Using a target size")  # in losses of broadcast operands
@pytest.mark.parametrize(
    ("rows", "partition"), groups(), ids=lambda value: value if isinstance(value, int) else name_of(value[0])
)
def test_rows(rows: list[Row], partition: int) -> None:
    try:
        check(rows, partition)
    except Torch2HWError:
        for row in rows:  # which is it?
            check([row], partition)
        raise


@pytest.mark.parametrize("row", REFUSED, ids=name_of)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_refused(row: Row) -> None:
    for form, code in row.refused.items():
        with pytest.raises(Torch2HWError) as caught:
            compiled({row: {form: row.forms[form]}}, 1)
        assert caught.value.code == code, form


def test_the_table_is_long_enough() -> None:
    assert len({row.operation for row in ROWS if row.accepted()}) >= WANTED_OPERATIONS


def test_forms_have_names() -> None:
    for row in ROWS:
        assert set(row.codes) <= set(row.given) | set(FORMS) and set(row.given) <= set(FORMS), row
        assert len({len(operands) for operands in row.given.values()}) == 1, row


@pytest.mark.simulation
def test_rows_are_simulated_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulate, "RECORD", tmp_path / "operators.json")
    assert simulate.main(["aten.relu", "--partition", "1"]) == 0
    assert capsys.readouterr().out == "N = 1: aten.relu: F.relu(x): bit-exact\n"
    recorded = {"forms": "ordinary 0-d integer NaN", "1": "bit-exact"}
    assert simulate.read() == {"aten.relu: F.relu(x)": recorded}
    assert simulate.main(["aten.relu", "--partition", "1"]) == 0
    assert capsys.readouterr().out == "", "what the record holds is not simulated again"
    wrong = "aten.relu6: F.relu6(x)"

    def planted(rows: Sequence[Row], partition: int) -> str:
        return "error[check-failed]: planted" if wrong in map(simulate.key, rows) else simulate.BIT_EXACT

    monkeypatch.setattr(simulate, "simulated", planted)
    assert simulate.main(["aten.relu", "aten.relu6", "aten.elu", "--partition", "3"]) == 3
    found = {key: answer["3"] for key, answer in simulate.read().items()}
    assert found.pop(wrong) == "error[check-failed]: planted"
    assert found == {"aten.relu: F.relu(x)": "bit-exact", "aten.elu: F.elu(x)": "bit-exact"}
