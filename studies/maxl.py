"""Meta auxiliary learning (MAXL) on CIFAR-10: do labels that a second network makes up help the first?

The SSKT repository compares it with transfer from a network of another task; each column is one recipe. Here the winner
stands beside itself with ``auxiliary_weight`` 0, on common seeds. In the document the test set is scored in each epoch,
and the number of runs behind a spread is not said.

    kdsearch launch studies/maxl.py                  small networks on 1,000 images, CPU cores
    kdsearch launch studies/maxl.py --preset full    VGG16-BN, psi 5, 200 epochs, GPUs (30 hours a run in the original)

``--preset methods`` and ``--preset full-methods`` stand beside KD, mutual learning and transfer: see
``cifar10_temperature.py``.
"""

import kdsearch as kd
from kdsearch import data, tasks

VEHICLES = ("airplane", "automobile", "ship", "truck")

SPACE = {
    "auxiliary_weight": kd.log(0.01, 10),
    "entropy_weight": kd.log(0.01, 2),
    "generator_learning_rate": kd.log(1e-3, 1),
}
"""Of the original's recipe: its learning rates fall by epochs, so that patience means nothing."""

RECIPE = {
    "augment": "crop-flip",
    "schedule_name": "steps",
    "milestones": (50, 100, 150),
    "factor": 0.5,
    "batch": 100,
    "epochs": 200,
    "evaluate_every": 1,
    "learning_rate": 1e-2,
}
"""The original's."""

study = kd.Study(
    name="maxl",
    task=tasks.MetaAuxiliary(
        data=data.cifar10(train=2000, test=1000, folds=2),
        student={"network": "studentnet", "width": 16},
        psi=3,
        augment="flip",
        batch=50,
        epochs=8,
        evaluate_every=2,
        learning_rate=5e-2,
    ),
    space={**SPACE, "patience": kd.integer(1, 4)},
    baselines={
        "network alone": {"auxiliary_weight": 0.0},
        "as in the paper": {"auxiliary_weight": 1.0, "entropy_weight": 0.2, "generator_learning_rate": 1e-3},
    },
    published=[
        kd.Published("MAXL, VGG16, psi 5", 0.9349, "± 0.0005"),
        kd.Published("SSKT from ImageNet's VGG16, VGG16, focal", 0.941, "± 0.001"),
        kd.Published("SSKT from ImageNet's VGG16, VGG16, CE", 0.9422, "± 0.0002"),
        kd.Published("MAXL, ResNet-20, psi 10", 0.9156, "± 0.0016"),
        kd.Published("SSKT from ImageNet's VGG16, ResNet-20, focal", 0.9148, "± 0.0003"),
        kd.Published("SSKT from Places' and ImageNet's ResNet-50, ResNet-20, CE", 0.9246, "± 0.0015"),
    ],
    budget=kd.Budget(runs=12),
    confirm=kd.Confirm(seeds=4, finalists=0),
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
            "task": {
                "data": data.cifar10(train=1200, test=800, folds=3, classes=VEHICLES),
                "epochs": 15,
                "evaluate_every": 3,
            },
            # Half a minute a run: the paper's numbers stand in the other presets.
            "baselines": {},
            "confirm": kd.Confirm(seeds=8, finalists=0),
        },
        "full-methods": {
            "task": {
                "data": data.cifar10(),
                "student": {"network": "resnet20", "width": 16},
                "psi": 10,
                **RECIPE,
            },
            "space": SPACE,
            "budget": kd.Budget(runs=20),
            "confirm": kd.Confirm(seeds=10, finalists=0),
        },
        "full": {
            "task": {
                "data": data.cifar10(),
                "student": {"network": "vgg16_bn", "width": 64},
                "psi": 5,
                **RECIPE,
            },
            "space": SPACE,
            "budget": kd.Budget(runs=40),
            "confirm": kd.Confirm(seeds=8, finalists=1),
        },
    },
)
