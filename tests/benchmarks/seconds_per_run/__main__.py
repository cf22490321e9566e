"""Entry, by module name or by path: the environment of a CPU worker is set before torch is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seconds_per_run.environment import settle


def main() -> None:
    """Start over with a worker's environment if need be, then measure."""
    settle([sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]])
    from seconds_per_run.command import run

    run()


if __name__ == "__main__":
    main()
