"""The static schedule: affine → scheduled → Calyx, and what can be emitted on the way."""
