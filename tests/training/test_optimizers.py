from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from kdsearch.training.optimizers import OPTIMIZERS, make_optimizer

PLAIN: dict[str, Any] = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, foreach=False),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1, foreach=False),
    "sgd-nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1, nesterov=True, foreach=False),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_torchs_plain_loop(name: str) -> None:
    ours, theirs = nn.Linear(5, 3).double(), nn.Linear(5, 3).double()
    theirs.load_state_dict(ours.state_dict())
    pairs = [(ours, make_optimizer(name, ours.parameters(), 0.1)), (theirs, PLAIN[name](theirs.parameters()))]
    for group in pairs[0][1].param_groups:
        group["lr"] = 0.01
    for step in range(20):
        x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-14)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown optimizer 'lion'; choose one of adam, adamw, sgd, sgd-nesterov"):
        make_optimizer("lion", nn.Linear(2, 2).parameters(), 0.0)
