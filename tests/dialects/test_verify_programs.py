"""`verify` on buffers and control: a fault of any kind, planted in what a pass returns, is found at that pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.dialects.changes import (
    arms_in_one_bank,
    buffer_changed,
    in_rounds,
    kernel_changed,
    nodes,
    of_same_name,
    reading_arms,
    same_arms,
    scratch,
    stores,
    weights,
    with_flag_constants,
    without_a_lane,
)
from tests.dialects.planting import SEQUENTIAL_TWO, TWO, Fault, expect_fault
from torch2hw.dialects.program import Rounds
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import EXTERNAL, OUTPUT, RAM, STREAM_IN

FAULTS = (
    # buffers
    Fault("names of buffers", "share-memories", of_same_name, "two buffers are called"),
    Fault(
        "bank factors", "bank-memories", buffer_changed(scratch, factors=(2,)), "1 bank factors for 2 dimensions", TWO
    ),
    Fault("banks", "bank-memories", buffer_changed(scratch, factors=(1, 6)), "has the bank factors [1, 6]", TWO),
    Fault(
        "shape of contents",
        "name-kernels",
        buffer_changed(weights, data=lambda b: b.data.T),
        "has contents of shape",
    ),
    Fault(
        "type of contents",
        "name-kernels",
        buffer_changed(weights, data=lambda b: b.data.astype(np.uint64)),
        "as uint64",
    ),
    Fault("bits of contents", "name-kernels", with_flag_constants, "has more than 1 bits"),
    Fault(
        "store to an input",
        "fuse-epilogues",
        lambda p: stores(0, lambda s: replace(s, buffer=p.inputs[0]))(p),
        "kernels only read it",
    ),
    Fault(
        "storage class", "share-memories", buffer_changed(scratch, storage=EXTERNAL), "external, which nothing builds"
    ),
    Fault("stream", "name-kernels", buffer_changed(scratch, storage=STREAM_IN), "stream_in, which nothing builds"),
    Fault("no port", "name-kernels", lambda p: p.with_ports((), p.outputs), "no port of the design"),
    Fault(
        "storage of a port",
        "name-kernels",
        lambda p: p.with_ports(p.inputs, (replace(p.outputs[0], storage=RAM),)),
        "which the host does not read",
    ),
    Fault(
        "output that is not written", "remove-dead-code", nodes(lambda body: body[:-1]), "nothing writes the output out"
    ),
    Fault("type of a buffer", "share-memories", buffer_changed(scratch, dtype="index"), "has elements of type index"),
    Fault("shape of a buffer", "share-memories", buffer_changed(scratch, shape=(-4, 5)), "has the shape [-4, 5]"),
    Fault(
        "storage of an input",
        "name-kernels",
        lambda p: p.with_ports((replace(p.inputs[0], storage=OUTPUT),), p.outputs),
        "which the host does not write",
    ),
    # control
    Fault(
        "no rounds", "fuse-outer-loops", nodes(lambda b: [Rounds(0, (in_rounds(b[0]),)), *b[1:]]), "there are 0 rounds"
    ),
    Fault("empty rounds", "fuse-outer-loops", nodes(lambda b: [Rounds(2, ()), *b]), "there is nothing in a node"),
    Fault(
        "models of one name", "bind-units", lambda p: replace(p, models=p.models * 2), "two software models are called"
    ),
    Fault("names of kernels", "name-kernels", kernel_changed(1, name="matmul0"), "two kernels are called matmul0"),
    Fault("read before written", "share-memories", nodes(lambda body: body[::-1]), "before anything has written it"),
    Fault(
        "rounds without a node",
        "fuse-outer-loops",
        kernel_changed(0, loops=lambda n: in_rounds(n).loops),
        "there are none around it",
    ),
    Fault(
        "loop of rounds",
        "fuse-outer-loops",
        nodes(lambda body: [Rounds(4, (body[0],)), *body[1:]]),
        "none of its loops counts them",
    ),
    Fault(
        "number of rounds",
        "fuse-outer-loops",
        nodes(lambda b: [Rounds(3, (in_rounds(b[0]),)), *b[1:]]),
        "counts 4 rounds of 3",
    ),
    Fault(
        "rounds within rounds",
        "fuse-outer-loops",
        nodes(lambda b: [Rounds(4, (Rounds(4, (in_rounds(b[0]),)),)), *b[1:]]),
        "rounds within rounds",
    ),
    Fault(
        "innermost loop counts rounds",
        "interleave-reductions",
        kernel_changed(0, loops=lambda n: (*n.loops[:-1], replace(n.loops[-1], in_rounds=True))),
        "is not the outermost one",
    ),
    Fault("element that is not written", "choose-lanes", without_a_lane, "nothing writes the element [1, 0] of", TWO),
    Fault("arms in one bank", "choose-arms", arms_in_one_bank, "to a bank of", SEQUENTIAL_TWO),
    Fault("arms that store the same", "choose-arms", same_arms, "where another arm", SEQUENTIAL_TWO),
    Fault("arms that read each other", "choose-arms", reading_arms, "what another arm", SEQUENTIAL_TWO),
    Fault("software model", "bind-units", lambda p: replace(p, models=()), "which is not there"),
    Fault(
        "schedule too early",
        "choose-units",
        kernel_changed(0, schedule=Schedule(1)),
        "has a schedule at level affine",
    ),
    Fault("level", "bind-units", lambda p: replace(p, level="scheduled"), "it is of level scheduled"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.kind for fault in FAULTS])
def test_a_planted_fault_is_found_at_the_pass_that_made_it(fault: Fault, model: Path) -> None:
    expect_fault(fault, model)
