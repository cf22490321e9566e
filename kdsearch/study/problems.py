"""What is wrong with a declaration: all of it is collected, so that one reading of the file tells all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kdsearch.errors import StudyFileError


class Problems:
    """The problems of one declaration; ``where`` says which, such as ``study 'rates'``."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        """One more problem; what it says of ``where`` is left out, and one that is known is not said twice."""
        text = problem.removeprefix(self.where).removeprefix(":").removeprefix(",").strip()
        if text not in self.found:
            self.found.append(text)

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Take up the ``StudyFileError`` or ``ValueError`` that ends the block."""
        try:
            yield
        except (StudyFileError, ValueError) as error:
            self.add(str(error))

    def raise_if_any(self) -> None:
        """Raise one ``StudyFileError`` that lists all problems."""
        if not self.found:
            return
        if len(self.found) == 1:
            (problem,) = self.found
            raise StudyFileError(f"{self.where}: {problem}")
        lines = "\n".join(f"  - {problem}" for problem in self.found)
        raise StudyFileError(f"{self.where} has {len(self.found)} problems:\n{lines}")
