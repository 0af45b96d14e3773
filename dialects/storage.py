"""Storage classes: where a buffer's elements are, who reads and writes them, and in how many cycles.

class       place    read/write  read    write   contents  kernels  host    host   survives
                     ports       cycles  cycles            write    writes  reads  runs
INPUT       top      1/1         2       1       -         -        yes     -      yes
OUTPUT      top      1/1         2       1       -         yes      -       yes    yes
RAM         top      1/1         2       1       -         yes      -       -      -
STATE       top      1/1         2       1       yes       yes      yes     yes    yes
SHARED_ROM  top      1/0         2       -       yes       -        -       -      yes
ROM         kernel   1/0         2       -       yes       -        -       -      yes
CARRIED     kernel   1/1         1       1       -         yes      -       -      -
STREAM_IN   port     0/0         -       -       -         -        yes     -      -
STREAM_OUT  port     0/0         -       -       -         -        -       yes    -
EXTERNAL    outside  0/0         -       -       -         -        yes     yes    yes

- Ports are those of one bank's memory; the kernels and the host share them. Schedules count on one of a direction.
- Read cycles: from the cycle of the address to the one in which a kernel can use the word. 2 is the memory's register
  and one behind it, so that what follows does not share the memory's access time.
- Write cycles: from the cycle of the write to the first one whose read gives the new word. In the write's own cycle a
  read gives the old word.
- A ROM is in the kernel, one for each load of it, in the order in which the kernel reads it: loads never conflict.
  A SHARED_ROM is one memory that several kernels read, one at a time.
- CARRIED holds a kernel's carried values of later stages; no buffer is in it.
- STATE keeps its words from run to run, and under a reset. Its first contents are in the design; the host may replace
  them and read them between runs. Only the static schedule builds it.
- STREAM_IN, STREAM_OUT and EXTERNAL are not in MADE: nothing builds them yet. Kernels have no port to them, as their
  accesses take no constant number of cycles: what moves elements between them and the others is no kernel.

Code asks for the property that it needs (`buffer.storage.in_kernel`), not for a class by its name. The cycles are those
of the static schedule; in the sequential one, every access is a handshake.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Place(Enum):
    """Where elements are stored. PORT: nowhere; they pass through ports of the top component."""

    KERNEL = "in the kernel"
    TOP = "in the top component"
    PORT = "port of the top component"
    OUTSIDE = "outside the chip"


@dataclass(frozen=True)
class Storage:
    """A storage class; the fields are the columns of the table above. Cycles are 0 where there is no port."""

    name: str
    place: Place
    read_ports: int
    write_ports: int
    read_latency_cycles: int
    write_latency_cycles: int
    has_contents: bool = False
    kernels_write: bool = False
    host_writes: bool = False
    host_reads: bool = False
    survives_runs: bool = False

    @property
    def in_kernel(self) -> bool:
        """Whether it is inside a kernel: it uses no port of the kernel, and its accesses never conflict."""
        return self.place is Place.KERNEL

    @property
    def is_read_only(self) -> bool:
        """Whether its contents never change."""
        return self.has_contents and not self.write_ports

    @property
    def is_scratch(self) -> bool:
        """Whether kernels write it before they read it and nobody else sees it: a pass may then rename, resize, merge
        or remove it."""
        outside = self.host_reads or self.host_writes or self.survives_runs
        return self.kernels_write and not self.has_contents and not outside


INPUT = Storage("input", Place.TOP, 1, 1, 2, 1, host_writes=True, survives_runs=True)
OUTPUT = Storage("output", Place.TOP, 1, 1, 2, 1, kernels_write=True, host_reads=True, survives_runs=True)
RAM = Storage("ram", Place.TOP, 1, 1, 2, 1, kernels_write=True)
STATE = Storage(
    "state",
    Place.TOP,
    1,
    1,
    2,
    1,
    has_contents=True,
    kernels_write=True,
    host_writes=True,
    host_reads=True,
    survives_runs=True,
)
SHARED_ROM = Storage("shared_rom", Place.TOP, 1, 0, 2, 0, has_contents=True, survives_runs=True)
ROM = Storage("rom", Place.KERNEL, 1, 0, 2, 0, has_contents=True, survives_runs=True)
CARRIED = Storage("carried", Place.KERNEL, 1, 1, 1, 1, kernels_write=True)
STREAM_IN = Storage("stream_in", Place.PORT, 0, 0, 0, 0, host_writes=True)
STREAM_OUT = Storage("stream_out", Place.PORT, 0, 0, 0, 0, host_reads=True)
EXTERNAL = Storage("external", Place.OUTSIDE, 0, 0, 0, 0, host_writes=True, host_reads=True, survives_runs=True)

MADE = (INPUT, OUTPUT, RAM, STATE, SHARED_ROM, ROM)
"""The classes of buffers that the static schedule builds; the sequential one builds all of them but STATE."""

CLASSES = {
    storage.name: storage
    for storage in (INPUT, OUTPUT, RAM, STATE, SHARED_ROM, ROM, CARRIED, STREAM_IN, STREAM_OUT, EXTERNAL)
}
