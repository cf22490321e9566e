"""JHMDB retrieval by 48-bit codes: which weights, temperature, alpha and patience help a student of half the frames?

The JHMDB hashing repository tuned the weights of triplet and representation loss by hand, one run a configuration, and
gave up on JHMDB: the same parameters gave any result. Here each configuration gets seeds, and what is reported took
part in no choice.

    kdsearch launch studies/jhmdb_weights.py                      poses, a pose network, CPU cores
    kdsearch launch studies/jhmdb_weights.py --preset split2      the second official split; also split3, see below
    kdsearch launch studies/jhmdb_weights.py --preset silhouettes person-centred silhouettes, all 21 classes
    kdsearch launch studies/jhmdb_weights.py --preset full        RGB frames, Hara's 3-D ResNet-18, GPUs

The field reports the mean over JHMDB's three splits. Each is searched by itself; then, mean ± sd, without a verdict:

    kdsearch compare studies/jhmdb_weights.py --preset cpu --preset split2 --preset split3
"""

import kdsearch as kd
from kdsearch import data, tasks

study = kd.Study(
    name="jhmdb_weights",
    task=tasks.VideoHashing(
        data=data.jhmdb(protocol="split1", modality="poses"),
        teacher={"frames": 20, "width": 96},
        student={"frames": 10, "width": 32},
    ),
    space={
        "representation_weight": kd.log(1e-3, 30),
        "triplet_weight": kd.log(1e-2, 2),
        "alpha": kd.uniform(0, 1),
        "temperature": kd.log(1, 16),
        "patience": kd.integer(1, 10),
    },
    baselines={
        "student alone": {"representation_weight": 0, "alpha": 0},
        # The original's recommended weights. It has no classification term, and neither has this baseline.
        "seed 1+0.001": {
            "triplet_weight": 1,
            "representation_weight": 1e-3,
            "classification_weight": 0,
            "alpha": 0,
            "patience": 3,
        },
    },
    published=[
        kd.Published(
            "student, 10 frames (JHMDB hashing repository)",
            0.500361,
            "RGB, 3-D ResNet-18, own lists; best epoch on test",
        ),
        kd.Published(
            "teacher, 20 frames (JHMDB hashing repository)",
            0.576061,
            "RGB, 3-D ResNet-18, own lists; best epoch on test",
        ),
        kd.Published(
            "KD 1+0.001 (JHMDB hashing repository)", 0.5310, "RGB, 3-D ResNet-18, own lists; best epoch on test"
        ),
    ],
    budget=kd.Budget(runs=360),
    # Each fresh seed has a fold and a teacher of its own: half of them for what is beside the first comparison.
    confirm=kd.Confirm(seeds=40, others=20, finalists=1),
    min_effect=0.01,
    preflight_seeds=5,
    presets={
        "smoke": {
            "task": {"epochs": 4, "evaluate_every": 2, "student": {"width": 8}, "teacher": {"width": 16}},
            "budget": kd.Budget(runs=8),
            "confirm": kd.Confirm(seeds=2, finalists=1),
        },
        "cpu": {},
        # As cpu, which is split 1.
        "split2": {"task": {"data": data.jhmdb(protocol="split2", modality="poses")}},
        "split3": {"task": {"data": data.jhmdb(protocol="split3", modality="poses")}},
        # A harder signal: 21 classes, small 3-D networks. The teacher sees twice the frames at twice the width.
        "silhouettes": {
            "task": {
                "data": data.jhmdb(protocol="split1", modality="silhouettes"),
                "teacher": {"frames": 10, "width": 16},
                "student": {"frames": 5, "width": 8},
                "epochs": 40,
            },
            "budget": kd.Budget(runs=40),
            "confirm": kd.Confirm(seeds=8, finalists=1),
        },
        "full": {
            "task": {
                "data": data.jhmdb(protocol="split1", modality="frames"),
                "encoder": "hara_resnet18",
                "size": 112,
                "epochs": 300,
                "optimizer": "sgd",
                "learning_rate": 1e-4,
                "teacher": {"frames": 20, "width": 64},
                "student": {"frames": 10, "width": 64},
            },
            "budget": kd.Budget(runs=200),
        },
    },
)
