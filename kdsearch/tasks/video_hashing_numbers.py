"""Parameters of video hashing with their defaults, and what its original does otherwise; imports no torch."""

from __future__ import annotations

from kdsearch.tasks.base import Scalar

QUIRKS: dict[str, str] = {
    "triplet_per_sample_repeat": "triplets of a class with m clips in the batch count m times",
    "plateau_on_running_best": "the plateau sees the best objective before each evaluation, one evaluation late",
    "teacher_train_mode": "the teacher's batch norm uses the batch's statistics; its outputs are not cached",
    "best_epoch_on_test": "score at the best epoch on test (optimistic)",
    # Costs a GPU run its asynchrony: the host waits for every batch's loss.
    "skip_zero_loss": "the optimizer step is skipped when a batch's loss is exactly 0",
    "stable_ties": "ties in Hamming distance stand in stored order instead of being averaged",
}
"""What the original does and this task does not, unless asked to by name."""

DEFAULTS: dict[str, Scalar] = {
    "triplet_weight": 0.1,
    "classification_weight": 1.0,
    "representation_weight": 0.0,
    "alpha": 0.0,
    "temperature": 4.0,
    "learning_rate": 1e-2,
    "weight_decay": 5e-4,
    "patience": 4,
    "vary": "initialisation+order",
}
"""Parameters that a space or a baseline may set."""
