"""A worker slot on a Ray cluster: a trial whose actor keeps one worker process at work on its node."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray import tune
from typing_extensions import override

from kdsearch import environment
from kdsearch.engines.devices import CPU_SLOT, Slot
from kdsearch.engines.slot_keeper import Deaths, SlotKeeper, end_all
from kdsearch.engines.worker_process import WorkerArguments
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger

STEP_SECONDS = 2.0
_TICK_SECONDS = 0.25
_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class SlotOrder:
    """What a slot is told through Ray, whose files show it: no password is in it.

    ``file``: the study file, below the folder that Ray unpacks on each node. ``gpus``: how many, or which share of one.
    ``variables``: kdsearch's environment variables of the launcher, which a node uses where it has none of its own.
    ``withheld``: the launcher's database URL has a password and is not among them. ``overrides``: what the launch sets
    in place of what the file says.
    """

    study: str
    uid: str
    file: str
    preset: str
    gpus: float
    population: int | None
    workers: int
    version: str
    variables: dict[str, str] = field(default_factory=dict)
    withheld: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """As a trial's configuration."""
        return asdict(self)


class WorkerSlot(tune.Trainable):  # type: ignore[misc]
    """A trial. A step reports where it is and what keeps it from working; the trial ends with the study."""

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self._order = SlotOrder(**{name: value for name, value in config.items() if name != "slot"})
        self._folder = Path.cwd()
        self._node = os.environ[environment.NODE] = node_name()
        self._keeper: SlotKeeper | None = None
        self._deaths: Deaths | None = None
        self._problem = ""
        self._again = float("-inf")

    @override
    def step(self) -> dict[str, Any]:
        until = time.monotonic() + STEP_SECONDS
        over = self._round()
        while not over and time.monotonic() < until:
            time.sleep(_TICK_SECONDS)
            over = self._round()
        return {"node": self._node, "problem": self._problem, "done": over}

    @override
    def cleanup(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            end_all([keeper])

    def _round(self) -> bool:
        """Start the worker or look after it; whether the study is over.

        A slot in which nothing can be trained keeps its place and tries again: given up, it would be started anew on
        the same node, and take the slots of nodes that work.
        """
        try:
            if self._keeper is None:
                if time.monotonic() < self._again:
                    return False
                self._keeper = self._begin()
                self._keeper.start()
                return False
            assert self._deaths is not None
            self._deaths.read()
            self._keeper.watch()
            if self._keeper.works:
                self._problem = ""
                return False
            return True
        except (KdsearchError, OSError) as error:
            self._problem = f"{error}{self._lacking()}"
            self._again = time.monotonic() + _AGAIN_SECONDS
            self.cleanup()
            return False

    def _lacking(self) -> str:
        """What may be behind a problem: the launcher's data are not at the same place here, and no other is named."""
        data = self._order.variables.get(environment.DATA)
        if data is None or os.environ.get(environment.DATA) or Path(data).is_dir():
            return ""
        return (
            f"\n{environment.DATA}={data} of the launcher is no folder there: set it in the environment of `ray start`"
        )

    def _begin(self) -> SlotKeeper:
        order = self._order
        use_variables(order)
        ledger = Ledger.connect(wait=True)
        record = ledger.study(order.study)
        if str(record.uid) != order.uid:
            raise KdsearchError(
                f"the study {order.study!r} in the database of this node is another one than the launcher's: does "
                f"{environment.STORAGE} of both name the same database?"
            )
        self._deaths = Deaths(ledger, record.id, order.workers)
        arguments = WorkerArguments(
            study_file=str(self._folder / order.file),
            preset=order.preset,
            population=order.population,
            overrides=order.overrides,
        )
        # Ray has told this process which GPU it gave to the slot. A slot without one may stand on a machine that has.
        slot = Slot("cuda", (), order.gpus) if order.gpus else CPU_SLOT
        return SlotKeeper(ledger, record, slot, arguments, self._deaths)


def use_variables(order: SlotOrder) -> None:
    """Take the launcher's variables where this node has none of its own, and check what every worker needs.

    Raises ``KdsearchError`` where the node has another version of kdsearch, or no database.
    """
    own = installed_version()
    if own != order.version:
        raise KdsearchError(f"kdsearch {own} is installed there, the launcher has {order.version}")
    for name, value in order.variables.items():
        is_folder = name == environment.DATA
        if not os.environ.get(name) and (not is_folder or Path(value).is_dir()):
            os.environ[name] = value
    if order.withheld and not os.environ.get(environment.STORAGE):
        raise KdsearchError(
            f"{environment.STORAGE} is not set there, and the launcher's URL holds a password, which is not sent "
            f"through Ray. Set it in the environment of `ray start`, or launch with --storage @FILE, where each node "
            "has the URL in a FILE of mode 600"
        )


def installed_version() -> str:
    """kdsearch's version."""
    return version("kdsearch")


def node_name() -> str:
    """What this node is called: as `ray start --node-name` says, else its host."""
    own = ray.get_runtime_context().get_node_id()
    node: dict[str, Any] = next((node for node in ray.nodes() if node["NodeID"] == own), {})
    name = node.get("NodeName")
    return str(name if name and name != node.get("NodeManagerAddress") else socket.gethostname())
