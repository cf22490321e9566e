"""A plain training loop as the original's works: DataLoader, live teacher at each batch, numpy ranking per query.

Two forms. ``usual=True`` as such loops are written, the original's among them: the transform runs per clip in the
dataset, Adam is torch's default. Else, wherever a choice is left, the faster one: the transform runs on whole batches,
Adam is fused. In both, raw clips lie in memory, the database's codes serve validation too, and the distances of a query
are one numpy expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset

from kdsearch.data import sample_uniform
from kdsearch.models.heads.hashing import HashingNetwork
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks.base import Role
from kdsearch.training.files import load_safely
from kdsearch.training.optimizers import make_optimizer

from .setting import Setting

Triplets = Callable[[Tensor, Tensor, float], Tensor]
IntArray = NDArray[np.integer]


class ClipDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """One item a clip: what teacher and student see of it and the label; raw frames, or transformed where ``usual``."""

    def __init__(self, setting: Setting, rows: IntArray, usual: bool) -> None:
        self.clips = [setting.ragged[row] for row in rows]
        self.usual = usual
        self.step = setting.task.network("teacher").frames // setting.task.network("student").frames
        self.prepare = ENCODERS[setting.task.encoder_name("student")].prepare
        self.labels = [int(label) for label in setting.clips.labels[rows]]
        self.frames = setting.task.network("teacher").frames

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor, int]:
        clip = self.clips[item]
        frames = clip[sample_uniform(len(clip), self.frames)]
        seen = frames[:: self.step]
        if self.usual:
            return self.prepare(frames[None])[0], self.prepare(seen[None])[0], self.labels[item]
        return torch.from_numpy(frames), torch.from_numpy(seen), self.labels[item]


@dataclass
class Trained:
    """The student after its last epoch, the epochs that were evaluated, and the last numpy mAP on test."""

    student: nn.Module
    epochs: list[int] = field(default_factory=list)
    last: float = 0.0


class PlainLoop:
    """Networks, loaders and optimizer of one run."""

    def __init__(
        self, setting: Setting, triplets: Triplets, seed: int, workers: int = 0, *, usual: bool = False
    ) -> None:
        torch.manual_seed(seed)
        task, params = setting.task, setting.params
        self.setting, self.triplets, self.usual = setting, triplets, usual
        prepare = ENCODERS[task.encoder_name("student")].prepare
        self.read = (lambda frames: frames) if usual else (lambda frames: prepare(frames.numpy()))
        self.student = build(setting, "student")
        self.teacher = build(setting, "teacher").eval()
        self.teacher.load_state_dict(load_safely(setting.teacher)["state"])  # type: ignore[index]
        decay = float(params["weight_decay"])
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(self.student.parameters(), weight_decay=decay)
            if usual
            else make_optimizer(task.optimizer, self.student.parameters(), decay)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = float(params["learning_rate"])
        self.scheduler = ReduceLROnPlateau(self.optimizer, "max", factor=0.1, patience=int(params["patience"]))
        clips = setting.clips
        self.train_loader = self._loader(clips.train, workers, shuffle=True)
        self.database_loader = self._loader(clips.database, workers)
        self.query_loader = self._loader(clips.query, workers)

    def _loader(self, rows: IntArray, workers: int, shuffle: bool = False) -> DataLoader[tuple[Tensor, Tensor, int]]:
        return DataLoader(
            ClipDataset(self.setting, rows, self.usual),
            batch_size=self.setting.task.batch,
            shuffle=shuffle,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def run(self) -> Trained:
        """Train all epochs and evaluate on schedule."""
        task, trained = self.setting.task, Trained(self.student)
        for epoch in range(1, task.epochs + 1):
            self.train_epoch()
            if epoch % task.evaluate_every == 0 or epoch == task.epochs:
                objective, trained.last = self.evaluate()
                self.scheduler.step(objective)
                trained.epochs.append(epoch)
        return trained

    def train_epoch(self) -> float:
        """One pass over the training clips; the summed loss, read at each batch as the original does."""
        self.student.train()
        running = 0.0
        for frames, seen, labels in self.train_loader:
            loss = self.loss(frames, seen, labels)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            running += loss.item()
        return running

    def loss(self, frames: Tensor, seen: Tensor, labels: Tensor) -> Tensor:
        """The weighted sum of the four terms; the teacher sees every frame, the student every second one."""
        params = self.setting.params
        with torch.no_grad():
            target_codes, target_logits = self.teacher(self.read(frames))
        codes, logits = self.student(self.read(seen))
        temperature, alpha = float(params["temperature"]), float(params["alpha"])
        soft = F.kl_div(
            F.log_softmax(logits / temperature, 1),
            F.log_softmax(target_logits / temperature, 1),
            reduction="batchmean",
            log_target=True,
        )
        predictions = (1 - alpha) * F.cross_entropy(logits, labels) + alpha * temperature**2 * soft
        return (
            float(params["triplet_weight"]) * self.triplets(codes, labels, self.setting.task.margin)
            + float(params["representation_weight"]) * F.mse_loss(codes, target_codes)
            + float(params["classification_weight"]) * predictions
        )

    def evaluate(self) -> tuple[float, float]:
        """MAP of validation queries in the train part and of test queries in the database."""
        clips = self.setting.clips
        database, query = self.codes(self.database_loader), self.codes(self.query_loader)
        train, validation = (np.searchsorted(clips.database, part) for part in (clips.train, clips.validation))
        labels = clips.labels[clips.database]
        return (
            ranked_map(database[validation], database[train], labels[validation], labels[train]),
            ranked_map(query, database, clips.labels[clips.query], labels),
        )

    @torch.no_grad()
    def codes(self, loader: DataLoader[tuple[Tensor, Tensor, int]]) -> NDArray[np.int8]:
        """Sign codes of a loader's clips."""
        self.student.eval()
        parts = [torch.sign(self.student(self.read(seen))[0]) for _, seen, _ in loader]
        return torch.cat(parts).numpy().astype(np.int8)


def ranked_map(query: NDArray[np.int8], database: NDArray[np.int8], query_labels: IntArray, labels: IntArray) -> float:
    """The original's mAP: for each query the whole database is sorted by differing positions, ties as they fall."""

    def precisions() -> Iterator[float]:
        places = np.arange(1, len(database) + 1)
        for code, label in zip(query, query_labels, strict=True):
            order = np.argsort((database != code).sum(1))
            hits = labels[order] == label
            if hits.any():
                yield float((hits.cumsum() / places)[hits].mean())

    return float(np.mean(list(precisions())))


def build(setting: Setting, role: Role) -> HashingNetwork:
    """The same network that kdsearch builds for ``role``."""
    task = setting.task
    encoder = ENCODERS[task.encoder_name(role)].build(task.network(role).width)
    return HashingNetwork(encoder, task.bits, len(setting.clips.classes))
