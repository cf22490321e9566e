"""Decisions hold the linear algebra of their process to one thread."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import threading
from threadpoolctl import threadpool_info
import kdsearch.search.policies.adaptive
from kdsearch.search.gp.threads import one_thread

def counts():
    return {row["num_threads"] for row in threadpool_info() if row["user_api"] == "blas"}

before = counts()
threads = [threading.Thread(target=one_thread) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(before), sorted(counts()))
"""


def test_from_the_first_decision_on_there_is_one_thread() -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert output.split() == ["[2]", "[1]"]
