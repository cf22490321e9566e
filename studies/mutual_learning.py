"""Deep mutual learning on CIFAR-10: does a classifier learn more beside a peer than by itself?

Seed document 002 reports 92.37 for a ResNet-20 that learns with a peer, and no peer-less row beside it. Here the winner
stands beside itself with ``mutual_weight`` 0, on common seeds.

    kdsearch launch studies/mutual_learning.py                  small peers on 2,000 images, CPU cores
    kdsearch launch studies/mutual_learning.py --preset full    two ResNet-20 on CIFAR-10, 200 epochs, GPUs
    kdsearch launch studies/mutual_learning.py --preset cifar100  the same on CIFAR-100
"""

import kdsearch as kd
from kdsearch import data
from kdsearch import tasks

NOTE = "seed 002, mean of some runs"
"""How many it does not say; the test set is scored in each epoch."""

RECIPE = {
    "student": {"network": "resnet20", "width": 16},
    "augment": "crop-flip",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule_name": "steps",
    "milestones": (60, 120, 180),
    "batch": 64,
    "epochs": 200,
    "evaluate_every": 1,
}
"""The paper's: SGD 0.1, divided by 10 every 60 epochs, 200 epochs, batch 64."""

study = kd.Study(
    name="mutual_learning",
    task=tasks.MutualLearning(
        data=data.cifar10(train=3000, test=1000, validation=1 / 3),
        student={"network": "studentnet", "width": 16},
        augment="flip",
        batch=64,
        epochs=9,
        evaluate_every=3,
        learning_rate=2e-3,
    ),
    space={
        "mutual_weight": kd.log(0.05, 20),
        "temperature": kd.log(0.5, 8),
        "patience": kd.integer(1, 3),
    },
    baselines={
        "peers apart": {"mutual_weight": 0.0},
        "as in the paper": {"mutual_weight": 1.0, "temperature": 1.0},
    },
    published=[
        kd.Published("KD, ResNet-20 (CIFAR-10)", 0.9175, NOTE),
        kd.Published("DML, ResNet-20 (CIFAR-10)", 0.9237, NOTE),
        kd.Published("DML, ResNet-32 (CIFAR-10)", 0.9326, NOTE),
        kd.Published("DML, ResNet-20 (CIFAR-100)", 0.6948, NOTE),
        kd.Published("DML, ResNet-32 (CIFAR-100)", 0.719, NOTE),
        kd.Published("DML, ResNet-20 (STL10)", 0.7823, NOTE),
    ],
    budget=kd.Budget(runs=14),
    confirm=kd.Confirm(seeds=6, finalists=0),
    min_effect=0.01,
    presets={
        "smoke": {
            "task": {
                "data": data.cifar10(train=300, test=200, validation=1 / 3),
                "student": {"width": 4},
                "epochs": 2,
                "evaluate_every": 1,
            },
            "budget": kd.Budget(runs=6),
            "confirm": kd.Confirm(seeds=2, finalists=1),
        },
        "cpu": {},
        "full": {
            "task": {"data": data.cifar10(), **RECIPE},
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "cifar100": {
            "task": {"data": data.cifar100(), **RECIPE},
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
    },
)
