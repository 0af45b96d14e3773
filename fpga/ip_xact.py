"""component.xml of a design: IP-XACT, IEEE 1685-2009, as Vivado's IP catalogue takes it.

Bus interfaces are those that Xilinx defines: axis, aximm, clock, reset, interrupt. An axi design has the address space
of its master and the memory map of its registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from torch2hw.dialects.bus_interface import ADDRESS_BITS, INTERRUPT, LITE_PREFIX, MASTER_PREFIX
from torch2hw.dialects.bus_registers import SPACE_BYTES
from torch2hw.dialects.interface import HostPort
from torch2hw.dialects.stream_interface import CLOCK, RESET
from torch2hw.fpga.register_files import CompiledField, CompiledRegister

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"
VENDOR, LIBRARY, VERSION = "torch2hw", "accelerators", "1.0"
FAMILIES = ("zynq", "zynquplus", "virtexuplusHBM", "kintexuplus", "virtexuplus", "artixuplus")
REGISTER_MAP, SPACE = "registers", "memory"
ACCESS = {"rw": "read-write", "set": "read-write", "toggle": "read-write", "clear": "read-only", "r": "read-only"}
WRITES = {"set": "oneToSet", "toggle": "oneToToggle"}


def component(
    top: str,
    ports: Sequence[HostPort],
    files: Sequence[str],
    registers: Sequence[CompiledRegister],
    streams: Sequence[str],
) -> str:
    """The text. `files` are those of the design; `streams` the prefixes of its streams; `registers` those of an axi
    design, empty for others."""
    ET.register_namespace("spirit", SPIRIT)
    ET.register_namespace("xilinx", XILINX)
    root = ET.Element(_spirit("component"))
    _names(root, top)
    names = {port.name for port in ports}
    buses = _add(root, "busInterfaces")
    for prefix in streams:
        _bus(buses, prefix, "axis", "slave" if prefix.startswith("s_") else "master", names)
    if registers:
        _add(_bus(buses, LITE_PREFIX, "aximm", "slave", names), "memoryMapRef").set(
            _spirit("memoryMapRef"), REGISTER_MAP
        )
        master = _bus(buses, MASTER_PREFIX, "aximm", "master", names)
        _add(master, "addressSpaceRef").set(_spirit("addressSpaceRef"), SPACE)
        _signal(buses, INTERRUPT.name, "interrupt", "INTERRUPT", "master", {"SENSITIVITY": "LEVEL_HIGH"})
    _signal(buses, RESET.name, "reset", "RST", "slave", {"POLARITY": "ACTIVE_LOW"})
    driven = [*streams, *((LITE_PREFIX, MASTER_PREFIX) if registers else ())]
    _signal(
        buses,
        CLOCK.name,
        "clock",
        "CLK",
        "slave",
        {"ASSOCIATED_BUSIF": ":".join(driven), "ASSOCIATED_RESET": RESET.name},
    )
    if registers:
        space = _add(_add(root, "addressSpaces"), "addressSpace")
        for name, value in (("name", SPACE), ("range", str(1 << ADDRESS_BITS)), ("width", str(ADDRESS_BITS))):
            _add(space, name, value)
        _memory_map(_add(root, "memoryMaps"), registers)
    _model(_add(root, "model"), top, ports)
    sets = _add(_add(root, "fileSets"), "fileSet")
    _add(sets, "name", "sources")
    for name in files:
        file = _add(sets, "file")
        _add(file, "name", name)
        _add(file, "fileType", "systemVerilogSource") if name.endswith(".sv") else _add(file, "userFileType", "MEM")
    _add(root, "description", f"{top}, compiled from PyTorch by torch2hw")
    extensions = _add(root, "vendorExtensions")
    core = ET.SubElement(extensions, f"{{{XILINX}}}coreExtensions")
    supported = ET.SubElement(core, f"{{{XILINX}}}supportedFamilies")
    for family in FAMILIES:
        ET.SubElement(supported, f"{{{XILINX}}}family", {f"{{{XILINX}}}lifeCycle": "Production"}).text = family
    ET.SubElement(core, f"{{{XILINX}}}displayName").text = top
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _spirit(name: str) -> str:
    return f"{{{SPIRIT}}}{name}"


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    made = ET.SubElement(parent, _spirit(name))
    made.text = text
    return made


def _names(root: ET.Element, top: str) -> None:
    for name, value in (("vendor", VENDOR), ("library", LIBRARY), ("name", top), ("version", VERSION)):
        _add(root, name, value)


def _typed(parent: ET.Element, name: str, kind: str, library: str) -> None:
    versions = {"vendor": "xilinx.com", "library": library, "name": kind, "version": "1.0"}
    _add(parent, name).attrib.update({_spirit(key): value for key, value in versions.items()})


def _bus(buses: ET.Element, prefix: str, kind: str, role: str, names: set[str]) -> ET.Element:
    """A bus interface of the ports that begin with a prefix; its element for the role."""
    bus = _add(buses, "busInterface")
    _add(bus, "name", prefix)
    _typed(bus, "busType", kind, "interface")
    _typed(bus, "abstractionType", f"{kind}_rtl", "interface")
    found = _add(bus, role)
    signals = [name for name in sorted(names) if name.startswith(f"{prefix}_") and not name.endswith("_dropped")]
    _maps(bus, {name.removeprefix(f"{prefix}_").upper(): name for name in signals})
    return found


def _signal(buses: ET.Element, port: str, kind: str, logical: str, role: str, parameters: dict[str, str]) -> None:
    """A bus interface of one port."""
    bus = _add(buses, "busInterface")
    _add(bus, "name", port)
    _typed(bus, "busType", kind, "signal")
    _typed(bus, "abstractionType", f"{kind}_rtl", "signal")
    _add(bus, role)
    _maps(bus, {logical: port})
    given = _add(bus, "parameters")
    for name, value in parameters.items():
        parameter = _add(given, "parameter")
        _add(parameter, "name", name)
        _add(parameter, "value", value)


def _maps(bus: ET.Element, physical: dict[str, str]) -> None:
    maps = _add(bus, "portMaps")
    for logical, port in physical.items():
        pair = _add(maps, "portMap")
        _add(_add(pair, "logicalPort"), "name", logical)
        _add(_add(pair, "physicalPort"), "name", port)


def _memory_map(maps: ET.Element, registers: Sequence[CompiledRegister]) -> None:
    memory = _add(maps, "memoryMap")
    _add(memory, "name", REGISTER_MAP)
    block = _add(memory, "addressBlock")
    facts = {"name": "control", "baseAddress": "0", "range": str(SPACE_BYTES), "width": "32", "usage": "register"}
    for name, value in facts.items():
        _add(block, name, value)
    for register in registers:
        made = _add(block, "register")
        writes = any(field.access in ("rw", *WRITES) for field in register.fields)
        facts = {"name": register.name, "description": register.meaning, "addressOffset": f"{register.offset:#x}"}
        facts |= {"size": "32", "access": "read-write" if writes else "read-only"}
        for name, value in facts.items():
            _add(made, name, value)
        reset = _add(made, "reset")
        _add(reset, "value", hex(sum(field.reset << field.low for field in register.fields)))
        for field in register.fields:
            _field(_add(made, "field"), field)


def _field(made: ET.Element, field: CompiledField) -> None:
    facts: dict[str, Any] = {"name": field.name, "description": field.meaning, "bitOffset": field.low}
    facts |= {"bitWidth": field.high - field.low + 1, "access": ACCESS[field.access]}
    if field.access in WRITES:
        facts["modifiedWriteValue"] = WRITES[field.access]
    if field.access == "clear":
        facts["readAction"] = "clear"
    for name, value in facts.items():
        _add(made, name, str(value))


def _model(model: ET.Element, top: str, ports: Sequence[HostPort]) -> None:
    view = _add(_add(model, "views"), "view")
    for name, value in (
        ("name", "synthesis"),
        ("envIdentifier", ":vivado.xilinx.com:synthesis"),
        ("language", "systemVerilog"),
        ("modelName", top),
    ):
        _add(view, name, value)
    _add(_add(view, "fileSetRef"), "localName", "sources")
    made = _add(model, "ports")
    for port in ports:
        entry = _add(made, "port")
        _add(entry, "name", port.name)
        wire = _add(entry, "wire")
        _add(wire, "direction", "in" if port.is_input else "out")
        if port.width_bits > 1:
            vector = _add(wire, "vector")
            _add(vector, "left", str(port.width_bits - 1))
            _add(vector, "right", "0")
