"""Requests to `explore.worker`, answered in processes of this machine, or of the workers of a Dask cluster.

A process that ends without an answer (killed, as happens where memory runs out, or a fault of native code) answers
{"died": its last words}.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch2hw.explore.grid import Job
from torch2hw.tools.processes import Command, run_all

Answer = dict[str, Any]
Asked = Callable[[str, Sequence[Job]], list[Answer]]

TOGETHER = 8  # requests to one process, which starts PyTorch once


def ask(task: str, jobs: Sequence[Job]) -> list[Answer]:
    """The answers to requests, from one process; what it did not answer because it ended is asked alone."""
    with tempfile.TemporaryDirectory(prefix="torch2hw-") as name:
        folder = Path(name)
        request, reply = folder / "request.json", folder / "answers.jsonl"
        request.write_text(json.dumps({"task": task, "jobs": [job.to_json() for job in jobs]}))
        command: Command = [sys.executable, "-m", "torch2hw.explore.worker", request, reply]
        ((status, said),) = run_all([command], folder, 1)
        lines = reply.read_text().split("\n") if reply.is_file() else []
        answers: list[Answer] = [json.loads(line) for line in lines[:-1]]
    left = jobs[len(answers) :]
    if not left:
        return answers
    if len(jobs) == 1:
        return [{"died": last_words(status, said)}]
    return answers + [answer for job in left for answer in ask(task, [job])]


def last_words(status: int, said: str) -> str:
    """Why a process ended without an answer."""
    if status == -9:
        return "the process was killed, as happens where memory runs out"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"the process ended with status {status}" + (f": {lines[-1]}" if lines else "")


@dataclass(frozen=True)
class Workers:
    """Where requests are answered: `executor` makes what runs them, `asked` answers some."""

    executor: Callable[[], Executor]
    asked: Asked = ask

    def answers(self, task: str, jobs: Sequence[Job], together: int = 1) -> Iterator[tuple[int, Answer]]:
        """The number of each job and its answer, as they come; so many jobs are one process's."""
        pool = self.executor()
        running: dict[Future[list[Answer]], int] = {}
        try:
            for first in range(0, len(jobs), together):
                running[pool.submit(self.asked, task, jobs[first : first + together])] = first
            for future in as_completed(running):
                yield from enumerate(future.result(), running[future])
        finally:
            for future in running:  # Dask's executor does not know shutdown(cancel_futures=True)
                future.cancel()
            pool.shutdown()


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def here(jobs: int) -> Workers:
    """So many processes at a time on this machine."""
    return Workers(lambda: ThreadPoolExecutor(jobs))


def cluster(address: str) -> Workers:
    """The workers of a Dask cluster, which need this version of torch2hw and the models in the same folders."""
    from torch2hw.sim.fuzz_run import dask_cluster

    executor, _ = dask_cluster(address, "--scheduler")
    return Workers(executor)
