"""Models that are only measured: small ones for simulation, and the kernels of other tools' publications."""
