"""All rows, by kind; the documentation shows them in this order."""

from __future__ import annotations

from tests.operators import layers, pointwise, reductions, shapes
from tests.operators.row import Row

KINDS: dict[str, tuple[Row, ...]] = {
    "Arithmetic": pointwise.ARITHMETIC,
    "Rounding": pointwise.ROUNDING,
    "Comparisons and logic": pointwise.COMPARISONS,
    "Bits": pointwise.BITS,
    "Elementary functions": pointwise.ELEMENTARY,
    "Activations": pointwise.ACTIVATIONS,
    "Types": pointwise.TYPES,
    "Shapes and parts": shapes.VIEWS,
    "New tensors": shapes.MADE,
    "Joins, copies and padding": shapes.JOINS,
    "Indexing": shapes.INDEXED,
    "Reductions": reductions.REDUCTIONS,
    "Running results": reductions.RUNNING,
    "Sorting and searching": reductions.SORTING,
    "Products": reductions.PRODUCTS,
    "Convolutions": layers.CONVOLUTIONS,
    "Pooling": layers.POOLING,
    "Normalisation": layers.NORMALISATION,
    "Resizing": layers.RESIZING,
    "Losses": layers.LOSSES,
    "Recurrences and control": layers.RECURRENT,
}
ROWS: tuple[Row, ...] = tuple(row for rows in KINDS.values() for row in rows)
