"""Transfer by the soft labels of another task's network (SSKT): which alpha, temperature and auxiliary loss?

The published figures are the first table of the SSKT repository, in which the test set is scored in each epoch and the
number of runs behind a spread is not said. It transfers from ImageNet's and Places365's ResNet-50. Without those
weights the small form makes its own source: a network trained on six of CIFAR-10's classes labels the images of the
other four.

    kdsearch launch studies/sskt_transfer.py                  animals label vehicles, CPU cores
    kdsearch launch studies/sskt_transfer.py --preset full    STL10 with ImageNet's ResNet-50, GPUs
    kdsearch launch studies/sskt_transfer.py --preset voc     Pascal VOC, ResNet-18, several classes an image
    kdsearch launch studies/sskt_transfer.py --preset cifar100  CIFAR-100 with ResNet-20
    kdsearch launch studies/sskt_transfer.py --preset vgg16   VGG16-BN from ImageNet's VGG16, as beside MAXL
    kdsearch launch studies/sskt_transfer.py --preset ucf101  clips, Hara's 3-D ResNet-18; the source sees a frame
    kdsearch launch studies/sskt_transfer.py --preset hmdb51  the same on HMDB51
    kdsearch launch studies/sskt_transfer.py --preset ucf101-tuned   from Kinetics' weights, the last stage alone
    kdsearch launch studies/sskt_transfer.py --preset hmdb51-tuned   the same on HMDB51

``--preset methods`` and ``--preset full-methods`` stand beside KD, mutual learning and MAXL: see
``cifar10_temperature.py``.
"""

from pathlib import Path
from typing import Any

import kdsearch as kd
from kdsearch import data, environment, tasks

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
VEHICLES = ("airplane", "automobile", "ship", "truck")

IMAGENET = tasks.SourceNetwork(
    "imagenet", {"network": "resnet50", "weights": "IMAGENET1K_V1"}, classes=1000, enlarge=224
)

IMAGENET_VGG = tasks.SourceNetwork(
    "imagenet", {"network": "imagenet_vgg16_bn", "weights": "IMAGENET1K_V1"}, classes=1000, enlarge=224
)
"""The source of the document's second table, beside MAXL."""

PLACES_FILE = "resnet50_places365.pth.tar"
"""CSAILVision's weights, which torchvision has not: put the file into KDSEARCH_DATA to transfer from both."""


def places() -> tuple[tasks.SourceNetwork, ...]:
    """Places365's ResNet-50, where its file is."""
    root = environment.data_root()
    if root is None or not (root / PLACES_FILE).is_file():
        return ()
    network = {"network": "resnet50", "weights": str(root / PLACES_FILE)}
    return (tasks.SourceNetwork("places365", network, classes=365, enlarge=224),)


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

TUNED = {
    "weights": str((environment.data_root() or Path("KDSEARCH_DATA")) / "resnet-18-kinetics.pth"),
    "tune_from": 4,
}
"""Hara's weights of Kinetics, put into KDSEARCH_DATA; only the last stage and the heads learn, as in the original."""


def on_clips(videos: Any, **student: Any) -> dict[str, Any]:
    """Hara's 3-D ResNet-18 on 16 frames of 112 pixels, as in the original; the source sees the centre frame."""
    return {
        "data": data.clips(videos, frames=16),
        "student": {"network": "hara_resnet18", "width": 64, **student},
        **RECIPE,
        "augment": "flip",
        "size": 112,
    }


SPACE = {
    "alpha": kd.log(0.01, 10),
    "temperature": kd.log(1, 16),
    "auxiliary": kd.categorical(["ce", "kd", "focal"]),
}
"""Of the recipe: its learning rate falls by epochs, so that patience means nothing."""

