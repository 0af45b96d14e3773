"""Measurements: the paper's models, baselines and sweeps."""
