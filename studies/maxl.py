"""Meta auxiliary learning (MAXL) on CIFAR-10: do labels that a second network makes up help the first?

Seed document 002 compares it with transfer from a network of another task; each column is one recipe. Here the winner
stands beside itself with ``auxiliary_weight`` 0, on common seeds.

    kdsearch launch studies/maxl.py                  small networks on 1,000 images, CPU cores
    kdsearch launch studies/maxl.py --preset full    VGG16-BN, psi 5, 200 epochs, GPUs (30 hours a run in the original)
"""

import kdsearch as kd
from kdsearch import data
from kdsearch import tasks

NOTE = "seed 002, mean of some runs"
"""How many it does not say; the test set is scored in each epoch."""

study = kd.Study(
    name="maxl",
    task=tasks.MetaAuxiliary(
        data=data.cifar10(train=2000, test=1000, validation=1 / 2),
        student={"network": "studentnet", "width": 16},
        psi=3,
        augment="flip",
        batch=50,
        epochs=8,
        evaluate_every=2,
        learning_rate=5e-2,
    ),
    space={
        "auxiliary_weight": kd.log(0.01, 10),
        "entropy_weight": kd.log(0.01, 2),
        "generator_learning_rate": kd.log(1e-3, 1),
        "patience": kd.integer(1, 4),
    },
    baselines={
        "network alone": {"auxiliary_weight": 0.0},
        "as in the paper": {"auxiliary_weight": 1.0, "entropy_weight": 0.2, "generator_learning_rate": 1e-3},
    },
    published=[
        kd.Published("MAXL, VGG16, psi 5", 0.9349, NOTE),
        kd.Published("SSKT from ImageNet, VGG16, focal", 0.941, NOTE),
        kd.Published("SSKT from ImageNet, VGG16, CE", 0.9422, NOTE),
        kd.Published("MAXL, ResNet-20, psi 10", 0.9156, NOTE),
        kd.Published("SSKT from ImageNet, ResNet-20, focal", 0.9148, NOTE),
        kd.Published("SSKT from Places and ImageNet, ResNet-20, CE", 0.9246, NOTE),
    ],
    budget=kd.Budget(runs=8),
    confirm=kd.Confirm(seeds=4, finalists=0),
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
            "task": {
                "data": data.cifar10(),
                "student": {"network": "vgg16_bn", "width": 64},
                "psi": 5,
                "augment": "crop-flip",
                "schedule_name": "steps",
                "milestones": (50, 100, 150),
                "factor": 0.5,
                "batch": 100,
                "epochs": 200,
                "evaluate_every": 1,
                "learning_rate": 1e-2,
            },
            "budget": kd.Budget(runs=40),
            "confirm": kd.Confirm(seeds=8, finalists=1),
        },
    },
)
