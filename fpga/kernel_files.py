"""Files of an RTL kernel for Alveo cards: kernel.xml, package_xo.tcl (Vivado, UG1393) and link.sh (v++)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from torch2hw.dialects.bus_interface import LITE_PREFIX, MASTER_PREFIX
from torch2hw.dialects.bus_registers import SPACE_BYTES, address_register
from torch2hw.fpga.boards import Board
from torch2hw.fpga.ip_xact import LIBRARY, VENDOR, VERSION

PACKAGE_XO = """\
# vivado -mode batch -source package_xo.tcl: leaves {top}.xo
set here [file dirname [file normalize [info script]]]
package_xo -force -xo_path $here/{top}.xo -kernel_name {top} -ip_directory [file dirname $here] \
-kernel_xml $here/kernel.xml -ctrl_protocol ap_ctrl_hs
"""
LINK = """\
#!/bin/sh
# Links {top}.xo for {board}: leaves {top}.xclbin. TARGET=hw_emu links for emulation.
set -eu
cd "$(dirname "$0")"
v++ --link --target "${{TARGET:-hw}}" --platform "${{PLATFORM:-{platform}}}" --kernel_frequency {mhz} \\
    --connectivity.nk {top}:1:{top}_1 --connectivity.sp "{top}_1.{master}:HBM[0:3]" \\
    --save-temps --output {top}.xclbin {top}.xo
"""


def kernel_files(top: str, board: Board, mhz: int, data_bits: int, tensors: Sequence[str]) -> dict[str, str]:
    """The files by name; `tensors` are the arguments, inputs first."""
    words = {"top": top, "board": board.name, "platform": board.platform, "mhz": mhz, "master": MASTER_PREFIX}
    return {
        "kernel.xml": _kernel_xml(top, data_bits, tensors),
        "package_xo.tcl": PACKAGE_XO.format_map(words),
        "link.sh": LINK.format_map(words),
    }


def _kernel_xml(top: str, data_bits: int, tensors: Sequence[str]) -> str:
    root = ET.Element("root", versionMajor="1", versionMinor="6")
    kernel = ET.SubElement(
        root,
        "kernel",
        name=top,
        language="ip_c",
        vlnv=f"{VENDOR}:{LIBRARY}:{top}:{VERSION}",
        attributes="",
        preferredWorkGroupSizeMultiple="0",
        workGroupSize="1",
        interrupt="true",
        hwControlProtocol="ap_ctrl_hs",
    )
    ports = ET.SubElement(kernel, "ports")
    slave = {"mode": "slave", "range": hex(SPACE_BYTES), "dataWidth": "32"}
    master = {"mode": "master", "range": "0xFFFFFFFFFFFFFFFF", "dataWidth": str(data_bits)}
    for name, facts in ((LITE_PREFIX, slave), (MASTER_PREFIX, master)):
        ET.SubElement(ports, "port", {"name": name, **facts, "portType": "addressable", "base": "0x0"})
    arguments = ET.SubElement(kernel, "args")
    for number, name in enumerate(tensors):
        facts = {"name": name, "addressQualifier": "1", "id": str(number), "port": MASTER_PREFIX, "size": "0x8"}
        facts |= {"offset": hex(address_register(number)), "type": "void*", "hostOffset": "0x0", "hostSize": "0x8"}
        ET.SubElement(arguments, "arg", facts)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
