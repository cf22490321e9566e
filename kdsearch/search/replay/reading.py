"""Tables from files: what ``kdsearch export runs`` writes, and the grids of HPO-RL-Bench."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch import environment
from kdsearch.errors import KdsearchError
from kdsearch.search.replay.table import Row, Table, assemble
from kdsearch.space import Categorical, Dimension, Integer, Uniform, dimension_from, unconditional
from kdsearch.tasks.base import Direction, Scalar

Space = Mapping[str, Dimension]
ENDED = ("done", "diverged")
LAST_EVALUATIONS = 10
HPO_RL_BENCH = ("enduro", "pong")


def read_table(
    path: Path,
    space: Space | None = None,
    pools: Sequence[str] = ("search",),
    direction: Direction | None = None,
) -> Table:
    """The largest complete table among the ended runs of an exported study; test scores are not read.

    ``path``: ``.npz``, ``.json`` or ``.csv``, as ``kdsearch export runs`` writes them. ``space``, ``direction``: only
    CSV needs them, the others carry the study's; values of a study that minimizes have their signs turned, so that
    higher is better in the table. ``pools``: whose runs to take. Raises ``KdsearchError`` for other files, and for runs
    in which no two configurations share two seeds.
    """
    readers = {".npz": _archive, ".json": _document, ".csv": _lines}
    if path.suffix not in readers:
        raise KdsearchError(f"expected a .npz, .json or .csv of kdsearch export runs, got {path.name}")
    if not path.is_file():
        raise KdsearchError(f"expected an exported table, found no file {path}; kdsearch export runs writes one")
    name, stored, way, records = readers[path.suffix](path)
    space, sign = space or stored, -1.0 if (way or direction) == "minimize" else 1.0
    if not space:
        raise KdsearchError(f"{path.name} does not say what the study's space is; pass space=, or export as .npz")
    rows = [
        Row(_typed(space, record["params"]), record["seed"], sign * record["objective"], record["seconds"])
        for record in records
        if record["pool"] in pools and record["state"] in ENDED
    ]
    try:
        return assemble(name, space, rows)
    except ValueError as error:
        raise KdsearchError(f"{path.name}: {error}") from error


def hpo_rl_bench(game: str, root: Path | None = None) -> Table:
    """PPO on ``enduro`` (108 configurations x 5 seeds) or ``pong`` (108 x 3): mean return of the last 10 evaluations.

    Standardised to mean 0 and sd 1 over the configurations. ``root``: the folder of data, default ``KDSEARCH_DATA``;
    the file is ``hpo_rl_bench/ppo_static.npz`` below it (Shala et al., AutoML-Conf 2024). The numbers searched are
    those of the grid: log10 of the learning rate from -6 to -1, gamma from 0.8 to 1, the clipping range from 0.2 to
    0.4.
    """
    if game not in HPO_RL_BENCH:
        raise KdsearchError(f"HPO-RL-Bench has {', '.join(HPO_RL_BENCH)} here, got {game!r}")
    folder = root or environment.data_root()
    path = folder / "hpo_rl_bench" / "ppo_static.npz" if folder else None
    if path is None or not path.is_file():
        raise KdsearchError(
            f"expected hpo_rl_bench/ppo_static.npz below the data folder, found none in {folder or 'no folder'}; "
            f"set {environment.DATA} to the folder that holds hpo_rl_bench"
        )
    with np.load(path) as archive:
        names = [str(name) for name in archive["config_columns"]]
        grid = np.round(archive[f"{game}_config"].astype(np.float64), 6)
        returns = archive[f"{game}_eval_return"].astype(np.float64)
        seconds = np.nanmax(archive[f"{game}_wall_s"], axis=2).astype(np.float64)
    space = {name: Uniform(float(grid[:, i].min()), float(grid[:, i].max())) for i, name in enumerate(names)}
    # A run that stopped early ends in nan: its last evaluations are the last there are.
    final = np.array([[run[np.isfinite(run)][-LAST_EVALUATIONS:].mean() for run in runs] for runs in returns])
    params = tuple(dict(zip(names, map(float, row), strict=True)) for row in grid)
    return Table(game, space, params, final, seconds).scaled()


_Read = tuple[str, Space, str | None, list[dict[str, Any]]]
"""Name, space and direction of a study, as far as the file says them, and its runs."""


def _archive(path: Path) -> _Read:
    with np.load(path) as archive:
        meta = json.loads(bytes(archive["meta"]))
        names = ("configuration", "seed", "pool", "state", "objective", "seconds")
        columns = {name: archive[name] for name in names}
    records = [
        {
            "params": meta["configurations"][position]["params"],
            "seed": int(seed),
            "pool": meta["pools"][pool],
            "state": meta["states"][state],
            "objective": float(objective),
            "seconds": float(seconds),
        }
        for position, seed, pool, state, objective, seconds in zip(*columns.values(), strict=True)
    ]
    return meta["study"], _space(meta["space"]), meta.get("direction"), records


def _document(path: Path) -> _Read:
    document = json.loads(path.read_text())
    space, runs = _space(document.get("space", {})), [_record(run) for run in document["runs"]]
    return document["study"], space, document.get("direction"), runs


def _lines(path: Path) -> _Read:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    return lines[0]["study"] if lines else path.stem, {}, None, [_record(line) for line in lines]


def _record(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A flat run of JSON or CSV; an empty cell or a null is a number that is missing."""
    prefix = "param."
    return {
        "params": {
            name[len(prefix) :]: value
            for name, value in flat.items()
            if name.startswith(prefix) and value not in ("", None)
        },
        "seed": int(flat["seed"]),
        "pool": flat["pool"],
        "state": flat["state"],
        **{name: float("nan") if flat[name] in ("", None) else float(flat[name]) for name in ("objective", "seconds")},
    }


def _space(stored: Mapping[str, Any]) -> Space:
    return {name: dimension_from(identity) for name, identity in stored.items()}


def _typed(space: Space, params: Mapping[str, Any]) -> dict[str, Scalar]:
    """The searched numbers as the space has them: in CSV everything is text."""
    return {name: _scalar(dimension, params[name]) for name, dimension in space.items() if name in params}


def _scalar(declared: Dimension, value: Any) -> Scalar:
    dimension = unconditional(declared)
    if isinstance(dimension, Categorical):
        return next((choice for choice in dimension.choices if str(choice) == str(value)), str(value))
    number = float(value)
    return int(number) if isinstance(dimension, Integer) and number.is_integer() else number
