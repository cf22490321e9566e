"""How numpy takes floating-point errors in arithmetic of ours, whatever a user's code has asked it to do."""

from __future__ import annotations

import numpy as np


def usual_float_errors() -> np.errstate:
    """A block in which numpy warns of them, as it does by default, and ignores underflow."""
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
