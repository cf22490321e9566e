"""The tables of a report, one module each: a new one is one file here, and nothing else is edited.

A module defines ``section(selection)``, which returns its table or ``None`` where it has nothing to show; ``ORDER``,
its place in the report, smaller first; and ``WHEN`` it is shown: ``"search"``, before the winner is chosen, when no
test score may be read, ``"result"``, from then on, or ``"always"``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module

from kdsearch.errors import KdsearchError
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Table

Section = Callable[[Selection], Table | None]


def sections(*, searching: bool) -> list[Section]:
    """Return the sections of a report before or after the winner is chosen, in their order."""
    modules = [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    for module in modules:
        if missing := [name for name in ("section", "ORDER", "WHEN") if not hasattr(module, name)]:
            raise KdsearchError(f"{module.__file__} is a section of the report and must define {', '.join(missing)}")
    shown = [module for module in modules if module.WHEN in ("always", "search" if searching else "result")]
    return [module.section for module in sorted(shown, key=lambda module: (module.ORDER, module.__name__))]
