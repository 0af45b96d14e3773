"""Assertions about streams and buses: proved of wrappers, and they find planted faults."""

from __future__ import annotations

import pytest
import torch

import torch2hw
from torch2hw.sim.protocol_proof import proof


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interface", "right", "wrong"),
    [
        ("axis", "if (go_on) begin\n        ends", "if (1'h1) begin\n        ends"),
        ("axi", ": ~(place0[7:0]);", ": 8'hFF;"),
    ],
)
def test_wrappers_keep_the_rules_whatever_the_core_does(interface: str, right: str, wrong: str) -> None:
    design = torch2hw.compile(torch.nn.ReLU(), (torch.randn(3, 5),), interface=interface, top="rules")
    program, host = design.compiled.at("calyx").program, design.compiled.options.host
    tensors = (*program.inputs, *program.outputs)
    assert proof(design.verilog, "rules", "rules_core", host, tensors) == {"base": True, "step": True}
    assert right in design.verilog
    found = proof(design.verilog.replace(right, wrong), "rules", "rules_core", host, tensors)
    assert not all(found.values())
