"""Imports torchvision beside a torch build that its compiled part does not fit.

The wheel on the index is compiled for the CUDA build of torch. Beside a CPU-only torch its extension ``_C`` cannot be
loaded; torchvision swallows that, but then registers fake kernels for operators that do not exist and dies with
``RuntimeError: operator torchvision::nms does not exist``. Nothing used here needs those operators, so it is enough
that their schemas exist.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library: Any = None  # torch.library.Library undefines its operators when it is collected


def _extension_loads() -> bool:
    """Whether torchvision's own operators can be loaded, tried without importing the package."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("torchvision is not installed; install it beside torch, or use an encoder without it")
    root = Path(next(iter(spec.submodule_search_locations)))
    for path in (*root.glob("_C*.so"), *root.glob("_C*.pyd"), *root.glob("_C*.dylib")):
        try:
            torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
        except (OSError, ImportError):
            continue
        return True
    return False


def import_torchvision() -> ModuleType:
    """torchvision, whole where its wheel fits this torch, else without its compiled operators.

    Where the extension loads, nothing is defined here. Raises ``ImportError`` where torchvision is not installed.
    """
    global _library
    if _library is None and not _extension_loads():
        _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name, schema in _SCHEMAS.items():
            if not hasattr(torch.ops.torchvision, name):
                _library.define(schema)
    return importlib.import_module("torchvision")
