"""The module that sends an output as a stream, and has the pages of the output's banks.

port                    width          direction  of
clk, reset              1              input      the module
y_waddr, y_wdata, y_we  as the core's  input      each bank: a write to the page in use by the core
free                    1              output     there is a page for the next run
finish                  1              input      high in one cycle: the core's page is full from the next cycle on
tdata                   data bits      output     the stream, with tkeep, tlast, tvalid and tready; a packet is a tensor

A group is read in every cycle but those in which a beat waits for tready. The word stands at the memories' outputs in
the next cycle; words of a beat's earlier groups wait in registers.
"""

from __future__ import annotations

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.stream_layout import Place, StreamLayout
from torch2hw.hwlib.memories import address_bits
from torch2hw.lowering.hardware.hw_module import (
    CLOCK_AND_RESET,
    Module,
    body_of,
    chosen,
    counter,
    entering,
    equals,
    joined,
    leaving,
    module,
)
from torch2hw.lowering.hardware.hw_text import HwBody
from torch2hw.lowering.hardware.stream_input import page_memory
from torch2hw.lowering.hardware.stream_pages import Pages, pages
from torch2hw.lowering.hardware.stream_walk import Walk


def stream_output(name: str, layout: StreamLayout) -> Module:
    """The module."""
    buffer, bits = layout.buffer, layout.data_bits
    ports = [*CLOCK_AND_RESET]
    for bank in range(buffer.banks):
        names = bank_ports(buffer, bank)
        ports.append(entering(names.write_address, address_bits(buffer.bank_elements)))
        ports += [entering(names.write_data, buffer.width_bits), entering(names.write_enable)]
    ports += [leaving("free"), entering("finish"), leaving("tdata", bits), leaving("tkeep", bits // 8)]
    ports += [leaving("tlast"), leaving("tvalid"), entering("tready")]
    body = body_of(ports)
    drained, issue, go_on = body.name("drained"), body.name("issue"), body.name("go_on")
    both = pages(body, "%finish", drained)
    walk = Walk(body, layout, issue, drained)
    body.define(issue, f"hw.wire {body.all_of(both.any_full, go_on)} : i1")
    body.define(drained, f"hw.wire {body.all_of(issue, walk.last)} : i1")

    words = _words(body, layout, both, walk, go_on)
    ends = body.one  # whether the group at the memories belongs to the last beat
    if layout.beats > 1:
        ends = body.register(body.name("ends"), walk.last, 1, enable=go_on)
    if layout.beats_per_element > 1:
        beat = _parts(body, layout, words[0], issue, ends, go_on)
    else:
        beat = _beat(body, layout, words, issue, walk.last, ends, go_on)
    tdata, tlast, tvalid = beat
    full = body.constant((1 << bits // 8) - 1, bits // 8)
    partly = body.constant((1 << layout.last_bytes) - 1, bits // 8)
    tkeep = body.choose(tlast, partly, full, bits // 8)
    outputs = {"free": body.invert(both.both_full), "tdata": tdata, "tkeep": tkeep, "tlast": tlast, "tvalid": tvalid}
    return module(name, ports, outputs, body)


def _words(body: HwBody, layout: StreamLayout, both: Pages, walk: Walk, go_on: str) -> list[str]:
    """The elements at the memories' outputs by lane, as wide as in the stream."""
    buffer = layout.buffer
    held = []  # the digits of the group that was read
    for digit, width, factor in walk.digits:
        held.append((body.register(body.name("held"), digit, width, enable=go_on, reset=""), width, factor))
    record, bits = page_memory(layout, read_enable=True), walk.offset_bits
    by_lane: dict[int, dict[tuple[int, ...], str]] = {}
    by_bank: dict[int, list[Place]] = {}
    for place in layout.places():
        by_bank.setdefault(place.bank, []).append(place)
    for bank, places in sorted(by_bank.items()):
        names = bank_ports(buffer, bank)
        own = body.extract(f"%{names.write_address}", 0, bits, address_bits(buffer.bank_elements)) if bits else ""
        address, word = f"i{address_bits(2 * buffer.bank_elements)}", f"i{buffer.width_bits}"
        data = body.name(names.data)
        wires = {
            "read_addr": (joined(body, [(walk.place(body, places), bits), (both.using, 1)]), address),
            "read_en": (go_on, "i1"),
            "write_addr": (joined(body, [(own, bits), (both.filling, 1)]), address),
            "write_en": (f"%{names.write_enable}", "i1"),
            "write_data": (f"%{names.write_data}", word),
            "clk": ("%clk", "!seq.clock"),
        }
        body.instance(names.memory, record.name, wires, {"out": (data, word)})
        for place in places:
            by_lane.setdefault(place.lane, {})[place.turn] = data
    return [
        _extended(body, layout, _selected(body, by_lane[lane], held, buffer.width_bits)) for lane in range(layout.lanes)
    ]


def _selected(body: HwBody, banks: dict[tuple[int, ...], str], held: list[tuple[str, int, int]], width: int) -> str:
    """The word of the bank whose numbers are the held digits."""
    if not held:
        return banks[()]
    (digit, digit_width, factor), *others = held
    values = []
    for number in range(factor):
        rest = {turn[1:]: data for turn, data in banks.items() if turn[0] == number}
        values.append(_selected(body, rest, others, width))
    return chosen(body, digit, digit_width, values, width)


def _extended(body: HwBody, layout: StreamLayout, word: str) -> str:
    width, wide = layout.buffer.width_bits, layout.element_bits
    if not layout.is_signed or width == wide:
        return body.extend(word, width, wide)
    sign = body.extract(word, width - 1, 1, width)
    copies = body.shared("sign", f"comb.replicate {sign} : (i1) -> i{wide - width}")
    return joined(body, [(copies, wide - width), (word, width)])


def _beat(
    body: HwBody, layout: StreamLayout, words: list[str], issue: str, last: str, ends: str, go_on: str
) -> tuple[str, str, str]:
    """tdata, tlast, tvalid of beats that hold whole groups."""
    element, count, lanes = layout.element_bits, layout.groups_per_beat, layout.lanes
    wide = lanes * element
    group = joined(body, [(word, element) for word in reversed(words)])
    tvalid = body.name("tvalid")
    body.define(go_on, f"hw.wire {body.any_of(body.invert(tvalid), '%tready')} : i1")
    valid, parts = issue, [group] * count
    if count > 1:
        number, at_end = counter(body, "group", count, issue, body.all_of(issue, last))
        valid = body.all_of(issue, body.any_of(at_end, last))
        width = (count - 1).bit_length()
        held = body.register(body.name("group_held"), number, width, enable=go_on, reset="")
        for place in range(min(count - 1, layout.groups)):
            here = equals(body, held, place, width)
            parts[place] = body.register(body.name(f"group{place}"), group, wide, enable=here, reset="")
    body.register(tvalid, valid, 1, enable=go_on)
    final = (layout.groups - 1) % count  # of the last beat, the group at the memories
    elements = (layout.buffer.elements - 1) % lanes + 1  # of that group
    none, masked = body.constant(0, wide), group
    if elements < lanes:
        below = body.extract(group, 0, elements * element, wide)
        masked = body.extend(below, elements * element, wide)
    for place in range(final, count):
        parts[place] = body.choose(ends, masked if place == final else none, parts[place], wide)
    return joined(body, [(part, wide) for part in reversed(parts)]), ends, tvalid


def _parts(body: HwBody, layout: StreamLayout, word: str, issue: str, ends: str, go_on: str) -> tuple[str, str, str]:
    """tdata, tlast, tvalid of beats that hold a part of an element."""
    bits, count = layout.data_bits, layout.beats_per_element
    tvalid = body.name("tvalid")
    number, at_end = counter(body, "part", count, body.all_of(tvalid, "%tready"), body.zero)
    body.define(go_on, f"hw.wire {body.any_of(body.invert(tvalid), body.all_of('%tready', at_end))} : i1")
    body.register(tvalid, issue, 1, enable=go_on)
    slices = [body.extract(word, part * bits, bits, layout.element_bits) for part in range(count)]
    tdata = chosen(body, number, (count - 1).bit_length(), slices, bits)
    return tdata, body.all_of(ends, at_end), tvalid
