"""UCF101 retrieval by 48-bit codes: which weights, temperature, alpha and patience help a student of half the frames?

The JHMDB hashing repository tuned the weights of triplet and representation loss by hand: four pairs, one run each. Its
best pair gains 0.007 over the student, less than two runs of one configuration may differ by. Here each configuration
gets seeds, validation clips are held out of train by source video, and what is reported took part in no choice.

    kdsearch launch studies/ucf101_weights.py                 four classes, small frames, a tiny network, CPU cores
    kdsearch launch studies/ucf101_weights.py --preset full   all of split 1, that repository's recipe, GPUs

KDSEARCH_DATA names the folder with UCF-101/<class>/<video>.avi and ucfTrainTestlist; without videos drawn figures
stand in. That repository's networks start from Hara's resnet-18-kinetics.pth: put it into KDSEARCH_DATA too, since at a
learning rate of 1e-4 networks that start from noise do not come near the published figures.
"""

import kdsearch as kd
from kdsearch import data, environment, tasks

NOTE = "3-D ResNet-18 from Kinetics weights, one run; best epoch on test, own lists"

FOUR = ("CleanAndJerk", "Fencing", "HorseRiding", "PlayingGuitar")
"""Unlike each other: a network of some thousand weights is to tell them apart on 24 pixels."""

PAIRS = {"1+0.9": (1, 0.9), "1+1": (1, 1), "0.9+1": (0.9, 1), "0.8+1": (0.8, 1)}
"""a and b of its ``a * L3 + b * Lrep``. It has no classification term, and neither have these baselines."""

SPACE = {
    "representation_weight": kd.log(1e-3, 30),
    "triplet_weight": kd.log(1e-2, 2),
    "alpha": kd.uniform(0, 1),
    "temperature": kd.log(1, 16),
    "patience": kd.integer(1, 10),
}


def baselines() -> dict[str, dict[str, float]]:
    """The student alone and that repository's four pairs."""
    rows: dict[str, dict[str, float]] = {"student alone": {"representation_weight": 0, "alpha": 0}}
    for name, (triplet, representation) in PAIRS.items():
        rows[f"seed {name}"] = {
            "triplet_weight": triplet,
            "representation_weight": representation,
            "classification_weight": 0,
            "alpha": 0,
            "patience": 3,
        }
    return rows


def pretrained() -> dict[str, str]:
    """The seed's first weights, where they are."""
    root = environment.data_root()
    path = None if root is None else root / "resnet-18-kinetics.pth"
    return {"weights": str(path)} if path is not None and path.is_file() else {}


study = kd.Study(
    name="ucf101_weights",
    task=tasks.VideoHashing(
        # A fifth validates: a tenth would be a dozen clips.
        data=data.ucf101(split=1, classes=FOUR, folds=5),
        encoder="hara_resnet18",
        size=24,
        teacher={"frames": 8, "width": 8, "epochs": 45},
        student={"frames": 4, "width": 4},
        batch=30,
        epochs=16,
        evaluate_every=2,
    ),
    space=SPACE,
    baselines=baselines(),
    published=[
        kd.Published("student, 16 frames (JHMDB hashing repository)", 0.768573, NOTE),
        kd.Published("teacher, 32 frames (JHMDB hashing repository)", 0.801399, NOTE),
        kd.Published("KD 1+0.9 (JHMDB hashing repository)", 0.773046, NOTE),
        kd.Published("KD 1+1 (JHMDB hashing repository)", 0.773641, NOTE),
        kd.Published("KD 0.9+1 (JHMDB hashing repository)", 0.775777, NOTE),
        kd.Published("KD 0.8+1 (JHMDB hashing repository)", 0.769519, NOTE),
    ],
    budget=kd.Budget(runs=34),
    confirm=kd.Confirm(seeds=4, finalists=1),
    min_effect=0.01,
    presets={
        "smoke": {
            "task": {
                "size": 16,
                "epochs": 2,
                "teacher": {"frames": 4, "width": 2},
                "student": {"frames": 2, "width": 1},
            },
            "budget": kd.Budget(runs=6),
            "confirm": kd.Confirm(seeds=2, finalists=1),
        },
        "cpu": {},
        "full": {
            "task": {
                "data": data.ucf101(split=1),
                "size": 112,
                "teacher": {
                    "frames": 32,
                    "width": 64,
                    "epochs": 300,
                    **pretrained(),
                },
                "student": {"frames": 16, "width": 64, **pretrained()},
                "optimizer": "sgd",
                "learning_rate": 1e-4,
                "bits": 48,
                "margin": 14.0,
                "batch": 120,
                "epochs": 300,
                "evaluate_every": 5,
            },
            "budget": kd.Budget(runs=200),
            "confirm": kd.Confirm(seeds=10, finalists=3),
        },
    },
)
