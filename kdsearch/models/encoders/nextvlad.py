"""NeXtVLAD: frame features of a video aggregated around learnt centres, for tagging whole videos."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsearch.models.layers.batch_norm import BatchNorm1d
from kdsearch.models.layers.dropout import StreamDropout


class TagsOutput(NamedTuple):
    """``representation`` ``[B, hidden]`` and ``logits`` ``[B, classes]``, each class by itself (multi-label)."""

    representation: Tensor
    logits: Tensor


class NeXtVLADBlock(nn.Module):
    """Frames ``[B, T, features]`` and their mask ``[B, T]`` to ``[B, clusters * expansion * features / groups]``.

    Each frame is widened to ``expansion * features`` numbers and cut into ``groups`` vectors ``x_tg`` of width D. With
    attention ``a_tg`` (a sigmoid, 0 where masked) and soft assignments ``s_tgk`` (a softmax over K clusters):

        ``V_k = sum_tg a_tg s_tgk (x_tg - c_k)``, then ``V_k / |V_k|`` and batch norm over all K D numbers

    Source: Lin, Xiao and Fan, "NeXtVLAD", ECCV 2018 workshops, arXiv 1811.05014; layers as in
    linrongc/youtube-8m, ``nextvlad.py``. The assignment's batch norm counts padded frames too, as it does there. Raises
    ``ValueError`` for groups that do not divide the width.
    """

    def __init__(self, features: int, clusters: int = 128, groups: int = 8, expansion: int = 2) -> None:
        super().__init__()
        wide = expansion * features
        if wide % groups:
            raise ValueError(f"groups must divide {expansion} x {features} = {wide}, got {groups}")
        self.clusters, self.groups = clusters, groups
        self.features = clusters * wide // groups
        self.expand = nn.Linear(features, wide)
        self.attend = nn.Linear(wide, groups)
        self.assign = nn.Linear(wide, groups * clusters, bias=False)
        self.assign_norm = BatchNorm1d(groups * clusters)
        self.centres = nn.Parameter(torch.randn(clusters, wide // groups) * wide**-0.5)
        self.norm = BatchNorm1d(self.features)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The aggregate of each video, see above for shapes."""
        x = self.expand(frames)
        attention = torch.sigmoid(self.attend(x)) * mask.unsqueeze(-1)
        logits = self.assign_norm(self.assign(x).flatten(0, 1)).unflatten(0, x.shape[:2])
        # All groups of all frames stand in one row: [B, T G, K] and [B, T G, D].
        share = torch.softmax(logits.unflatten(2, (self.groups, self.clusters)), -1) * attention.unsqueeze(-1)
        share, x = share.flatten(1, 2), x.unflatten(2, (self.groups, -1)).flatten(1, 2)
        residual = share.mT @ x - share.sum(1).unsqueeze(-1) * self.centres
        aggregate: Tensor = self.norm(F.normalize(residual, dim=2).flatten(1))
        return aggregate


class NeXtVLAD(nn.Module):
    """Frame features ``[B, T, video + audio]``, a frame of zeros being none, to tags.

    Two blocks (audio with half the clusters and groups), dropout, a linear layer to ``hidden`` numbers with batch norm,
    a gate ``h * sigmoid(W2 relu(norm(W1 h)))`` of ``hidden / reduction`` numbers, and a linear classifier. The gated
    vector is the representation that is distilled (the YouTube-8M repository). Source: as :class:`NeXtVLADBlock`.
    """

    def __init__(
        self,
        classes: int = 3862,
        video: int = 1024,
        audio: int = 128,
        clusters: int = 128,
        groups: int = 8,
        hidden: int = 2048,
        reduction: int = 8,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.streams = [video, audio]
        self.video = NeXtVLADBlock(video, clusters, groups)
        self.audio = NeXtVLADBlock(audio, max(1, clusters // 2), max(1, groups // 2))
        self.dropout = StreamDropout(dropout)
        self.hidden = nn.Linear(self.video.features + self.audio.features, hidden, bias=False)
        self.hidden_norm = BatchNorm1d(hidden)
        self.squeeze = nn.Linear(hidden, max(1, hidden // reduction), bias=False)
        self.squeeze_norm = BatchNorm1d(max(1, hidden // reduction))
        self.excite = nn.Linear(max(1, hidden // reduction), hidden)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor) -> TagsOutput:
        """Representation and logits of a batch of videos."""
        mask = (frames != 0).any(-1).to(frames.dtype)
        video, audio = torch.split(frames, self.streams, -1)
        x = self.dropout(torch.cat((self.video(video, mask), self.audio(audio, mask)), 1))
        x = self.hidden_norm(self.hidden(x))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze_norm(self.squeeze(x)))))
        x = x * gate
        return TagsOutput(x, self.classify(x))
