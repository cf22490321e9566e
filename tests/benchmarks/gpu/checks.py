"""Correctness on the device: random streams, a run against the CPU's, a member against the run alone, bf16, graphs.

Each check returns what it saw in words, or raises :class:`Wrong`, or :class:`LeftOut` where it cannot be made.
Convolutions and products are float32 or float64 within: TF32 is off.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdsearch.tasks.base import Layout
from kdsearch.training.augmentation import CropFlip, ImageViews, ResizedCrop, boxes
from kdsearch.training.population.forward import check as compare_forms
from kdsearch.training.population.stepper import PopulationStepper
from kdsearch.training.randomness import views_key
from kdsearch.training.steppers import PlainStepper, Stepper
from tests.benchmarks.gpu.cells import FORMS, orders, use
from tests.benchmarks.gpu.graph import WARM, CapturedStep
from tests.benchmarks.gpu.runs import RUNS, Watched, alone, together
from tests.benchmarks.population.students import Hashing, Student

Students = Mapping[str, Student]
Check = Callable[[Students, str], str]
SMALL = 8
"""Clips on which both forms are compared."""
STEPS = 10
"""Of bf16 on one batch, within which its loss must fall."""


class Wrong(Exception):
    """What a check saw is not what it should."""


class LeftOut(Exception):
    """A check cannot be made here."""


@contextmanager
def exact() -> Iterator[None]:
    """Without TF32."""
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions


def streams(students: Students, device: str) -> str:
    """The views of images are the same numbers on the CPU and on the device, and show the same pixels."""
    clips, epochs = torch.arange(4096).view(4, 1024), torch.tensor([1, 2, 3, 400])
    keys = torch.tensor([views_key(seed) for seed in range(4)])
    pixels = torch.randint(256, (1024, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    kinds: list[tuple[ImageViews, float]] = [(CropFlip(4, flip=True), 0.0), (ResizedCrop(), 0.05)]
    furthest = 0.0
    for views, allowed in kinds:
        name, here = type(views).__name__, views.draw(clips, keys, epochs)
        there = views.draw(clips.to(device), keys.to(device), epochs.to(device))
        _equal(f"views of {name}", there, here)
        gap = _gap(views.cut(pixels.to(device), there[0]), views.cut(pixels, here[0]))
        if not gap <= allowed:
            raise Wrong(f"pixels of {name} differ by up to {gap:.3g} of 255, allowed are {allowed}")
        furthest = max(furthest, gap)
    words = ResizedCrop().draw(clips, keys, epochs).flatten()
    for here, there in zip(boxes(words, 32, 32), boxes(words.to(device), 32, 32), strict=True):
        _equal("boxes of ResizedCrop", there, here)
    return f"{clips.numel()} views of each kind are equal, pixels differ by up to {furthest:.2g} of 255"


def cpu_run(students: Students, device: str) -> str:
    """The same seed is the same run on the CPU and on the device: weights at its start, clips, losses."""
    task = _pose(students).task.with_options(epochs=2, evaluate_every=1)
    here, there = Watched(), Watched()
    for where, seen in (("cpu", here), (device, there)):
        with tempfile.TemporaryDirectory() as folder:
            alone(task, RUNS[0], where, torch.float32, Path(folder), seen)
    for name, value in here.first.items():
        _equal(f"first weights {name}", there.first[name], value)
    if here.clips != there.clips:
        raise Wrong("the batches hold other clips")
    gaps = [abs(a - b) / abs(a) for a, b in zip(here.losses, there.losses, strict=True)]
    if not (gaps[0] <= 1e-4 and max(gaps) <= 0.02):
        raise Wrong(f"losses differ by {gaps[0]:.2g} in the first step and up to {max(gaps):.2g}; allowed: 1e-4, 0.02")
    return f"weights and clips equal, losses of {len(gaps)} steps within {gaps[0]:.1g} (first) and {max(gaps):.1g}"


def member(students: Students, device: str) -> str:
    """In float64 a member of a population is the run alone: in both forms, of other numbers and folds, refilled."""
    task = _pose(students).task.with_options(epochs=2, evaluate_every=1)
    furthest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        want = [
            alone(task, request, device, torch.float64, Path(folder) / f"alone{i}") for i, request in enumerate(RUNS)
        ]
        for form in FORMS:
            # More runs than slots, so that a slot is filled anew.
            got = together(task, RUNS, device, form, len(RUNS) - 1, torch.float64, Path(folder) / form)
            for a, b in zip(got, want, strict=True):
                own = a.progress.best_weights
                gap = max(_gap(own[name], value) for name, value in b.progress.best_weights.items())
                if a.progress.curve["epoch"] != b.progress.curve["epoch"] or not gap <= 1e-8:
                    raise Wrong(f"{form}: weights differ from the run alone by up to {gap:.2g}, allowed is 1e-8")
                furthest = max(furthest, gap)
    return f"{len(RUNS)} runs in {len(RUNS) - 1} slots, both forms: weights within {furthest:.1g} of the runs alone"


def forms(students: Students, device: str) -> str:
    """Each student trains under vmap as in a loop (float64), and its first losses are those of the run alone."""
    furthest = 0.0
    for name, student in students.items():
        rows = student.clips(device)[: student.batch].unsqueeze(0)
        want = _losses(student.stepper(device, Layout(1)), rows, 2)
        for form in FORMS:
            stepper = student.stepper(device, Layout(2, form))
            assert isinstance(stepper, PopulationStepper)
            small = stepper.feed.take(rows[0, :SMALL], torch.device(device))
            inputs = torch.stack([small, small.flip(0)])
            fault = compare_forms(stepper.skeleton.train(), stepper.rows.views(), stepper.rows.buffers, inputs)
            if fault is not None:
                raise Wrong(f"{name}: {fault}")
            gap = max(abs(a - b) / abs(b) for a, b in zip(_losses(stepper, rows, 2), want, strict=True))
            if not gap <= 1e-3:
                raise Wrong(f"{name} {form}: losses differ from the run alone by {gap:.2g} of them, allowed is 1e-3")
            furthest = max(furthest, gap)
    return f"{', '.join(students)}: vmap as the loop, first two losses within {furthest:.1g} of the run alone"


def bfloat16(students: Students, device: str, *, name: str) -> str:
    """Under autocast: the first loss is near float32's, weights stay float32, and the loss falls."""
    student = students[name]
    rows = student.clips(device)[: student.batch].unsqueeze(0)
    (want,) = _losses(student.stepper(device, Layout(1)), rows, 1)
    furthest = 0.0
    for layout in (Layout(1), *(Layout(2, form) for form in FORMS)):
        stepper = student.stepper(device, layout)
        use(stepper, "bfloat16")
        losses = _losses(stepper, rows, STEPS)
        kinds = {value.dtype for value in stepper.weights(0).values() if value.is_floating_point()}
        gap = abs(losses[0] - want) / abs(want)
        if not gap <= 0.03 or kinds != {torch.float32} or not min(losses[1:]) < losses[0]:
            seen = f"first loss {gap:.2g} from float32's, weights {kinds}, losses {losses[0]:.4g} to {losses[-1]:.4g}"
            raise Wrong(f"{layout}: {seen}")
        furthest = max(furthest, gap)
    return f"one by one and in both forms: first losses within {furthest:.1g} of float32's, and they fall"


