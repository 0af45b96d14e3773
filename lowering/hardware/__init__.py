"""Calyx → hw → SystemVerilog, for both schedules."""
