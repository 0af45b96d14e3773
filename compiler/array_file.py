"""Arrays beside the text that refers to them: one .npz file, in which an array is named by its contents.

`key` is the name: 16 hexadecimal digits of the SHA-256 of type and bytes. Arrays are one-dimensional; an array that
several texts refer to is in the file once. NumPy reads the file too: `numpy.load("weights.npz")[key]`.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torch2hw.tools.output import appearing

Array = NDArray[np.generic]


def key(array: Array) -> str:
    """The name of an array; equal arrays have the same name."""
    flat = np.ascontiguousarray(array).reshape(-1)
    digest = hashlib.sha256(f"{flat.dtype.str}:".encode())
    digest.update(flat.view(np.uint8).data if flat.size else b"")
    return digest.hexdigest()[:16]


def add(path: Path, arrays: Mapping[str, Array]) -> None:
    """Adds arrays to the file, without those that are in it already; without arrays, no file is made."""
    known = set(read(path)) if path.exists() else set()
    new = {name: array for name, array in arrays.items() if name not in known}
    if not new:
        return
    with appearing(path) as beside:
        if path.exists():
            shutil.copyfile(path, beside)
        with zipfile.ZipFile(beside, "a", zipfile.ZIP_STORED) as archive:
            for name, array in new.items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980: no date of today
                with archive.open(entry, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array).reshape(-1), allow_pickle=False)


class ArrayFile(Mapping[str, Array]):
    """The arrays of a file by name, each read when it is first asked for. Raises the errors of `zipfile` and NumPy."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.names = {Path(name).stem: name for name in archive.namelist()}
        self.path = path

    def __getitem__(self, name: str) -> Array:
        with zipfile.ZipFile(self.path) as archive, archive.open(self.names[name]) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
            return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def read(path: Path) -> ArrayFile:
    """The file's arrays."""
    return ArrayFile(path)
