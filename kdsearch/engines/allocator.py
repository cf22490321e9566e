"""How memory is managed in processes that train on a CPU; read by glibc when a process starts."""

from __future__ import annotations

# glibc returns blocks above its mmap threshold to the kernel after each operation, and page faults then cost a third
# to two thirds of the time of 2-D and 3-D convolutions (measured: research notes on population training, section 9).
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Environment variables of a worker."""
