"""The paper's schedule: affine → scf → Calyx by CIRCT's own pass."""
