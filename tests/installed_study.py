"""A study of a user who has no clone: a function that takes no time, for a wheel and for an image."""

STUDY = """
import random
import kdsearch as kd

def train(params, seed, report):
    return 0.5 - (params["rate"] - 0.3) ** 2 + random.Random(seed).gauss(0, 0.01)

study = kd.Study(
    name="own",
    task=train,
    space={"rate": kd.uniform(0, 1)},
    baselines={"half": {"rate": 0.5}},
    budget=kd.Budget(runs=12),
    confirm=kd.Confirm(seeds=3, finalists=1),
)
"""
