"""linalg on tensors → loops over buffers."""
