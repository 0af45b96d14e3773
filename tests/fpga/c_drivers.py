"""Runs the C drivers of packages: compiled strictly, in a process whose accesses to registers are commands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import torch2hw
from tests.fpga.devices import Device, Engines

STRICT = ("gcc", "-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic")
ACCESS = """\
#include <stdio.h>
#include "TOP_driver.h"

static const char *command(const char *line)
{
    static char answer[32];

    puts(line);
    fflush(stdout);
    return scanf("%31s", answer) == 1 ? answer : "end";
}

uint32_t device_read(const char *place, uint32_t offset)
{
    char line[64];
    unsigned value = 0;

    sprintf(line, "r %s%u", place, (unsigned)offset);
    return sscanf(command(line), "%u", &value) == 1 ? value : 0xdeadu;
}

void device_write(const char *place, uint32_t offset, uint32_t value)
{
    char line[64];

    sprintf(line, "w %s%u %u", place, (unsigned)offset, (unsigned)value);
    (void)command(line);
}
"""
BUS_MAIN = """
int main(void)
{
    TOP_device device;
    uint64_t addresses[TOP_TENSORS] = {PLACES};
    int k, error = TOP_open(&device, 0);

    for (k = 0; k < 3 && error == 0; k++)
        error = TOP_start(&device, addresses);
    if (error == 0)
        error = TOP_wait(&device, 100000);
    if (error == 0 && TOP_cycles(&device) == 0)
        error = 8;
    addresses[0]++;
    if (error == 0 && TOP_start(&device, addresses) != -1)
        error = 7;
    printf("end %d\\n", error);
    return error;
}
"""
STREAM_MAIN = """
static const uint64_t places[2][TOP_TENSORS] = {{PLACES}, {OTHERS}};

/* Two runs; the input of the second is sent while the first goes on. */
static int two_runs(TOP_device *device)
{
    int sent;

    if (TOP_start(device, places[0]) != 0)
        return 1;
    if (TOP_transfer(device, TOP_x_INDEX, places[1][TOP_x_INDEX]) != -1)
        return 2;
    while ((sent = TOP_finished(device, TOP_x_INDEX)) == 0)
        ;
    if (sent != 1 || TOP_transfer(device, TOP_x_INDEX, places[1][TOP_x_INDEX]) != 0)
        return 3;
    if (TOP_wait(device, 1000) != 0)
        return 4;
    return TOP_transfer(device, TOP_out_INDEX, places[1][TOP_out_INDEX]) == 0 ? TOP_wait(device, 1000) : 5;
}

