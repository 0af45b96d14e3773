"""The hardware library: units with their ports, latency, generator and software model."""

from .library import Library, NoUnit
from .memories import Memory, delay, ram, rom
from .unit import Port, Unit

__all__ = ["Library", "Memory", "NoUnit", "Port", "Unit", "delay", "ram", "rom"]
