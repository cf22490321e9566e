"""To Weights & Biases: a run a seed, grouped by its configuration; offline unless asked otherwise."""

from __future__ import annotations

from pathlib import Path

from kdsearch.errors import KdsearchError
from kdsearch.integrations.trackers.tracked import steps, tracked
from kdsearch.ledger.records import StudyResults


def export(results: StudyResults, folder: Path, *, project: str | None = None, online: bool = False) -> int:
    """Write all runs below ``folder/wandb``; returns how many. ``wandb sync`` sends what was written offline.

    Raises ``KdsearchError`` without wandb, and where it refuses.
    """
    try:
        import wandb
    except ImportError:
        raise KdsearchError('this export needs wandb: pip install "kdsearch[wandb]"') from None
    folder.mkdir(parents=True, exist_ok=True)
    study, count = results.study, 0
    try:
        for run in tracked(results):
            made = wandb.init(
                project=project or study.name.replace("@", "-").replace("/", "-"),
                group=run.group,
                name=run.name,
                job_type=run.tags["pool"],
                config=dict(run.config),
                tags=[run.tags["kind"], run.tags["pool"], *(["winner"] if run.tags["winner"] == "true" else [])],
                notes=run.tags["data"],
                dir=str(folder),
                mode="online" if online else "offline",
                reinit=True,
                settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
            )
            for step, (epoch, values) in zip(steps(run), run.curve, strict=True):
                made.log({"epoch": epoch, **values}, step=step)
            made.summary.update({**run.metrics, "state": run.tags["state"], "kdsearch_run": run.id})
            made.finish(exit_code=1 if run.failed else 0)
            count += 1
    except wandb.errors.Error as error:
        raise KdsearchError(f"Weights & Biases refuses: {error}") from error
    return count
