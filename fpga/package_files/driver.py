"""Runs a design that `torch2hw package` made, on its board, with the call of the model:

    from driver import Accelerator

    model = Accelerator("vivado/system.bit")    # PYNQ; an .xclbin file: XRT
    y = model(x)                                # NumPy arrays, or what NumPy makes arrays of

One output is given as an array, more as a tuple in the order of the manifest. Of a quantised model, floats are
quantised on their way in and made of codes on their way out; integers are taken as codes. The manifest is the .json
file beside this one.
"""

import json
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ELEMENT_BITS = (8, 16, 32, 64)
BFLOAT_NAN = 0x7FC0


class Tensor:
    """An input or output: its shape and type, and how it lies in memory."""

    def __init__(self, entry, data_bits):
        self.name, self.shape, self.dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
        self.scale, self.zero_point = entry.get("scale"), entry.get("zero_point", 0)
        bits = int(self.dtype.lstrip("bfiu"))
        self.element = next(size for size in ELEMENT_BITS if size >= bits)
        self.bits, self.kind = bits, "bf16" if self.dtype == "bf16" else self.dtype[0]
        self.bytes = int(np.prod(self.shape, dtype=np.int64)) * self.element // 8
        beat = data_bits // 8
        self.padded = -(-self.bytes // beat) * beat

    def to_bytes(self, value):
        """The bytes of an array, as many as whole beats hold. Raises ValueError for another shape or type, and
        for integers out of range."""
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ValueError(f"{self.name} has shape {self.shape}, not {array.shape}")
        if self.kind in "iu" and array.dtype.kind == "f":
            array = self._codes(array)
        stored = np.zeros(self.padded, np.uint8)
        stored[: self.bytes] = np.frombuffer(self._stored(array).tobytes(), np.uint8)
        return stored

    def from_bytes(self, stored, codes=False):
        """The array of bytes; of codes floats, unless `codes`."""
        data = np.ascontiguousarray(stored[: self.bytes])
        if self.kind == "bf16":
            wide = data.view("<u2").astype("<u4") << 16
            return wide.view("<f4").reshape(self.shape)
        if self.dtype == "i1":
            return (data & 1).astype(bool).reshape(self.shape)
        array = data.view(f"<{self.kind}{self.element // 8}").reshape(self.shape).copy()
        if self.scale is None or codes:
            return array
        return ((array.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)).astype(np.float32)

    def _codes(self, array):
        if self.scale is None:
            raise ValueError(f"{self.name} takes integers ({self.dtype}), not {array.dtype}")
        low, high = self._range()
        steps = np.rint(array.astype(np.float32) * np.float32(1.0 / self.scale)) + np.float32(self.zero_point)
        return np.clip(steps, low, high).astype(np.int64)

    def _range(self):
        """The least and the largest integer."""
        return (0, 2**self.bits - 1) if self.kind == "u" else (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1)

    def _stored(self, array):
        if self.kind == "bf16":
            words = np.ascontiguousarray(array, "<f4").view("<u4")
            rounded = (words + 0x7FFF + (words >> 16 & 1)) >> 16
            return np.where(np.isnan(array), BFLOAT_NAN, rounded).astype("<u2")
        if self.dtype == "i1":
            return (array != 0).astype(np.uint8)
        if self.kind == "f":
            return array.astype(f"<f{self.element // 8}")
        low, high = self._range()
        if array.size and not (low <= array.min() and array.max() <= high):
            raise ValueError(f"{self.name} takes integers from {low} to {high}")
        return array.astype(f"<{self.kind}{self.element // 8}")


class Registers:
    """The registers of a design by their names. `ip` has read(offset) and write(offset, value)."""

    def __init__(self, ip, manifest):
        self.ip = ip
        self.offsets = {register["name"]: register["offset"] for register in manifest["registers"]}
        if self.get("version") != 1:
            raise RuntimeError(f"the registers of {manifest['top']} are of version {self.get('version')}, not 1")

    def get(self, name):
        """What a register holds."""
        return self.ip.read(self.offsets[name])

    def set(self, name, value):
        """Writes a register."""
        self.ip.write(self.offsets[name], value)

    def run(self, addresses, timeout_seconds):
        """One run, from start to end; `addresses` by the tensors' names. Raises RuntimeError where it went wrong."""
        for name, address in addresses.items():
            self.set(f"{name}_address", address & 0xFFFFFFFF)
            self.set(f"{name}_address_high", address >> 32)
        target, since = (self.get("runs") + 1) % 2**32, time.monotonic()
        self.set("ctrl", 1)
        while self.get("runs") != target:
            if time.monotonic() - since > timeout_seconds:
                raise RuntimeError(f"a run is not finished after {timeout_seconds} s")
        error = self.get("error")
        causes = [
            cause for bit, cause in enumerate(("misaligned address", "read error", "write error")) if error >> bit & 1
        ]
        if causes:
            raise RuntimeError(f"a run failed: {', '.join(causes)}")


class PynqMaster:
    """A design that reads and writes memory itself (--interface axi), under PYNQ."""

    def __init__(self, file, manifest, inputs, outputs):
        import pynq

        self.overlay = pynq.Overlay(str(file))
        self.registers = Registers(self.overlay.accelerator, manifest)
        self.inputs = {tensor.name: pynq.allocate((tensor.padded,), dtype=np.uint8) for tensor in inputs}
        self.outputs = {tensor.name: pynq.allocate((tensor.padded,), dtype=np.uint8) for tensor in outputs}

    def run(self, given, timeout_seconds):
        """The outputs' bytes by name."""
        for name, data in given.items():
            self.inputs[name][:] = data
            self.inputs[name].flush()
        buffers = {**self.inputs, **self.outputs}
        self.registers.run({name: each.physical_address for name, each in buffers.items()}, timeout_seconds)
        for buffer in self.outputs.values():
            buffer.invalidate()
        return {name: np.array(buffer) for name, buffer in self.outputs.items()}


class PynqStreams:
    """A design between streams (--interface axis), under PYNQ: a DMA engine for each."""

    def __init__(self, file, manifest, inputs, outputs):
        import pynq

        self.overlay = pynq.Overlay(str(file))
        self.inputs = {tensor.name: pynq.allocate((tensor.padded,), dtype=np.uint8) for tensor in inputs}
        self.outputs = {tensor.name: pynq.allocate((tensor.padded,), dtype=np.uint8) for tensor in outputs}

    def run(self, given, timeout_seconds):
        """The outputs' bytes by name. Raises RuntimeError where an engine stops, or a run takes too long: what its
        engines wait for may then still come, so that the overlay must be loaded again."""
        for name, data in given.items():
            self.inputs[name][:] = data
            self.inputs[name].flush()
        receiving = [
            (getattr(self.overlay, f"dma_{name}").recvchannel, buffer) for name, buffer in self.outputs.items()
        ]
        sending = [(getattr(self.overlay, f"dma_{name}").sendchannel, buffer) for name, buffer in self.inputs.items()]
        for channel, buffer in receiving + sending:
            channel.transfer(buffer)
        since = time.monotonic()
        for channel, _ in sending + receiving:
            while channel.running and not channel.error and not channel.idle:
                if time.monotonic() - since > timeout_seconds:
                    raise RuntimeError(f"a run is not finished after {timeout_seconds} s")
            channel.wait()  # an engine that stopped says why
        for buffer in self.outputs.values():
            buffer.invalidate()
        return {name: np.array(buffer) for name, buffer in self.outputs.items()}


class XrtKernel:
    """A kernel on an Alveo card, through XRT."""

    def __init__(self, file, manifest, inputs, outputs):
        import pyxrt

        self.xrt, device = pyxrt, pyxrt.device(0)
        uuid = device.load_xclbin(str(file))
        self.kernel = pyxrt.kernel(device, uuid, manifest["top"])
        self.inputs, self.outputs, self.buffers = inputs, outputs, {}
        for number, tensor in enumerate([*inputs, *outputs]):
            group = self.kernel.group_id(number)
            self.buffers[tensor.name] = pyxrt.bo(device, tensor.padded, pyxrt.bo.normal, group)

    def run(self, given, timeout_seconds):
        """The outputs' bytes by name."""
        to_device = self.xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        from_device = self.xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
        for tensor in self.inputs:
            buffer = self.buffers[tensor.name]
            buffer.write(given[tensor.name].tobytes(), 0)
            buffer.sync(to_device, tensor.padded, 0)
        run = self.kernel(*self.buffers.values())
        state = run.wait(int(timeout_seconds * 1000))
        if state != self.xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            raise RuntimeError(f"a run is not finished after {timeout_seconds} s: {state}")
        found = {}
        for tensor in self.outputs:
            buffer = self.buffers[tensor.name]
            buffer.sync(from_device, tensor.padded, 0)
            found[tensor.name] = np.frombuffer(bytes(buffer.read(tensor.padded, 0)), np.uint8)
        return found


class Accelerator:
    """The design of the manifest beside this file, loaded from a bitstream or an .xclbin file."""

    def __init__(self, file, manifest=None):
        (found,) = [manifest] if manifest else HERE.glob("*.json")
        self.manifest = json.loads(Path(found).read_text())
        width = self.manifest["data_bits"]
        self.inputs = [Tensor(entry, width) for entry in self.manifest["inputs"]]
        self.outputs = [Tensor(entry, width) for entry in self.manifest["outputs"]]
        kinds = {"axi": PynqMaster, "axis": PynqStreams}
        kind = XrtKernel if Path(file).suffix == ".xclbin" else kinds[self.manifest["interface"]]
        self.device = kind(file, self.manifest, self.inputs, self.outputs)

    def __call__(self, *arrays, codes=False, timeout_seconds=10.0):
        """What the model returns; `codes`: of quantised outputs, the codes."""
        if len(arrays) != len(self.inputs):
            raise ValueError(f"{len(arrays)} inputs, the design takes {len(self.inputs)}")
        pairs = zip(self.inputs, arrays, strict=True)
        found = self.device.run({tensor.name: tensor.to_bytes(array) for tensor, array in pairs}, timeout_seconds)
        results = tuple(tensor.from_bytes(found[tensor.name], codes) for tensor in self.outputs)
        return results[0] if len(results) == 1 else results
