"""Functions over memories (memref, affine, scf) → affine."""