study = kd.Study(
    name="sskt_transfer",
    task=tasks.Transfer(
        data=data.cifar10(train=1200, test=800, folds=3, classes=VEHICLES),
        transfer_from=(
            tasks.SourceNetwork(
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
    space={**SPACE, "patience": kd.integer(1, 4)},
    baselines={
        "student alone": {"alpha": 0.0},
        "the seed's 0.1, T=3": {"alpha": 0.1, "temperature": 3.0, "auxiliary": "ce"},
        "its command's kd": {"alpha": 0.1, "temperature": 3.0, "auxiliary": "kd"},
    },
    published=[
        kd.Published("SSKT from Places and ImageNet, ResNet-20 (CIFAR-10)", 0.9246, "± 0.0015"),
        kd.Published("SSKT from Places and ImageNet, ResNet-32 (CIFAR-10)", 0.9338, "± 0.0002"),
        kd.Published("SSKT from ImageNet, ResNet-20 (CIFAR-100)", 0.6863, "± 0.0012"),
        kd.Published("SSKT from Places and ImageNet, ResNet-32 (CIFAR-100)", 0.7094, "± 0.0036"),
        kd.Published("SSKT from Places and ImageNet, ResNet-20 (STL10)", 0.8456, "± 0.0035"),
        kd.Published("SSKT from ImageNet, ResNet-32 (STL10)", 0.8368, "± 0.0028"),
        kd.Published("SSKT from Places and ImageNet, ResNet-18 (VOC)", 0.7642, "± 0.0006; AP of each image"),
        kd.Published("SSKT from Places and ImageNet, ResNet-34 (VOC)", 0.7702, "± 0.0002; AP of each image"),
        kd.Published("SSKT from Places and ImageNet, ResNet-50 (VOC)", 0.771, "± 0.0014; AP of each image"),
        kd.Published("SSKT from Places and ImageNet, 3-D ResNet-18, scratch (UCF101)", 0.5219, "one number"),
        kd.Published("SSKT from Places, 3-D ResNet-18, fine-tuned (UCF101)", 0.8458, "one number"),
        kd.Published("SSKT from Places and ImageNet, 3-D ResNet-18, scratch (HMDB51)", 0.1791, "one number"),
        kd.Published("SSKT from Places, 3-D ResNet-18, fine-tuned (HMDB51)", 0.5782, "one number"),
        kd.Published("KD, ResNet-20 (CIFAR-10)", 0.9175, "± 0.0024"),
        kd.Published("KD, ResNet-32 (CIFAR-10)", 0.9261, "± 0.0031"),
        kd.Published("KD, ResNet-20 (CIFAR-100)", 0.6866, "± 0.0024"),
        kd.Published("KD, ResNet-32 (CIFAR-100)", 0.705, "± 0.0005"),
        kd.Published("KD, ResNet-20 (STL10)", 0.7767, "± 0.0141"),
        kd.Published("KD, ResNet-32 (STL10)", 0.7607, "± 0.0067"),
        kd.Published("KD, ResNet-18 (VOC)", 0.6411, "± 0.0018; AP of each image"),
        kd.Published("KD, ResNet-34 (VOC)", 0.6457, "± 0.0012; AP of each image"),
        kd.Published("KD, ResNet-50 (VOC)", 0.6239, "± 0.006; AP of each image"),
        kd.Published("DML, ResNet-20 (CIFAR-10)", 0.9237, "± 0.0015"),
        kd.Published("DML, ResNet-32 (CIFAR-10)", 0.9326, "± 0.0021"),
        kd.Published("DML, ResNet-20 (CIFAR-100)", 0.6948, "± 0.0005"),
        kd.Published("DML, ResNet-32 (CIFAR-100)", 0.719, "± 0.0003"),
        kd.Published("DML, ResNet-20 (STL10)", 0.7823, "± 0.0123"),
        kd.Published("DML, ResNet-32 (STL10)", 0.7714, "± 0.0164"),
        kd.Published("DML, ResNet-18 (VOC)", 0.3989, "± 0.0007; AP of each image"),
        kd.Published("DML, ResNet-34 (VOC)", 0.3997, "± 0.0016; AP of each image"),
        kd.Published("DML, ResNet-50 (VOC)", 0.3965, "± 0.0003; AP of each image"),
        kd.Published("DML, 3-D ResNet-18, scratch (UCF101)", 0.138, "one number"),
        kd.Published("DML, 3-D ResNet-18, fine-tuned (UCF101)", 0.8395, "one number"),
        kd.Published("DML, 3-D ResNet-18, scratch (HMDB51)", 0.0301, "one number"),
        kd.Published("DML, 3-D ResNet-18, fine-tuned (HMDB51)", 0.5644, "one number"),
    ],
    budget=kd.Budget(runs=28),
    confirm=kd.Confirm(seeds=6, finalists=0),
    # The source's accuracy is of another task: there is no gap between it and the student to look at.
    preflight_seeds=0,
    min_effect=0.01,
    presets={
        "smoke": {
            "task": {
                "data": data.cifar10(train=240, test=200, folds=3, classes=VEHICLES),
                "transfer_from": (
                    tasks.SourceNetwork(
                        "animals",
                        {"network": "studentnet", "width": 8, "epochs": 2},
                        data=data.cifar10(train=300, test=120, validation=0.1, classes=ANIMALS),
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
        "methods": {"budget": kd.Budget(runs=16), "confirm": kd.Confirm(seeds=8, finalists=0)},
        "full-methods": {
            "task": {"data": data.cifar10(), "student": {"network": "resnet20", "width": 16}, **RECIPE},
            "space": SPACE,
            "budget": kd.Budget(runs=60),
            "confirm": kd.Confirm(seeds=10, finalists=0),
        },
        "full": {
            "task": {"data": data.stl10(), "student": {"network": "resnet20", "width": 16}, **RECIPE},
            "space": SPACE,
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "cifar100": {
            "task": {"data": data.cifar100(), "student": {"network": "resnet20", "width": 16}, **RECIPE},
            "space": SPACE,
            "budget": kd.Budget(runs=120),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "vgg16": {
            "task": {
                "data": data.cifar10(),
                "student": {"network": "vgg16_bn", "width": 64},
                **RECIPE,
                "transfer_from": (IMAGENET_VGG,),
            },
            "published": [
                kd.Published("SSKT from ImageNet's VGG16, VGG16, focal", 0.941, "± 0.001"),
                kd.Published("SSKT from ImageNet's VGG16, VGG16, CE", 0.9422, "± 0.0002"),
                kd.Published("MAXL, VGG16, psi 5", 0.9349, "± 0.0005"),
            ],
            "space": SPACE,
            "budget": kd.Budget(runs=60),
            "confirm": kd.Confirm(seeds=10, finalists=1),
        },
        "ucf101": {"task": on_clips(data.ucf101(split=1)), "space": SPACE, "budget": kd.Budget(runs=40)},
        "hmdb51": {"task": on_clips(data.hmdb51(split=1)), "space": SPACE, "budget": kd.Budget(runs=40)},
        "ucf101-tuned": {
            "task": on_clips(data.ucf101(split=1), **TUNED),
            "space": {**SPACE, "learning_rate": kd.log(1e-3, 0.1)},
            "budget": kd.Budget(runs=40),
        },
        "hmdb51-tuned": {
            "task": on_clips(data.hmdb51(split=1), **TUNED),
            "space": {**SPACE, "learning_rate": kd.log(1e-3, 0.1)},
            "budget": kd.Budget(runs=40),
        },
        "voc": {
            # The seed's metric.
            "task": {
                "data": data.voc(),
                "student": {"network": "resnet18", "width": 64},
                **RECIPE,
                "augment": "resized-crop",
                "size": 224,
                "quirks": ("per_image_average_precision",),
            },
            "space": SPACE,
            "budget": kd.Budget(runs=60),
        },
    },
)
