"""Assertions about streams and buses: proved of wrappers, and they find planted faults."""

from __future__ import annotations

import pytest
import torch

import torch2hw
from torch2hw.sim.protocol_proof import proof


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interface", "data_bits", "right", "wrong"),
    [
        ("axis", 256, "if (go_on) begin\n        ends", "if (1'h1) begin\n        ends"),
        ("axi", 32, ": ~(place0[7:0]);", ": 8'hFF;"),
    ],
)
def test_wrappers_keep_the_rules_whatever_the_core_does(interface: str, data_bits: int, right: str, wrong: str) -> None:
    x = (torch.randn(3, 5),)
    design = torch2hw.compile(torch.nn.ReLU(), x, interface=interface, data_bits=data_bits, top="rules")
    program, host = design.compiled.at("calyx").program, design.compiled.options.host
    tensors = (*program.inputs, *program.outputs)
    assert proof(design.verilog, "rules", "rules_core", host, tensors)
    assert right in design.verilog
    assert not proof(design.verilog.replace(right, wrong), "rules", "rules_core", host, tensors)
