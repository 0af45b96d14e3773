"""References, Verilator harness and comparison."""
