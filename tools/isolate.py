"""Runs native code in a child process, so that its abort does not end torch2hw.

MLIR and CIRCT abort on some programs that they do not expect ("Toolchain traps" in CONTRIBUTING.md). `run_native` calls
a function in a forked child, `Child` beside what its parent does meanwhile. The result or exception comes back pickled;
if the child dies by a signal or exits, that is an `InternalError`. The function must make its own MLIR contexts,
because the threads of the parent's contexts do not exist in the child, and its arguments and result must be plain data.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import IO, Any, Generic, NoReturn, ParamSpec, TypeVar

from torch2hw.tools.errors import InternalError
from torch2hw.tools.workarounds import forget_llvm_threads

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def run_native(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """`function(*args, **kwargs)`, in a child process. Costs about 20 ms in a process with PyTorch loaded."""
    return Child(function, *args, **kwargs).result()


class Child(Generic[Result]):
    """A child process that runs `function(*args, **kwargs)` while its parent goes on."""

    def __init__(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.answer, self.messages = _file(), _file()
        self.process = os.fork()
        if self.process == 0:
            _serve(function, args, kwargs, self.answer, self.messages)

    def result(self) -> Result:
        """What the function returned or raised; waits for it. Once."""
        with self.answer, self.messages:
            try:
                _, status = os.waitpid(self.process, 0)
            except BaseException:
                self._kill()
                raise
            self.answer.seek(0)
            pickled = self.answer.read()
            if status != 0 or not pickled:
                raise InternalError(f"native code {_manner(status)}{_last_words(self.messages)}")
        raised, value = pickle.loads(pickled)
        if raised:
            raise value
        result: Result = value
        return result

    def drop(self) -> None:
        """End it; its result is not wanted any more."""
        with self.answer, self.messages:
            self._kill()

    def _kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def _file() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _serve(function: Callable[..., Any], args: Any, kwargs: Any, answer: IO[bytes], messages: IO[bytes]) -> NoReturn:
    """The child: answer, and leave without running any of the parent's clean-up."""
    faulthandler.disable()  # a crash is told by the parent
    gc.freeze()  # what the parent has dropped is not ours to end: onnxruntime would wait for threads that are not here
    try:
        os.dup2(messages.fileno(), 2)
        forget_llvm_threads()
        try:
            reply = (False, function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is raised again in the parent
            reply = (True, error)
        try:
            data = pickle.dumps(reply)
        except Exception as error:  # noqa: BLE001 - what cannot be pickled still has a text
            data = pickle.dumps((True, RuntimeError(f"{type(reply[1]).__name__}: {reply[1]} ({error})")))
        answer.write(data)
        answer.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _manner(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"died of {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended the process with status {os.waitstatus_to_exitcode(status)}"


def _last_words(messages: IO[bytes]) -> str:
    """The first line the dying code wrote to stderr, which names the assertion; the rest is a stack dump."""
    messages.seek(0)
    first = messages.read().decode(errors="replace").strip().split("\n")[0]
    return f": {first}" if first else ""
