"""Floating point operations of a training step, counted by torch on its products, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from kdsearch.training.steppers import Stepper


def count_step(stepper: Stepper, rows: Tensor) -> int:
    """Operations of one step on the samples ``rows`` ``[W, B]``, which is made; two for a product and its sum."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _added}) as counter:
        stepper.step(rows)
    return int(counter.get_total_flops())


def _added(total: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], **others: Any) -> int:
    """Operations of a product that is added in place, by shapes: torch does not count it."""
    return 2 * a[0] * a[1] * b[1]
