"""A Ray cluster of several nodes on this machine, each with a ``KDSEARCH_HOME`` of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Nodes:
    """A head without CPUs, and nodes ``node1``, ``node2`` … with ``cpus`` each; ``environment`` of each of them.

    ``ip``: the address of this machine at which they meet, by default the one that Ray takes.
    """

    folder: Path
    cpus: int = 2
    ip: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.cluster = Cluster()
        self._add("head", {}, num_cpus=0, include_dashboard=False)

    def add(self, name: str, **variables: str) -> None:
        """Let a node join."""
        self.nodes[name] = self._add(name, variables, num_cpus=self.cpus)

    def kill(self, name: str) -> None:
        """End a node as a power cut does, as far as Ray is concerned."""
        self.cluster.remove_node(self.nodes.pop(name), allow_graceful=False)

    def home(self, name: str) -> Path:
        """The node's ``KDSEARCH_HOME``."""
        return self.folder / name

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def session(self) -> Path:
        """Where Ray writes its files and logs."""
        return Path(self.cluster.head_node.get_session_dir_path())

    def _add(self, name: str, variables: dict[str, str], **options: Any) -> Any:
        if self.ip is not None:
            options["node_ip_address"] = self.ip
        return self.cluster.add_node(node_name=name, env_vars={**self.variables(name), **variables}, **options)

    def variables(self, name: str) -> dict[str, str]:
        """The environment of a node."""
        return {"KDSEARCH_HOME": str(self.home(name)), "OMP_NUM_THREADS": "1", **self.environment}


@contextmanager
def ray_nodes(folder: Path, *names: str, **options: Any) -> Iterator[Nodes]:
    """A cluster of these nodes, ended after the block."""
    nodes = Nodes(folder, **options)
    try:
        for name in names:
            nodes.add(name)
        yield nodes
    finally:
        nodes.cluster.shutdown()
