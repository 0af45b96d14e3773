"""The error of a program that breaks a promise of its level."""


class InvalidProgram(AssertionError):
    """A fault of ours. The text names the kernel and the value or access; the driver adds the pass that made it."""
