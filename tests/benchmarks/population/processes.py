"""Runs in processes that share a device, as workers with one run at a time do."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.population.students import STUDENTS


class Processes:
    """``count`` processes that share the device; each trains one run in a turn, all at the same time."""

    def __init__(self, name: str, epochs: int, device: str, workspace: Path, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.count = count
        self.pipes, self.processes = [], []
        for k in range(count):
            ours, theirs = context.Pipe()
            folder = workspace / f"process{k}"
            folder.mkdir(exist_ok=True)
            process = context.Process(target=_serve, args=(theirs, name, epochs, device, folder), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def __call__(self, turn: int) -> float:
        """Seconds of a run: of all of them divided by their number."""
        begin = time.perf_counter()
        for k, pipe in enumerate(self.pipes):
            pipe.send(turn * self.count + k)
        for pipe in self.pipes:
            pipe.recv()
        return (time.perf_counter() - begin) / self.count

    def close(self) -> None:
        """End them."""
        for process in self.processes:
            process.kill()
            process.join()


def _serve(pipe: Any, name: str, epochs: int, device: str, workspace: Path) -> None:
    torch.set_num_threads(1)
    run = STUDENTS[name](epochs).alone(device, workspace)
    while True:
        run(pipe.recv())
        pipe.send(None)
