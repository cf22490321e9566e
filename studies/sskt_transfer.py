"""Transfer by the soft labels of another task's network (SSKT): which alpha, temperature and auxiliary loss?

Seed document 002 transfers from ImageNet's and Places365's ResNet-50. Without those weights the small form makes its
own source: a network trained on six of CIFAR-10's classes labels the images of the other four.

    kdsearch launch studies/sskt_transfer.py                  animals label vehicles, CPU cores
    kdsearch launch studies/sskt_transfer.py --preset full    STL10 with ImageNet's ResNet-50, GPUs
    kdsearch launch studies/sskt_transfer.py --preset voc     Pascal VOC, ResNet-18, several classes an image
    kdsearch launch studies/sskt_transfer.py --preset ucf101  clips, Hara's 3-D ResNet-18; the source sees a frame
"""

import kdsearch as kd
from kdsearch import data
from kdsearch import settings
from kdsearch import tasks

NOTE = "seed 002, mean of some runs"
"""How many it does not say; the test set is scored in each epoch."""

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
VEHICLES = ("airplane", "automobile", "ship", "truck")

IMAGENET = tasks.Source("imagenet", {"network": "resnet50", "weights": "IMAGENET1K_V1"}, classes=1000, enlarge=224)

PLACES_FILE = "resnet50_places365.pth.tar"
"""CSAILVision's weights, which torchvision has not: put the file into KDSEARCH_DATA to transfer from both."""


def places() -> tuple[tasks.Source, ...]:
    """Places365's ResNet-50, where its file is."""
    root = settings.data_root()
    if root is None or not (root / PLACES_FILE).is_file():
        return ()
    network = {"network": "resnet50", "weights": str(root / PLACES_FILE)}
    return (tasks.Source("places365", network, classes=365, enlarge=224),)


RECIPE = {
    "transfer_from": (*places(), IMAGENET),
    "hidden": 1000,
    "augment": "crop-flip",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule_name": "steps",
    "milestones": (60, 120, 160),
    "factor": 0.2,
    "batch": 128,
    "epochs": 200,
    "evaluate_every": 1,
}
"""The original's: SGD 0.1 with momentum and weight decay 5e-4, times 0.2 at 60, 120 and 160 epochs, batch 128."""

study = kd.Study(
    name="sskt_transfer",
    task=tasks.Transfer(
        data=data.cifar10(train=1200, test=800, validation=1 / 3, classes=VEHICLES),
        transfer_from=(
            tasks.Source(
                "animals",
                {"network": "studentnet", "width": 32, "epochs": 12},
                data=data.cifar10(train=2400, test=1200, validation=1 / 6, classes=ANIMALS),
            ),
        ),
        student={"network": "studentnet", "width": 16},
        hidden=16,
        augment="flip",
        batch=64,
        epochs=15,
        evaluate_every=3,
        learning_rate=2e-3,
    ),
    space={
        "alpha": kd.log(0.01, 10),
        "temperature": kd.log(1, 16),
        "auxiliary": kd.categorical(["ce", "kd", "focal"]),
        "patience": kd.integer(1, 4),
    },
    baselines={
        "student alone": {"alpha": 0.0},
        "the seed's 0.1, T=3": {"alpha": 0.1, "temperature": 3.0, "auxiliary": "ce"},
        "its command's kd": {"alpha": 0.1, "temperature": 3.0, "auxiliary": "kd"},
    },
    published=[
        kd.Published("SSKT, ResNet-20 (CIFAR-10, Places and ImageNet)", 0.9246, NOTE),
        kd.Published("SSKT, ResNet-20 (CIFAR-100, ImageNet)", 0.6863, NOTE),
        kd.Published("SSKT, ResNet-20 (STL10, Places and ImageNet)", 0.8456, NOTE),
        kd.Published("SSKT, ResNet-18 (VOC, Places and ImageNet)", 0.7642, NOTE + "; AP of each image"),
        kd.Published("SSKT, 3-D ResNet-18 from scratch (UCF101)", 0.5219, NOTE),
        kd.Published("KD, ResNet-20 (STL10)", 0.7767, NOTE),
        kd.Published("DML, ResNet-20 (STL10)", 0.7823, NOTE),
    ],
    budget=kd.Budget(runs=24),
    confirm=kd.Confirm(seeds=6, finalists=0),
    # The source's accuracy is of another task: there is no gap between it and the student to look at.
    preflight_seeds=0,
    min_effect=0.01,
    presets={
        "smoke": {
            "task": {
                "data": data.cifar10(train=240, test=200, validation=1 / 3, classes=VEHICLES),
                "transfer_from": (
                    tasks.Source(
                        "animals",
                        {"network": "studentnet", "width": 8, "epochs": 2},
                        data=data.cifar10(train=300, test=120, classes=ANIMALS),
                    ),
                ),
                "student": {"width": 4},
                "hidden": 8,
                "epochs": 2,
                "evaluate_every": 1,
            },
            "budget": kd.Budget(runs=6),
            "confirm": kd.Confirm(seeds=2, finalists=1),
        },
        "cpu": {},
        "full": {
            "task": {"data": data.stl10(), "student": {"network": "resnet20", "width": 16}, **RECIPE},
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        # The original has 16 frames and 128 clips a batch; the source sees the centre frame.
        "ucf101": {
            "task": {
                "data": data.clips(data.ucf101(split=1), frames=16),
                "student": {"network": "hara_resnet18", "width": 64},
                **RECIPE,
                "augment": "flip",
                "size": 112,
            },
            "budget": kd.Budget(runs=40),
        },
        "voc": {
            "task": {"data": data.voc(), "student": {"network": "resnet18", "width": 64}, **RECIPE, "size": 224},
            "budget": kd.Budget(runs=60),
        },
    },
)
