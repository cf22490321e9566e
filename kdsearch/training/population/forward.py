"""The forward of all members in its two forms, in turn or stacked by vmap: the only place where the two differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils import _pytree as pytree

Tensors = dict[str, Tensor]
_Given = tuple[Tensors, Tensors, Any]

_INSTEAD = {
    "LSTM": "kdsearch.models.layers.recurrent.LSTM",
    "GRU": "kdsearch.models.layers.recurrent.GRU",
    "Dropout": "kdsearch.models.layers.dropout.StreamDropout",
}
"""Layers here that do under vmap what torch's, by class, do not."""


class Forward(Protocol):
    """What :func:`looped` and :func:`vmapped` return."""

    def __call__(
        self, views: Tensors, buffers: Tensors, inputs: Any, *, shared: bool = False, chunk: int | None = None
    ) -> Any:
        """Outputs of M members, as the network gives them, each tensor with a leading ``[M]``.

        ``views`` and ``buffers`` hold parameters and buffers ``[M, ...]`` by name; buffers are updated in place.
        ``inputs``, a tensor or a tuple of them, is the network's one argument ``[M, B, ...]``, or ``[B, ...]`` for all
        members alike with ``shared``. ``chunk``: so many members at a time, which saves memory where there is no graph.
        Outputs may be a tensor or any nesting of tuples, named tuples, lists and dicts. Whether members train or are
        evaluated is the skeleton's mode.
        """


def looped(skeleton: nn.Module) -> Forward:
    """Members in turn, on views of the stacked tensors: any network, and often the faster form on a CPU."""

    def forward(
        views: Tensors, buffers: Tensors, inputs: Any, *, shared: bool = False, chunk: int | None = None
    ) -> Any:
        members = len(pytree.tree_leaves((views, buffers, inputs))[0])
        # By one unbind: its backward is one stack, where each member's index would write a gradient of all M.
        columns = {name: value.unbind(0) for name, value in views.items()}
        outputs = []
        for k in range(members):
            row = {name: column[k] for name, column in columns.items()}
            state = {name: _own(value[k]) for name, value in buffers.items()}
            given = inputs if shared else pytree.tree_map(lambda value, k=k: _own(value[k]), inputs)
            outputs.append(_member(skeleton, shared, row, state, given))
        return pytree.tree_map(lambda *values: torch.stack(values), *outputs)

    return forward


def vmapped(skeleton: nn.Module) -> Forward:
    """All members at once by ``torch.func.vmap``; a network that draws random numbers raises ``RuntimeError``."""

    def forward(
        views: Tensors, buffers: Tensors, inputs: Any, *, shared: bool = False, chunk: int | None = None
    ) -> Any:
        dims = (0, 0, None if shared else 0)
        # "error", because what "different" draws would depend on the slot: a refilled member were not the same run.
        stacked = vmap(partial(_member, skeleton, shared), in_dims=dims, randomness="error", chunk_size=chunk)
        return stacked(views, buffers, inputs)

    return forward


def _own(value: Tensor) -> Tensor:
    """The same memory with a version counter of its own: one member may write where another's graph has read."""
    return value.clone() if value.requires_grad else value.data


def _member(skeleton: nn.Module, shared: bool, views: Tensors, buffers: Tensors, inputs: Any) -> Any:
    """One member's outputs; its buffers are written into."""
    if shared:  # a network may write into its input, which is the next member's too
        inputs = pytree.tree_map(torch.clone, inputs)
    state = views | buffers
    outputs = functional_call(skeleton, state, (inputs,))
    for name, buffer in buffers.items():
        if state[name] is not buffer:  # the network assigned a new tensor instead of writing into the old one
            buffer.copy_(state[name].detach())
    return outputs


