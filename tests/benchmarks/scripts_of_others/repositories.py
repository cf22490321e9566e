"""What is put beside the scripts of a clone: its data loader, on images that are here, and a study; none is edited."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

_IMAGES = '''
import os

import numpy as np

from kdsearch.torchvision_compat import import_torchvision

import_torchvision()

import torch
import torchvision.transforms as T

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
COUNT = int(os.environ["IMAGES"])


class Images(torch.utils.data.Dataset):
    def __init__(self, first, last, transform, numbered=False):
        with np.load(os.environ["CIFAR"]) as file:
            self.pixels, self.labels = file["x_train"][first:last], file["y_train"][first:last]
        self.transform = T.Compose([T.ToPILImage(), *transform, T.ToTensor(), T.Normalize(MEAN, STD)])
        self.numbered = numbered

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        found = self.transform(self.pixels[index]), int(self.labels[index])
        return (*found, index) if self.numbered else found


def loaders(batch, numbered=False):
    """Training images, and 500 others of the same file that validate; no test image is looked at."""
    train = Images(0, COUNT, [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip()], numbered)
    validation = Images(COUNT, COUNT + 500, [])
    return (
        torch.utils.data.DataLoader(train, batch_size=batch, shuffle=True),
        torch.utils.data.DataLoader(validation, batch_size=100, shuffle=False),
    )
'''

_KD_PYTORCH = """
import os

import kdsearch as kd

study = kd.Study(
    "kd-pytorch",
    kd.tasks.Command(
        "{python} -m trainer --T={T} --alpha={alpha} --kd_mode={mode} --n_epoch=2 --lr=0.002",
        objective=kd.tasks.Pattern(r"Acc: ([\\d.]+)% \\(\\d+/500\\)", epoch=r"Epoch: (\\d+)"),
        chance=10.0,
        metric="accuracy in %",
        copy=True,
        terminal=True,
        teacher=kd.tasks.TeacherCommand(
            "{python} -m pretrainer --optimizer=sgd --lr=0.02 --start_epoch=1 --n_epoch=2 --model_name=ckpt",
            output="checkpoint/ckpt.pth",
        ),
        teacher_at="checkpoint/ckpt.pth",
        teacher_parameters="alpha",
        without_teacher="{python} -m pretrainer --optimizer=adam --lr=0.002 --n_epoch=2 --network=studentnet",
        environment={name: os.environ[name] for name in ("CIFAR", "IMAGES")},
    ),
    space={"T": kd.log(1, 16), "alpha": kd.uniform(0, 1), "mode": kd.categorical("cse", "mse")},
    baselines={"as published": {"T": 8.0, "alpha": 0.3, "mode": "cse"}},
    budget=kd.Budget(runs=RUNS),
    confirm=kd.Confirm(seeds=2, finalists=0),
    min_effect=1.0,
)
"""

_REPDISTILLER = """
import os

import kdsearch as kd

study = kd.Study(
    "repdistiller",
    kd.tasks.Command(
        "{python} train_student.py --path_t=save/models/resnet20_cifar100/resnet20_last.pth --distill=kd "
        "--model_s=resnet8 -r={gamma} -a={alpha} -b=0 --kd_T={temperature} --epochs=2 --num_workers=2",
        # Each epoch prints the accuracy of training, then that of validation: the last one counts.
        objective=r"\\* Acc@1 ([\\d.]+)",
        chance=1.0,
        metric="accuracy in %",
        copy=True,
        teacher=kd.tasks.TeacherCommand(
            "{python} train_teacher.py --model=resnet20 --epochs=2 --num_workers=2",
            output="save/models/resnet20_cifar100_lr_0.05_decay_0.0005_trial_0/resnet20_last.pth",
        ),
        teacher_at="save/models/resnet20_cifar100/resnet20_last.pth",
        teacher_parameters="alpha",
        without_teacher="{python} train_teacher.py --model=resnet8 --epochs=2 --num_workers=2",
        # Its checkpoints hold its options, which torch unpickles since 2.6 only where it is told to.
        environment={
            **{name: os.environ[name] for name in ("CIFAR", "IMAGES")},
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
        },
    ),
    space={
        "temperature": kd.log(1, 16),
        "alpha": kd.uniform(0, 1),
        "gamma": kd.uniform(0, 1),
    },
    baselines={"as published": {"temperature": 4.0, "alpha": 0.9, "gamma": 0.1}},
    budget=kd.Budget(runs=RUNS),
    confirm=kd.Confirm(seeds=2, finalists=0),
    min_effect=1.0,
)
"""


@dataclass(frozen=True)
class Repository:
    """``scripts`` must be in a clone; ``files``: what is put beside them; ``study``: the study file's text."""

    scripts: tuple[str, ...]
    files: dict[str, str]
    study: str

    def prepare(self, clone: Path, folder: Path, runs: int) -> Path:
        """Copy the clone, put the files beside its scripts; returns the study file."""
        missing = [name for name in self.scripts if not (clone / name).is_file()]
        if missing:
            raise SystemExit(f"expected a clone with {', '.join(self.scripts)}; {clone} lacks {', '.join(missing)}")
        shutil.copytree(clone, folder, ignore=shutil.ignore_patterns(".git"))
        for name, text in self.files.items():
            (folder / name).write_text(text)
        file = folder / "study.py"
        file.write_text(self.study.replace("RUNS", str(runs)))
        return file


REPOSITORIES = {
    "kd-pytorch": Repository(
        ("trainer.py", "pretrainer.py", "dataset.py"),
        {"dataset.py": f"{_IMAGES}\n\ndef get_loader():\n    return loaders(128)\n"},
        _KD_PYTORCH,
    ),
    "repdistiller": Repository(
        ("train_student.py", "train_teacher.py", "dataset/cifar100.py"),
        {
            # Its prints format tensors of one value, which torch refuses by now; its logger is not maintained any more.
            "dataset/cifar100.py": f"{_IMAGES}\n\n"
            "torch.Tensor.__format__ = lambda self, spec: format(self.item(), spec)\n\n\n"
            "def get_cifar100_dataloaders(batch_size=128, num_workers=8, is_instance=False):\n"
            "    train, validation = loaders(batch_size, is_instance)\n"
            "    return (train, validation, COUNT) if is_instance else (train, validation)\n\n\n"
            "get_cifar100_dataloaders_sample = None\n",
            "tensorboard_logger.py": "class Logger:\n    def __init__(self, **options):\n        pass\n\n"
            "    def log_value(self, name, value, step):\n        pass\n",
        },
        _REPDISTILLER,
    ),
}