int main(void)
{
    TOP_device device;
    volatile void *engines[TOP_TENSORS] = {0};
    uint64_t addresses[TOP_TENSORS] = {PLACES};
    int error = TOP_open(&device, engines);

    if (error == 0)
        error = two_runs(&device);
    addresses[TOP_out_INDEX]++;
    if (error == 0 && TOP_start(&device, addresses) != -1)
        error = 6;
    addresses[TOP_out_INDEX] = UINT64_C(1) << TOP_ADDRESS_BITS;
    if (error == 0 && TOP_start(&device, addresses) != -1)
        error = 7;
    addresses[TOP_out_INDEX] = 4096; /* where no memory is */
    if (error == 0 && (TOP_start(&device, addresses) != 0 || TOP_wait(&device, 1000) != TOP_decode_error))
        error = 8;
    if (error == 0 && TOP_open(&device, engines) != 0)
        error = 9;
    if (error == 0 && TOP_transfer(&device, TOP_out_INDEX, places[0][TOP_out_INDEX]) != 0)
        error = 12;
    (void)command("cut");
    if (error == 0 && TOP_wait(&device, 1000) != TOP_wrong_length)
        error = 10;
    (void)command("gather");
    if (error == 0 && TOP_open(&device, engines) != -1)
        error = 11;
    printf("end %d\\n", error);
    return error;
}
"""


def c_driver_runs(
    folder: Path,
    design: torch2hw.Design,
    device: Device,
    place: Path,
    tensor_of: Callable[..., Any],
    given: tuple[Any, ...],
    expected: tuple[Any, ...],
) -> None:
    """Three overlapping runs of an axi design. `tensor_of` is of driver.py; `expected`, of one run."""
    entries, width = [*design.manifest["inputs"], *design.manifest["outputs"]], design.manifest["data_bits"]
    places = {entry["name"]: 0x2_0000_0000 + 4096 * k for k, entry in enumerate(entries)}
    for entry, value in zip(design.manifest["inputs"], given, strict=True):
        device.ask("p", places[entry["name"]], tensor_of(entry, width).to_bytes(value).tobytes().hex())
    main = BUS_MAIN.replace("PLACES", _numbers(places.values()))
    _run(folder, design.manifest["top"], main, False, place, device.ask)
    for entry, right in zip(design.manifest["outputs"], expected, strict=True):
        tensor = tensor_of(entry, width)
        stored = np.frombuffer(bytes.fromhex(device.ask("g", places[entry["name"]], tensor.padded)), np.uint8)
        assert np.allclose(tensor.from_bytes(stored), right.detach(), atol=0.05)


def c_stream_driver_runs(
    folder: Path, design: torch2hw.Design, device: Device, place: Path, accelerator: Any, inputs: tuple[Any, Any]
) -> None:
    """Runs of an axis design `out = f(x)`; `accelerator` is that of driver.py, whose results are expected."""
    (x,), (out,) = accelerator.inputs, accelerator.outputs
    engines = Engines(device, design.manifest)
    places = [{"x": 0x1_0000_0000 + 8192 * k, "out": 0x1_0000_1000 + 8192 * k} for k in range(2)]
    for at, value in zip(places, inputs, strict=True):
        engines.put(at["x"], x.to_bytes(value).tobytes())
        engines.put(at["out"], bytes([0xA5] * out.padded))
    main = STREAM_MAIN.replace("PLACES", _numbers(places[0].values())).replace("OTHERS", _numbers(places[1].values()))
    _run(folder, design.manifest["top"], main, True, place, engines.ask)
    for at, value in zip(places, inputs, strict=True):
        found = np.frombuffer(engines.get(at["out"], out.padded), np.uint8)
        assert np.array_equal(out.from_bytes(found), accelerator(value))
        assert set(found[out.bytes :]) <= {0xA5}, "only the tensor is written"


def _numbers(values: Any) -> str:
    return ", ".join(f"UINT64_C({value:#x})" for value in values)


def _run(
    folder: Path,
    top: str,
    main: str,
    has_streams: bool,
    place: Path,
    ask: Callable[[str], str],
) -> None:
    """Compile the driver with a main function, run it, and answer its commands until it says `end 0`."""
    driver = folder / f"{top}_driver.c"
    include = f"-I{folder}"
    tensor, place_of = ("tensor, ", "PLACE(tensor)") if has_streams else ("", '""')
    for name, switches in (("uio", [f"-D{top}_UIO"]), ("plain", [])):
        subprocess.run([*STRICT, *switches, include, "-c", driver, "-o", place / f"{name}.o"], check=True)
    hooks = [
        f"#define {top}_READ32(d, {tensor}offset) ((void)(d), device_read({place_of}, offset))",
        f"#define {top}_WRITE32(d, {tensor}offset, value) ((void)(d), device_write({place_of}, offset, value))",
        '#define PLACE(tensor) ((const char *[]){"0 ", "1 "}[tensor])',
        "#include <stdint.h>",
        "uint32_t device_read(const char *, uint32_t);",
        "void device_write(const char *, uint32_t, uint32_t);",
    ]
    (place / "hooks.h").write_text("\n".join(hooks) + "\n")
    (place / "main.c").write_text((ACCESS + main).replace("TOP", top))
    command = [*STRICT, include, "-include", place / "hooks.h", driver, place / "main.c", "-o", place / "main"]
    subprocess.run(command, check=True)
    with subprocess.Popen([place / "main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdin is not None and ran.stdout is not None
        for line in ran.stdout:
            if line.startswith("end"):
                assert line == "end 0\n"
                return
            print(ask(line.strip()), file=ran.stdin, flush=True)
    raise AssertionError("the driver ended early")
