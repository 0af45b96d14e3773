"""Units behind Calyx's go/done handshake.

`go` with stable operands starts an operation; `done` is high for one cycle when `out` holds the result, and `out`
keeps it until the next operation ends. `go` is held until `done`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2hw.lowering.hardware.hw_text import HwBody

Ports = Sequence[tuple[str, int]]  # name and width in bits


def module_text(name: str, inputs: Ports, outputs: Mapping[str, tuple[str, int]], body: HwBody) -> str:
    """An `hw.module` with clk, reset and go before `inputs`; `outputs`: signal and width by port, done among them."""
    ports = ["in %clk: !seq.clock", "in %reset: i1", "in %go: i1", *(f"in %{port}: i{width}" for port, width in inputs)]
    ports += [f"out {port}: i{width}" for port, (_, width) in outputs.items()]
    signals = ", ".join(signal for signal, _ in outputs.values())
    types = ", ".join(f"i{width}" for _, width in outputs.values())
    lines = "\n".join(f"  {line}" for line in [*body.text(), f"hw.output {signals} : {types}"])
    return f"hw.module @{name}({', '.join(ports)}) {{\n{lines}\n}}\n"


def new_body(inputs: Ports) -> HwBody:
    """An empty module body with the handshake's ports and these inputs."""
    return HwBody("%clk", "%reset", ["clk", "reset", "go", *(port for port, _ in inputs)])


def steps(body: HwBody, cycles: int) -> list[str]:
    """`steps[k]` is high in cycle k of an operation, for k = 0 … cycles; one starts when `go` is high and none runs.

    An operation whose `go` falls before its done is dropped: a group may raise `go` once more in the cycle before it
    ends.
    """
    start = body.call(body.name("start"), "start")
    chain = [start]
    for cycle in range(1, cycles + 1):
        chain.append(body.flag(f"cycle{cycle}", body.all_of(chain[-1], "%go")))
    body.define(start, f"comb.and %go, {body.invert(body.any_of(*chain[1:]))} : i1")
    return chain


def captured(body: HwBody, name: str, value: str, width: int, when: str) -> str:
    """A register that takes `value` while `when` is high; it is not reset."""
    return body.register(body.name(name), value, width, enable=when, reset="")


MULTIPLIER_CYCLES = 3  # from go to done


def divider_cycles(width: int) -> int:
    """Cycles from go to done of a divider."""
    return width + 1


def pipeline_cycles(latency_cycles: int) -> int:
    """Cycles from go to done of a pipeline behind a handshake."""
    return latency_cycles + 1


def multiplier(name: str, width: int) -> str:
    """std_mult_pipe: the low half of the product, three cycles after `go`."""
    inputs = [("left", width), ("right", width)]
    body = new_body(inputs)
    cycle = steps(body, MULTIPLIER_CYCLES)
    operands = [captured(body, f"{port}_held", f"%{port}", width, cycle[0]) for port, _ in inputs]
    product = captured(
        body, "product", body.shared("product", f"comb.mul {', '.join(operands)} : i{width}"), width, cycle[1]
    )
    result = captured(body, "result", product, width, cycle[2])
    return module_text(name, inputs, {"out": (result, width), "done": (cycle[-1], 1)}, body)


def divider(name: str, width: int, signed: bool, remainder: bool) -> str:
    """std_div*_pipe and std_rem*_pipe: one quotient bit a cycle, rounding towards zero.

    Dividing by 0 gives an unspecified result.
    """
    inputs = [("left", width), ("right", width)]
    body = new_body(inputs)
    count_width = width.bit_length() + 1
    busy, left, rest, bits = (body.name(each) for each in ("busy", "steps_left", "rest", "bits"))
    done_name = body.name("done_now")
    start = body.call(body.all_of("%go", body.invert(busy), body.invert(done_name)), "start")
    last = body.extract(left, count_width - 1, 1, count_width)
    done = body.register(done_name, body.all_of(busy, last), 1)
    body.register(busy, body.any_of(start, body.all_of(busy, body.invert(last))), 1)
    minus_one = body.constant((1 << count_width) - 1, count_width)
    fewer = body.shared("fewer", f"comb.add {left}, {minus_one} : i{count_width}")
    body.register(
        left, body.choose(start, body.constant(width - 2, count_width), fewer, count_width), count_width, reset=""
    )
    dividend, divisor = (_magnitude(body, f"%{port}", width) if signed else f"%{port}" for port, _ in inputs)
    # rest:bits shifts left; where the divisor fits into the rest it is taken out and a quotient bit set
    wide = width + 1
    top = body.extract(bits, width - 1, 1, width)
    shifted = body.shared("shifted", f"comb.concat {rest}, {top} : i{width}, i1")
    wide_divisor = body.extend(divisor, width, wide)
    difference = body.shared("difference", f"comb.sub {shifted}, {wide_divisor} : i{wide}")
    fits = body.shared("fits", f"comb.icmp uge {shifted}, {wide_divisor} : i{wide}")
    kept = body.choose(fits, body.extract(difference, 0, width, wide), body.extract(shifted, 0, width, wide), width)
    low = body.extract(bits, 0, width - 1, width)
    quotient = body.shared("quotient", f"comb.concat {low}, {fits} : i{width - 1}, i1")
    zero = body.constant(0, width)
    body.register(rest, body.choose(start, zero, kept, width), width, reset="")
    body.register(bits, body.choose(start, dividend, quotient, width), width, reset="")
    value = kept if remainder else quotient
    if signed:
        signs = [body.extract(f"%{port}", width - 1, 1, width) for port, _ in inputs]
        negative = signs[0] if remainder else body.shared("sign", f"comb.xor {', '.join(signs)} : i1")
        value = body.choose(negative, body.shared("negated", f"comb.sub {zero}, {value} : i{width}"), value, width)
    result = captured(body, "result", value, width, body.all_of(busy, last))
    return module_text(name, inputs, {"out": (result, width), "done": (done, 1)}, body)


def _magnitude(body: HwBody, signal: str, width: int) -> str:
    negated = body.shared("negated", f"comb.sub {body.constant(0, width)}, {signal} : i{width}")
    return body.choose(body.extract(signal, width - 1, 1, width), negated, signal, width)
