"""Which PyTorch operations become others before torch-mlir sees them: torch-mlir's own table, and ours.

Ours are for operations that torch-mlir has no lowering for, or one that is not what PyTorch computes. Each is PyTorch
code; a function may return NotImplemented for a form that it leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir.extras.fx_decomp_util import get_decomposition_table

from torch2hw.frontend.attention_functions import ATTENTION
from torch2hw.frontend.elementary_functions import ELEMENTARY
from torch2hw.frontend.gradient_functions import GRADIENTS
from torch2hw.frontend.index_functions import INDEXED
from torch2hw.frontend.joining_functions import JOINING
from torch2hw.frontend.narrow_integers import CONVERSIONS, TRUTHS, WIDENED, in_i32
from torch2hw.frontend.normalisation_functions import NORMALISATION
from torch2hw.frontend.number_functions import NUMBERS
from torch2hw.frontend.ordering_functions import ORDERING
from torch2hw.frontend.pooling_functions import POOLING, UNBATCHED, batched
from torch2hw.frontend.pooling_gradients import POOLING_GRADIENTS
from torch2hw.frontend.pooling_places import PLACES
from torch2hw.frontend.quantized_functions import quantized_functions
from torch2hw.frontend.running_functions import RUNNING


def decompositions() -> dict[Any, Callable[..., Any]]:
    """The function for each operation (an overload, as in `torch.ops.aten.tan.default`)."""
    ours = ELEMENTARY | NUMBERS | ORDERING | RUNNING | INDEXED | JOINING | POOLING | PLACES | TRUTHS | CONVERSIONS
    ours |= ATTENTION | GRADIENTS | POOLING_GRADIENTS | NORMALISATION
    table = {**get_decomposition_table(), **ours, **quantized_functions()}
    table |= {operation: batched(operation, table.get(operation)) for operation in UNBATCHED}
    return table | {operation: in_i32(operation, table.get(operation)) for operation in WIDENED}
