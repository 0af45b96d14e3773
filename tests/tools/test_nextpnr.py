from __future__ import annotations

from typing import Any

import pytest

from tests.tools.test_yosys import FILES, own_cache
from torch2hw.tools import nextpnr
from torch2hw.tools.errors import InternalError

__all__ = ["own_cache"]


def step(start: str, end: str, kind: str, delay: float) -> dict[str, Any]:
    return {"from": {"cell": start}, "to": {"cell": end}, "type": kind, "delay": delay}


def test_the_report_is_read() -> None:
    inside = [step("a", "a", "clk-to-q", 0.5), step("a", "lut", "routing", 1.0), step("lut", "lut", "logic", 0.25)]
    inside += [step("lut", "b", "routing", 2.0), step("b", "b", "setup", 0.0)]
    report = {
        "fmax": {"clk": {"achieved": 123.4, "constraint": 150.0}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk", "path": [step("in", "b", "routing", 99.0)]},
            {"from": "posedge clk", "to": "posedge clk", "path": inside},
        ],
        "utilization": {"TRELLIS_FF": {"used": 9, "available": 100}, "DCCA": {"used": 0, "available": 56}},
    }
    timing = nextpnr.read_report(report)
    assert timing.mhz == 123.4
    assert str(timing.critical) == "a → b: 3.75 ns (0.75 logic, 3.00 wires), 3 cells"
    assert timing.used == {"TRELLIS_FF": (9, 100)}


def test_refusals() -> None:
    assert isinstance(nextpnr._refusal("ERROR: Unable to place cell 'm', no BELs remaining"), nextpnr.DoesNotFit)
    assert isinstance(nextpnr._refusal("Info: x\nERROR: bad netlist"), InternalError)


@pytest.mark.slow
def test_a_small_design_is_placed_and_routed() -> None:
    timing = nextpnr.place_and_route(FILES, "pair")
    assert timing.mhz > 100
    assert timing.used["TRELLIS_FF"][0] >= 9
