"""The shapes of units, by the digits that they make in a cycle."""

SHAPES = ("pipelined", "iterative", "iterative_2", "iterative_3")
"""A pipeline, which makes all of them; and iterative units of one digit a cycle, of two and of three."""