def check(skeleton: nn.Module, views: Tensors, buffers: Tensors, inputs: Any) -> str | None:
    """Whether a network trains alike in both forms: ``None``, or a sentence with the first layer that does not.

    Arguments as for :class:`Forward`, with M >= 2 (the first two members are taken, which should differ) and a small
    batch of real clips ``[M, B, ...]`` (padding is seen where the batch holds some). One forward and backward of each
    form in float64, or in the parameters' own dtype where the network cannot run in float64; outputs, gradients and
    buffers must agree. Nothing that is given is changed. Raises what the loop raises: such a network trains in no form.
    """
    given = (views, buffers, inputs)
    if min(len(value) for value in pytree.tree_leaves(given)) < 2:
        raise ValueError("the test of both forms needs two members or more; give each tensor as [M >= 2, ...]")
    devices = {value.device for value in pytree.tree_leaves(given) if value.is_cuda}
    with torch.random.fork_rng(devices=list(devices)):  # a network with plain dropout draws in the looped form
        try:
            exact = deepcopy(skeleton).double()  # for what it holds itself, one copy for all members
            return _sentence(exact, pytree.tree_map(partial(_pair, dtype=torch.float64), given), 1e-9)
        except Exception:  # a dtype may be fixed in the network's code
            return _sentence(skeleton, pytree.tree_map(_pair, given), 1e-3)


