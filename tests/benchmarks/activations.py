"""What the forward of a large run keeps for its backward, by option: counted on shapes alone, without a GPU.

Batch, frames and size as of the JHMDB hashing repository (RGB, 120 clips of 16 frames, 112 x 112). Only storages that
autograd saves are counted, each once, without weights; a GPU needs some more for what an operation works with.
Micro-batches keep that of their own clips. bfloat16 is counted with the whole network in it; autocast keeps norms'
statistics in float32.

    python -m tests.benchmarks.activations [--encoder r3d_18] [--batch 120] [--frames 16] [--size 112] [--micro 30]
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from kdsearch.models.heads.hashing import HashingNetwork
from kdsearch.models.registry import ENCODERS
from kdsearch.training.activation_checkpointing import apply_activation_checkpointing

GIB = 2**30


def kept(encoder: str, clips: int, frames: int, size: int, *, again: bool, dtype: torch.dtype) -> int:
    """Bytes that one forward keeps."""
    model = HashingNetwork(ENCODERS[encoder].build(), 48, 21).to("meta", dtype)
    if again:
        apply_activation_checkpointing(model.encoder.blocks())  # type: ignore[operator]
    weights = {id(value) for value in model.parameters()}
    storages: dict[int, tuple[int, Tensor]] = {}

    def pack(value: Tensor) -> Tensor:
        if id(value) not in weights:
            # The tensor is held too: an address that is free again would count as the same.
            storages[value.untyped_storage()._cdata] = value.untyped_storage().nbytes(), value
        return value

    batch = torch.zeros(clips, 3, frames, size, size, dtype=torch.uint8, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        model(batch)
    return sum(count for count, _ in storages.values())


def main() -> None:
    """Print one line an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="r3d_18", choices=["r3d_18", "hara_resnet18"])
    parser.add_argument("--batch", type=int, default=120)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--micro", type=int, default=30)
    given = parser.parse_args()
    print(f"{given.encoder}, {given.batch} clips of {given.frames} frames, {given.size} x {given.size} pixels")
    for name, clips in (("whole batch", given.batch), (f"micro-batches of {given.micro}", given.micro)):
        for again in (False, True):
            for dtype in (torch.float32, torch.bfloat16):
                count = kept(given.encoder, clips, given.frames, given.size, again=again, dtype=dtype)
                said = f"{name}{', activation checkpointing' if again else ''}, {str(dtype).removeprefix('torch.')}"
                print(f"{said:44s} {count / GIB:6.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
