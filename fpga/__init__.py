"""Measurement of area and clock with FPGA tools."""
