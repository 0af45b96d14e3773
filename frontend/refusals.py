"""Why the front end refuses a model: one class per cause, each with its own code."""

from __future__ import annotations

from torch2hw.tools.errors import Torch2HWError


class ModelFileError(Torch2HWError):
    """The model file cannot be executed: a syntax error, a module that is not installed, code that raises."""

    code = "model-file"


class NoModel(Torch2HWError):
    """None of the three ways to give a model was found."""

    code = "no-model"


class AmbiguousModel(Torch2HWError):
    """The file holds several models and does not say which is meant."""

    code = "ambiguous-model"


class NoTopFunction(Torch2HWError):
    """An MLIR file does not say which of its functions is the design."""

    code = "no-top-function"


class NotAModule(Torch2HWError):
    """What was given as the model is not an `nn.Module`."""

    code = "not-a-module"


class BadInputs(Torch2HWError):
    """The example inputs are missing, or are not tensors."""

    code = "example-inputs"


class ShapeMismatch(Torch2HWError):
    """The shapes of inputs and weights do not fit: the model fails on its own example inputs."""

    code = "shape-mismatch"


class ModelRaised(Torch2HWError):
    """The model's code raised when run on its example inputs."""

    code = "model-raised"


class DataDependentControlFlow(Torch2HWError):
    """A Python branch or loop, or `torch.cond`, depends on the values of tensors."""

    code = "data-dependent"


class DynamicShape(Torch2HWError):
    """The shape of a tensor depends on the values of another."""

    code = "dynamic-shape"


class UnsupportedDtype(Torch2HWError):
    """Complex, quantised or double-precision data."""

    code = "unsupported-dtype"


class NumberRange(Torch2HWError):
    """A weight is beyond the range of the format that `--dtype` asks for."""

    code = "number-range"


class EmptyTensor(Torch2HWError):
    """A tensor without elements."""

    code = "empty-tensor"


class CollidingPorts(Torch2HWError):
    """Two ports of the design, or a port and the top module, would have one name for tools that ignore case."""

    code = "colliding-ports"


class CollidingModules(Torch2HWError):
    """The top module would have the name of another module of the design."""

    code = "colliding-modules"


class TooManyTensors(Torch2HWError):
    """The model has more inputs and outputs than the interface has registers for their addresses."""

    code = "too-many-tensors"


class UnsupportedOperation(Torch2HWError):
    """An operation that is not supported."""

    code = "unsupported-operation"


class InOutArgument(Torch2HWError):
    """A function of an MLIR file reads and writes one of its arguments."""

    code = "in-out-argument"


class IndexOutOfRange(Torch2HWError):
    """A function of an MLIR file reads or writes outside of a memory."""

    code = "index-out-of-range"


class TooManyRounds(Torch2HWError):
    """A loop of an MLIR file whose rounds need each other has too many."""

    code = "too-many-rounds"


class StatefulModel(Torch2HWError):
    """The model changes a buffer or a parameter while it runs."""

    code = "stateful-model"


class NotExportable(Torch2HWError):
    """The model runs, and torch.export cannot follow it, for a reason that has no class of its own."""

    code = "not-exportable"


class QuantisationFailed(Torch2HWError):
    """PyTorch cannot quantise the model, as --quantize asks."""

    code = "quantisation-failed"


class UntrainableModel(Torch2HWError):
    """The model has nothing to train, draws random numbers, or its output is none that a loss takes."""

    code = "untrainable-model"