def _pair(value: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return value[:2].detach().to(dtype if value.is_floating_point() else None, copy=True)


def _sentence(skeleton: nn.Module, given: _Given, tolerance: float) -> str | None:
    reason = _fault(skeleton, given, tolerance)
    if reason is None:
        return None
    where, instead = f"the network's own forward ({type(skeleton).__name__})", None
    modules = dict(skeleton.named_modules())
    for path, alone, stacked in _calls(skeleton, given):
        views, buffers = (
            {"module" + n.removeprefix(path): v for n, v in part.items() if n.startswith(path + ".")}
            for part in given[:2]
        )
        try:
            inner = _fault(alone, (views, buffers, stacked), tolerance)
        except Exception:  # not to be tested by itself; the module around it will be named
            continue
        if inner is not None:
            name = type(modules[path]).__name__
            where, reason, instead = f"{path} ({name})", inner, _INSTEAD.get(name)
            break
    return f"{where}: {reason}; it trains as a loop" + (f", {instead} would stack" if instead else "")


class _Alone(nn.Module):
    """One recorded call of a module: what is no tensor among its arguments is fixed; it gives its tensors only."""

    def __init__(self, module: nn.Module, leaves: list[Any], spec: pytree.TreeSpec) -> None:
        super().__init__()
        self.module = module
        self.leaves = leaves
        self.spec = spec

    def forward(self, tensors: list[Tensor]) -> list[Tensor]:
        """The tensors of the module's output."""
        # By identity: attention takes another way where query, key and value are one tensor.
        given = dict(zip({id(leaf): None for leaf in self.leaves if isinstance(leaf, Tensor)}, tensors, strict=True))
        leaves = [given.get(id(leaf), leaf) for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return [leaf for leaf in pytree.tree_leaves(self.module(*args, **kwargs)) if isinstance(leaf, Tensor)]


def _calls(skeleton: nn.Module, given: _Given) -> Iterator[tuple[str, _Alone, list[Tensor]]]:
    """Each call of a module inside the network, inner ones first: its name, itself alone, tensors ``[2, ...]``."""
    done: list[tuple[str, tuple[list[Any], pytree.TreeSpec]]] = []
    entered: list[tuple[list[Any], pytree.TreeSpec]] = []

    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        # Copies, because a layer may write into what it is given; one copy of a tensor that is given twice.
        copies = {id(leaf): leaf.detach().clone() for leaf in leaves if isinstance(leaf, Tensor)}
        entered.append(([copies.get(id(leaf), leaf) for leaf in leaves], spec))

    def leave(path: str, module: nn.Module, args: Any, output: Any) -> None:
        done.append((path, entered.pop()))

    modules = {path: module for path, module in skeleton.named_modules() if path}
    handles = [m.register_forward_pre_hook(enter, prepend=True, with_kwargs=True) for m in modules.values()]
    handles += [module.register_forward_hook(partial(leave, path)) for path, module in modules.items()]
    try:
        looped(skeleton)(*pytree.tree_map(torch.clone, given))
    finally:
        for handle in handles:
            handle.remove()
    half = len(done) // 2
    for (path, first), (other, second) in zip(done[:half], done[half:], strict=False):
        (leaves, spec), pairs = first, zip(first[0], second[0], strict=False)
        tensors = list({id(a): (a, b) for a, b in pairs if isinstance(a, Tensor)}.values())
        if path != other or any(a.shape != b.shape for a, b in tensors):
            return  # the two members took different ways through the module around it
        yield path, _Alone(modules[path], leaves, spec), [torch.stack(pair) for pair in tensors]


def _fault(module: nn.Module, given: _Given, tolerance: float) -> str | None:
    """What vmap says, or what differs between the forms; raises what the looped form raises."""
    want = _trace(looped(module), *given)
    try:
        got = _trace(vmapped(module), *given)
    except torch.OutOfMemoryError:  # no layer's fault
        raise
    except Exception as error:
        return _reason(error)
    for kind, values in want.items():
        # One scale for all of a kind: a gradient that is zero but for rounding is compared with the others.
        floats = [value.detach().nan_to_num() for value in values.values() if value.is_floating_point()]
        scale = max((float(value.abs().max()) for value in floats if value.numel()), default=0.0)
        for name, value in values.items():
            if not _agree(got[kind][name], value, tolerance, tolerance * scale):
                return f"under vmap its {kind} {name.removeprefix('module.')} differs from the loop's"
    return None


def _trace(forward: Forward, views: Tensors, buffers: Tensors, inputs: Any) -> dict[str, Tensors]:
    """Outputs, buffers and the gradients of parameters and inputs of one forward and backward."""
    views = {name: value.clone().requires_grad_(value.is_floating_point()) for name, value in views.items()}
    buffers = {name: value.clone() for name, value in buffers.items()}
    leaves, spec = pytree.tree_flatten(inputs)
    leaves = [leaf.clone().requires_grad_(leaf.is_floating_point()) for leaf in leaves]
    # Copies again, because a leaf that wants a gradient must not be written into.
    outputs = pytree.tree_leaves(forward(views, buffers, pytree.tree_unflatten([v.clone() for v in leaves], spec)))
    # Weights that differ everywhere: a plain sum has no gradient through a normalisation.
    loss = sum((v * _weights(v)).sum() for v in outputs if v.requires_grad)
    wanted = {name: value for name, value in (views | _numbered(leaves)).items() if value.requires_grad}
    gradients = dict.fromkeys(wanted, None)
    if isinstance(loss, Tensor):
        gradients = dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values()), allow_unused=True), strict=True))
    return {
        "output": _numbered(outputs),
        "gradient of": {n: torch.zeros_like(wanted[n]) if g is None else g for n, g in gradients.items()},
        "buffer": buffers,
    }


def _agree(got: Tensor, want: Tensor, relative: float, absolute: float) -> bool:
    if got.shape != want.shape or not want.is_floating_point():
        return torch.equal(got, want)
    return torch.allclose(got, want, relative, absolute, equal_nan=True)


def _weights(value: Tensor) -> Tensor:
    return torch.arange(value.numel(), dtype=value.dtype, device=value.device).cos().view(value.shape)


def _numbered(values: list[Tensor]) -> Tensors:
    return {f"number {i}": value for i, value in enumerate(values)}


def _reason(error: Exception) -> str:
    """torch's words, as far as its first sentence."""
    text = str(error).strip()
    missing = re.search(r"Batching rule not implemented for ([\w:.]*\w)", text)
    if missing:
        return f"vmap cannot batch {missing[1]}"
    first = re.split(r"(?<=[.!?])\s|\n", text, maxsplit=1)[0].removeprefix("vmap: ").rstrip(".")
    return f"vmap fails with: {first[:200]}"
