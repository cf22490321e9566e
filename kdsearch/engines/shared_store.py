"""Files that all machines of a study share, below a URL that fsspec opens: a folder, NFS, ``s3://bucket/prefix``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kdsearch import environment
from kdsearch.errors import KdsearchError

_TRIES = 4
_PAUSE_SECONDS = 1.0
T = TypeVar("T")


class StoreUnreachable(KdsearchError):
    """The shared store does not answer, or refuses: an infrastructure error, not the fault of a run."""


@dataclass(frozen=True)
class SharedStore:
    """Files by name below ``url``. A file is there whole or not at all; what fails is tried again for a few seconds."""

    url: str

    def put(self, source: Path, name: str) -> None:
        """Copy a file there; one of this name is replaced."""
        file_system, target = self._open(name)

        def work() -> None:
            file_system.makedirs(target.rpartition("/")[0], exist_ok=True)
            part = f"{target}.{uuid.uuid4().hex}.part"
            if "file" in _protocols(file_system):  # an object appears when it is whole, a file when it is begun
                file_system.put_file(str(source), part)
                file_system.mv(part, target)
            else:
                file_system.put_file(str(source), target)

        self._tried(work, f"write {name} to")

    def get(self, name: str, target: Path) -> bool:
        """Copy the file of this name to ``target``; returns whether there is one."""
        file_system, source = self._open(name)

        def work() -> bool:
            if not file_system.exists(source):
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
            try:
                file_system.get_file(source, str(part))
                part.replace(target)
            except FileNotFoundError:  # deleted since
                return False
            finally:
                part.unlink(missing_ok=True)
            return True

        return self._tried(work, f"read {name} from")

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        file_system, path = self._open(name)
        return self._tried(lambda: bool(file_system.exists(path)), f"look for {name} in")

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, below it; none where there is no such folder."""
        file_system, path = self._open(folder)

        def work() -> list[str]:
            if not file_system.exists(path):
                return []
            return sorted(str(found).rpartition("/")[2] for found in file_system.ls(path, detail=False))

        return [name for name in self._tried(work, f"list {folder} of") if not name.endswith(".part")]

    def remove(self, folder: str) -> None:
        """Delete a folder and what is in it, where it is there."""
        file_system, path = self._open(folder)

        def work() -> None:
            if file_system.exists(path):
                file_system.rm(path, recursive=True)

        self._tried(work, f"delete {folder} from")

    def check(self) -> None:
        """Raise ``KdsearchError`` where a file cannot be written there."""
        name = f".kdsearch-{uuid.uuid4().hex}"
        file_system, path = self._open(name)

        def work() -> None:
            file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
            file_system.pipe_file(path, b"")
            file_system.rm_file(path)

        self._tried(work, "write to", tries=1)

    def _open(self, name: str) -> tuple[Any, str]:
        import fsspec

        try:
            file_system, root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError, OSError) as error:
            raise StoreUnreachable(
                f"expected a folder or a URL that fsspec can open in {environment.ARTIFACTS}, such as s3://bucket/kd: "
                f"{error}"
            ) from error
        file_system.invalidate_cache()  # listings are remembered, and other machines write and delete meanwhile
        return file_system, f"{root.rstrip('/')}/{name}"

    def _tried(self, work: Callable[[], T], what: str, tries: int = _TRIES) -> T:
        for left in reversed(range(tries)):
            try:
                return work()
            except Exception as error:  # each file system has exceptions of its own
                if not left:
                    raise StoreUnreachable(f"cannot {what} {self.url} ({environment.ARTIFACTS}): {error}") from error
                time.sleep(_PAUSE_SECONDS)
        raise AssertionError("unreachable")


def shared_store() -> SharedStore | None:
    """The store that ``KDSEARCH_ARTIFACTS`` names; ``None`` where all workers share one ``KDSEARCH_HOME``."""
    url = environment.artifacts_url()
    return None if url is None else SharedStore(url)


def _protocols(file_system: Any) -> tuple[str, ...]:
    named = file_system.protocol
    return (named,) if isinstance(named, str) else tuple(named)
