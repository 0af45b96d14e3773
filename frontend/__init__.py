"""nn.Module to linalg on tensors, with source locations and refusals."""