def graph(students: Students, device: str) -> str:
    """Launches of a captured step train as the ordinary step does; of students whose optimizer is SGD."""
    if torch.device(device).type != "cuda":
        raise LeftOut("needs CUDA")
    furthest = 0.0
    for name in ("studentnet", "resnet20"):
        student = students[name]
        batches = torch.split(orders(student.clips(device), 1)[:, : 3 * student.batch], student.batch, 1)
        plain, captured = student.capturable(device), student.capturable(device)
        launch = CapturedStep(captured, batches[0])
        for _ in range(WARM):
            plain.step(batches[0])
        for batch in batches:
            plain.step(batch)
            launch(batch)
        want = plain.weights(0)
        got = captured.weights(0)
        size = max(float(value.abs().max()) for key, value in want.items() if value.is_floating_point())
        gap = max(_gap(got[key], value) for key, value in want.items()) / size
        if not gap <= 1e-2:
            raise Wrong(f"{name}: weights differ by {gap:.2g} of the largest after {len(batches)} launches")
        furthest = max(furthest, gap)
    return f"studentnet, resnet20: weights after {len(batches)} launches within {furthest:.1g} of the largest"


CHECKS: Mapping[str, Check] = {
    "streams on CPU and device": streams,
    "a seed on CPU and device": cpu_run,
    "member = alone": member,
    "forms = alone": forms,
    **{f"bf16 {name}": partial(bfloat16, name=name) for name in ("pose", "studentnet", "masks", "resnet20")},
    "captured step": graph,
}


def run_check(name: str, students: Students, device: str) -> dict[str, Any]:
    """The row of one check: state ``passed``, ``failed`` or ``left out``, and what was seen."""
    try:
        with exact():
            return {"check": name, "state": "passed", "seen": CHECKS[name](students, device)}
    except LeftOut as error:
        return {"check": name, "state": "left out", "seen": str(error)}
    except Exception as error:
        return {"check": name, "state": "failed", "seen": first_line(error)}


def first_line(error: BaseException) -> str:
    """An exception in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _pose(students: Students) -> Hashing:
    student = students["pose"]
    assert isinstance(student, Hashing)
    return student


def _losses(stepper: Stepper, rows: Tensor, steps: int) -> list[float]:
    """The losses of the first slot in steps on the same clips."""
    if isinstance(stepper, PlainStepper):
        stepper.model.train()
    return [float(stepper.step(rows.expand(stepper.width, -1))[0]) for _ in range(steps)]


def _gap(got: Tensor, want: Tensor) -> float:
    return float((got.cpu().double() - want.cpu().double()).abs().max())


def _equal(what: str, got: Tensor, want: Tensor) -> None:
    if not torch.equal(got.cpu(), want.cpu()):
        raise Wrong(f"{what} are not equal")
