"""The command `torch2hw`: arguments in, files and reports out, an exit status that means something.

Signals are taken care of before anything else is imported: they end the command at any moment (`tools.supervisor`).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence

from torch2hw.tools.errors import InternalError, Torch2HWError, UsageError, reason
from torch2hw.tools.supervisor import STOPPING, stop_at_once, supervised

COLLECTED_AFTER = (1_000_000, 20, 20)
"""Objects. With Python's 700 a fifth of a compilation goes into looking for garbage; of 1.4 million objects that
MobileNetV2 leaves, 0.1 million were garbage."""

OF_THE_SYSTEM = {
    errno.EACCES, errno.EDQUOT, errno.EIO, errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG, errno.ENFILE, errno.ENOSPC,
    errno.EPERM, errno.EROFS,
}  # fmt: skip


NO_MEMORY = ("failed to map segment", "Cannot allocate memory")
"""What the loader says of a library that does not fit into memory."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status. Without `arguments` the process is ours: they are its own."""
    if arguments is not None:
        return _answered(lambda: _run(list(arguments)))
    _open_closed_descriptors()
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop_at_once)
    gc.set_threshold(*COLLECTED_AFTER)
    return supervised(lambda: _answered(_own_command))


def _open_closed_descriptors() -> None:
    """Standard streams that the caller closed lead to /dev/null: no file of ours takes their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            while os.open(os.devnull, os.O_RDWR) < number:
                pass
            setattr(sys, name, os.fdopen(number, mode))


def _own_command() -> int:
    _keep_stdout_for_results()
    try:
        return _run(sys.argv[1:])
    finally:
        if isinstance(sys.exception(), SystemExit | None):  # what an error says counts more
            _flush_results()


def _flush_results() -> None:
    """Raises OSError where the results do not reach their reader, once: what is left of them is dropped."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _drop_results()
        error.filename = "standard output"
        raise


def _drop_results() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _keep_stdout_for_results() -> None:
    """What native code prints, of a model or a library, goes to stderr: its descriptor 1 is no longer ours."""
    with contextlib.suppress(OSError):  # one of them may be closed
        results = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), 1)
        buffering = 1 if sys.stdout.isatty() else -1
        encoding = sys.stdout.encoding  # one that lacks a character is no reason to fail
        sys.stdout = open(results, "w", buffering, encoding, "backslashreplace", None, False)  # noqa: SIM115


def _run(arguments: list[str]) -> int:
    from torch2hw.commands.command_line import COMMANDS, parsed_arguments

    parsed = parsed_arguments(arguments)
    return COMMANDS[parsed.command].run(parsed)


def _answered(run: Callable[[], int]) -> int:
    """The status of `run`; what it raises is told on stderr and becomes one."""
    try:
        return run()
    except Torch2HWError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("torch2hw: interrupted; nothing was written", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read our output has had enough
        _drop_results()
        return 1
    except Exception as error:  # noqa: BLE001 - a fault of ours outside any pass
        if _is_lack_of_memory(error):
            print("torch2hw: memory ran out (see ulimit -v); nothing was written", file=sys.stderr)
            return 128 + signal.SIGKILL  # as where the system kills a command that takes too much
        if (refused := _refused_by_the_system(error)) is not None:
            print(refused, file=sys.stderr)
            return refused.exit_status
        print(InternalError(f"{type(error).__name__}: {error}", reproducer=_traceback_file(error)), file=sys.stderr)
        return InternalError.exit_status


def _is_lack_of_memory(error: Exception) -> bool:
    unmapped = isinstance(error, ImportError) and any(words in str(error) for words in NO_MEMORY)
    return unmapped or isinstance(error, MemoryError)


def _refused_by_the_system(error: Exception) -> Torch2HWError | None:
    """What to say of a disk that is full, a closed file or a name that is too long: no fault of ours."""
    if not isinstance(error, OSError) or error.errno not in OF_THE_SYSTEM:
        return None
    shown = error.filename if isinstance(error.filename, str) else "a file"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    verb = "write" if full else "use"
    fix = "make room" if full else "correct it, or name another file"
    return UsageError(f"{shown}: cannot {verb}: {reason(error)}", fix=fix)


def _traceback_file(error: Exception) -> str:
    import tempfile
    import traceback

    from torch2hw.tools.unfinished import lasting_folder

    with tempfile.NamedTemporaryFile(
        "w", prefix="torch2hw-", suffix=".txt", dir=lasting_folder(), delete=False
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    return file.name
