"""Deep mutual learning on CIFAR-10: does a classifier learn more beside a peer than by itself?

The SSKT repository reports 92.37 for a ResNet-20 that learns with a peer, and no peer-less row beside it. Here the
winner stands beside itself with ``mutual_weight`` 0, on common seeds. In the document the test set is scored in each
epoch, and the number of runs behind a spread is not said.

    kdsearch launch studies/mutual_learning.py                  small peers on 2,000 images, CPU cores
    kdsearch launch studies/mutual_learning.py --preset full    two ResNet-20 on CIFAR-10, 200 epochs, GPUs
    kdsearch launch studies/mutual_learning.py --preset cifar100  the same on CIFAR-100
    kdsearch launch studies/mutual_learning.py --preset stl10   the same on STL10
    kdsearch launch studies/mutual_learning.py --preset ucf101  3-D ResNet-18 on clips; also --preset hmdb51

``--preset methods`` and ``--preset full-methods`` stand beside KD, transfer and MAXL: see ``cifar10_temperature.py``.
"""

from typing import Any

import kdsearch as kd
from kdsearch import data, tasks

RECIPE = {
    "student": {"network": "resnet20", "width": 16},
    "augment": "crop-flip",
    "optimizer": "sgd-nesterov",
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule_name": "steps",
    "milestones": (60, 120, 180),
    "batch": 64,
    "epochs": 200,
    "evaluate_every": 1,
}
"""The paper's: SGD 0.1 with Nesterov momentum, divided by 10 every 60 epochs, batch 64; SSKT's weight decay."""

VEHICLES = ("airplane", "automobile", "ship", "truck")

SPACE = {"mutual_weight": kd.log(0.05, 20), "temperature": kd.log(0.5, 8)}
"""Of the recipe: its learning rate falls by epochs, so that patience means nothing."""


def on_clips(videos: Any) -> dict[str, Any]:
    """Two of Hara's 3-D ResNet-18 on 16 frames of 112 pixels, as the SSKT repository has them."""
    return {
        "data": data.clips(videos, frames=16),
        **RECIPE,
        "student": {"network": "hara_resnet18", "width": 64},
        "augment": "flip",
        "size": 112,
    }


study = kd.Study(
    name="mutual_learning",
    task=tasks.MutualLearning(
        data=data.cifar10(train=3000, test=1000, folds=3),
        student={"network": "studentnet", "width": 16},
        augment="flip",
        batch=64,
        epochs=9,
        evaluate_every=3,
        learning_rate=2e-3,
    ),
    space={**SPACE, "patience": kd.integer(1, 3)},
    baselines={
        "peers apart": {"mutual_weight": 0.0},
        "as in the paper": {"mutual_weight": 1.0, "temperature": 1.0},
    },
    published=[
        kd.Published("DML, ResNet-20 (CIFAR-10)", 0.9237, "± 0.0015"),
        kd.Published("DML, ResNet-32 (CIFAR-10)", 0.9326, "± 0.0021"),
        kd.Published("DML, ResNet-20 (CIFAR-100)", 0.6948, "± 0.0005"),
        kd.Published("DML, ResNet-32 (CIFAR-100)", 0.719, "± 0.0003"),
        kd.Published("DML, ResNet-20 (STL10)", 0.7823, "± 0.0123"),
        kd.Published("DML, ResNet-32 (STL10)", 0.7714, "± 0.0164"),
        kd.Published("KD, ResNet-20 (CIFAR-10)", 0.9175, "± 0.0024"),
        kd.Published("KD, ResNet-32 (CIFAR-10)", 0.9261, "± 0.0031"),
        kd.Published("KD, ResNet-20 (CIFAR-100)", 0.6866, "± 0.0024"),
        kd.Published("KD, ResNet-32 (CIFAR-100)", 0.705, "± 0.0005"),
        kd.Published("KD, ResNet-20 (STL10)", 0.7767, "± 0.0141"),
        kd.Published("KD, ResNet-32 (STL10)", 0.7607, "± 0.0067"),
    ],
    budget=kd.Budget(runs=18),
    confirm=kd.Confirm(seeds=6, finalists=0),
    min_effect=0.01,
    presets={
        "smoke": {
            "task": {
                "data": data.cifar10(train=300, test=200, folds=3),
                "student": {"width": 4},
                "epochs": 2,
                "evaluate_every": 1,
            },
            "budget": kd.Budget(runs=6),
            "confirm": kd.Confirm(seeds=2, finalists=1),
        },
        "cpu": {},
        "methods": {
            "task": {"data": data.cifar10(train=1200, test=800, folds=3, classes=VEHICLES), "epochs": 15},
            "budget": kd.Budget(runs=12),
            "confirm": kd.Confirm(seeds=8, finalists=0),
        },
        "full-methods": {
            "task": {
                "data": data.cifar10(),
                **RECIPE,
                "optimizer": "sgd",
                "milestones": (60, 120, 160),
                "factor": 0.2,
                "batch": 128,
            },
            "space": SPACE,
            "budget": kd.Budget(runs=60),
            "confirm": kd.Confirm(seeds=10, finalists=0),
        },
        "full": {
            "task": {"data": data.cifar10(), **RECIPE},
            "space": SPACE,
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "cifar100": {
            "task": {"data": data.cifar100(), **RECIPE},
            "space": SPACE,
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "stl10": {
            "task": {"data": data.stl10(), **RECIPE},
            "space": SPACE,
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "ucf101": {
            "task": on_clips(data.ucf101(split=1)),
            "space": SPACE,
            "budget": kd.Budget(runs=40),
            "published": [
                kd.Published("DML, 3-D ResNet-18, scratch (UCF101)", 0.138, "one number"),
                kd.Published("DML, 3-D ResNet-18, fine-tuned (UCF101)", 0.8395, "one number"),
            ],
        },
        "hmdb51": {
            "task": on_clips(data.hmdb51(split=1)),
            "space": SPACE,
            "budget": kd.Budget(runs=40),
            "published": [
                kd.Published("DML, 3-D ResNet-18, scratch (HMDB51)", 0.0301, "one number"),
                kd.Published("DML, 3-D ResNet-18, fine-tuned (HMDB51)", 0.5644, "one number"),
            ],
        },
    },
)
