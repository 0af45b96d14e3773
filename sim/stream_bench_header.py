"""design.h of stream_bench.cpp: what knows the ports of one design, generated from its manifest and checked."""

from __future__ import annotations

from torch2hw.dialects.stream_interface import StreamPorts
from torch2hw.sim.bench_header import Members, cases
from torch2hw.sim.streams import StreamManifest


def stream_header(header: str, manifest: StreamManifest) -> str:
    """The text of design.h, given Verilator's header of the top. Raises InternalError where the manifest is wrong."""
    member = Members(header, manifest.top)

    def signals(prefix: str, is_input: bool) -> dict[str, str]:
        stream = StreamPorts(prefix, manifest.data_bits, is_input)
        found = (stream.port(signal) for signal in stream.signals)
        return {port.name.removeprefix(f"{prefix}_"): member(port.name, port.width_bits) for port in found}

    inputs = [signals(port.prefix, True) for port in manifest.inputs]
    outputs = [signals(port.prefix, False) for port in manifest.outputs]
    words, keep_bits = -(-manifest.data_bits // 64), manifest.data_bits // 8
    mask = f"{(1 << keep_bits) - 1:#x}ull"
    drives = [
        f"put({at['tdata']}, beat); noise &= {mask}; put({at['tkeep']}, &noise); {at['tlast']} = last; "
        f"{at['tvalid']} = valid; break;"
        for at in inputs
    ]
    observes = [
        f"get({at['tdata']}, beat); get({at['tkeep']}, beat + {words}); beat[{words + 1}] = {at['tlast']}; break;"
        for at in outputs
    ]
    lists = {
        "INPUT_BEATS": [str(port.beats) for port in manifest.inputs],
        "OUTPUT_BEATS": [str(port.beats) for port in manifest.outputs],
    }
    arrays = "\n".join(f"constexpr uint64_t {name}[] = {{{', '.join([*held, '0'])}}};" for name, held in lists.items())
    return f"""\
#pragma once
constexpr unsigned INPUT_COUNT = {len(inputs)}, OUTPUT_COUNT = {len(outputs)}, BEAT_WORDS = {words};
{arrays}
inline void set_clock(Vdesign& dut, bool value) {{ {member(manifest.clock, 1)} = value; }}
inline void set_reset(Vdesign& dut, bool value) {{ {member(manifest.reset, 1)} = value; }}
inline void drive(Vdesign& dut, unsigned input, bool valid, bool last, const uint64_t* beat, uint64_t noise) {{
    switch (input) {{
{cases(drives)}
    }}
}}
inline bool taken(const Vdesign& dut, unsigned input) {{
    switch (input) {{
{cases([f"return {at['tready']};" for at in inputs])}
    }}
    return false;
}}
inline void accept(Vdesign& dut, unsigned output, bool ready) {{
    switch (output) {{
{cases([f"{at['tready']} = ready; break;" for at in outputs])}
    }}
}}
inline bool offered(const Vdesign& dut, unsigned output) {{
    switch (output) {{
{cases([f"return {at['tvalid']};" for at in outputs])}
    }}
    return false;
}}
inline void observe(const Vdesign& dut, unsigned output, uint64_t* beat) {{
    switch (output) {{
{cases(observes)}
    }}
}}
"""
