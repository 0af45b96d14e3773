"""Assertions of what a design promises on its streams and buses: SystemVerilog bound to the top module.

Of each channel that the design sources, in the cycle after one of reset nothing is offered; what is offered and not
accepted is offered again, unchanged. Of AXI4 requests: INCR, full width, id 0, aligned to a beat, within 4 KiB. In
simulation also: `wlast` in the last beat of each burst, and there alone. A violation is a line `violation: …` for the
benches; cocotb and a proof (`protocol_proof`) have plain assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch2hw.dialects.bus_interface import LITE_PREFIX, MASTER_PREFIX, BusInterface
from torch2hw.dialects.bus_timing import PAGE_BYTES
from torch2hw.dialects.interface import Interface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.stream_interface import CLOCK, RESET, StreamInterface

MAX_REPORTED = 16  # violations that are printed
REQUEST = ("addr", "len", "size", "burst", "id", "lock", "cache", "prot", "qos", "region")


@dataclass(frozen=True)
class Channel:
    """A channel that the design sources: its name and the signals that are offered with `valid`."""

    name: str
    valid: str
    ready: str
    payload: tuple[str, ...]


def channels(interface: Interface, tensors: Sequence[Buffer]) -> list[Channel]:
    """The channels of a design with streams or a bus."""
    if isinstance(interface, StreamInterface):
        prefixes = [interface.stream(buffer).prefix for buffer in tensors if not buffer.storage.host_writes]
        return [_channel(f"{prefix}_t", ("data", "keep", "last")) for prefix in prefixes]
    assert isinstance(interface, BusInterface)
    found = [_channel(f"{MASTER_PREFIX}_{request}", REQUEST) for request in ("aw", "ar")]
    found.append(_channel(f"{MASTER_PREFIX}_w", ("data", "strb", "last")))
    return [*found, _channel(f"{LITE_PREFIX}_b", ("resp",)), _channel(f"{LITE_PREFIX}_r", ("data", "resp"))]


def _channel(stem: str, payload: Sequence[str]) -> Channel:
    return Channel(stem.removesuffix("_t"), f"{stem}valid", f"{stem}ready", tuple(f"{stem}{name}" for name in payload))


def protocol_checks(top: str, interface: Interface, tensors: Sequence[Buffer], how: str) -> str:
    """The file. `how` violations are told: `bench`, a line for our benches; `error`, by $error; `proof`, not at all,
    and what `protocol_proof` asserts about `wlast` is of the writer."""
    widths = {port.name: port.width_bits for port in interface.control_ports()}
    widths |= {port.name: port.width_bits for buffer in tensors for port in interface.tensor_ports(buffer)}
    found = channels(interface, tensors)
    observed = [name for each in found for name in (each.valid, each.ready, *each.payload)]
    body = [line for number, each in enumerate(found) for line in _stable(number, each, widths, how)]
    if isinstance(interface, BusInterface):
        for request in ("aw", "ar"):
            body += _burst(f"{MASTER_PREFIX}_{request}", interface.data_bits // 8, how)
        if how != "proof":
            body += _last_beats(how)
    header = ",\n".join(["  input clk, reset_n", *(f"  input [{widths[name] - 1}:0] {name}" for name in observed)])
    wires = ", ".join([f".clk({CLOCK.name}), .reset_n({RESET.name})", *(f".{name}({name})" for name in observed)])
    lines = "\n".join(f"  {line}" for line in body)
    return f"""\
module {top}_protocol_checks(
{header}
);
  int told = 0;
  reg in_reset;
  reg known = 1'b0;
  always @(posedge clk) if (!reset_n) known <= 1'b1;
  always @(posedge clk) in_reset <= !reset_n;
{lines}
endmodule
bind {top} {top}_protocol_checks protocol_checks({wires});
"""


def _stable(number: int, channel: Channel, widths: dict[str, int], how: str) -> list[str]:
    """Offers, from cycle to cycle."""
    width = sum(widths[name] for name in channel.payload)
    payload = f"{{{', '.join(channel.payload)}}}"
    waits, offered = f"waits_{number}", f"offered_{number}"
    return [
        f"reg {waits};",
        f"reg [{width - 1}:0] {offered};",
        "always @(posedge clk) begin",
        f"  {waits} <= {channel.valid} && !{channel.ready};",
        f"  {offered} <= {payload};",
        "  if (known) begin",
        f"    if (in_reset) {_claim(f'!{channel.valid}', f'{channel.name} offers something in reset', how)}",
        f"    else if ({waits}) begin",
        f"      {_claim(channel.valid, f'{channel.name} takes an offer back', how)}",
        f"      {_claim(f'{payload} == {offered}', f'{channel.name} changes an offer', how)}",
        "    end",
        "  end",
        "end",
    ]


def _burst(stem: str, beat_bytes: int, how: str) -> list[str]:
    """A request, in every cycle in which it is offered."""
    shift = (beat_bytes - 1).bit_length()
    form = f"{stem}burst == 2'd1 && {stem}size == 3'd{shift} && {stem}id == 1'd0"
    aligned = f"{stem}addr[{shift - 1}:0] == {shift}'d0"
    beats = PAGE_BYTES // beat_bytes
    place = f"{{20'd0, {stem}addr[11:{shift}]}} + {{24'd0, {stem}len}}"
    return [
        f"always @(posedge clk) if (known && !in_reset && {stem}valid) begin",
        f"  {_claim(f'{form} && {aligned}', f'{stem} is not an aligned INCR burst of full width', how)}",
        f"  {_claim(f'{place} < {beats}', f'{stem} crosses 4 KiB', how)}",
        "end",
    ]


def _last_beats(how: str) -> list[str]:
    """The beats of write bursts. The data of a burst are offered with its request or later, and before the next one."""
    aw, w = f"{MASTER_PREFIX}_aw", f"{MASTER_PREFIX}_w"
    return [
        "reg asked = 1'b0;",
        "reg [8:0] left = 9'd0;",
        f"wire [8:0] now = {aw}valid && !asked ? {{1'b0, {aw}len}} + 9'd1 : left;",
        "always @(posedge clk) begin",
        f"  asked <= known && reset_n && {aw}valid && !{aw}ready;",
        f"  if (known && !in_reset && reset_n && {w}valid) begin",
        f"    {_claim('now > 0', f'{w} has a beat of no burst', how)}",
        f"    {_claim(f'{w}last == (now == 1)', f'{w}last is not in the last beat of a burst alone', how)}",
        "  end",
        f"  left <= !known || !reset_n ? 9'd0 : {w}valid && {w}ready && now != 0 ? now - 9'd1 : now;",
        "end",
    ]


def _claim(condition: str, wrong: str, how: str) -> str:
    if how == "proof":
        return f"assert ({condition});"
    if how == "error":
        return f'assert ({condition}) else $error("{wrong}");'
    return f'assert ({condition}) else if (told++ < {MAX_REPORTED}) $display("violation: {wrong}");'
