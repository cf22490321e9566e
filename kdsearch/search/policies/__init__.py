"""Which runs come next: the adaptive policy and the fixed design."""
