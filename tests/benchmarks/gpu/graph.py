"""One run's step captured in a CUDA graph: what a plain loop costs when the host launches no kernel by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from kdsearch.training.steppers import PlainStepper, Stepper

WARM = 4
"""Steps before the capture: they allocate, and choose kernels."""


class CapturedStep:
    """One step of a run as one launch, on samples like ``rows`` ``[1, B]``; those of each call are copied into it.

    The learning rate is the one at the capture. Raises ``RuntimeError`` without a CUDA device, and where the step waits
    for the device: that is tried before the capture, since a capture that fails leaves the process in doubt.
    """

    def __init__(self, stepper: Stepper, rows: Tensor) -> None:
        if rows.device.type != "cuda":
            raise RuntimeError("CUDA graphs need a CUDA device")
        assert isinstance(stepper, PlainStepper)
        for group in stepper.optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True
        self.stepper = stepper  # held: a launch writes into its weights, wherever they were at the capture
        self.rows = rows.clone()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM - 1):
                stepper.step(self.rows)
            with _never_waiting():
                stepper.step(self.rows)
        torch.cuda.current_stream().wait_stream(aside)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            stepper.step(self.rows)

    def __call__(self, samples: Tensor) -> None:
        """One step on these samples."""
        self.rows.copy_(samples)
        self.graph.replay()


@contextmanager
def _never_waiting() -> Iterator[None]:
    """Raise ``RuntimeError`` where an operation within makes the host wait for the device."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
