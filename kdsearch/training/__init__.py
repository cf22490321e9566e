"""How a run is trained: random streams, loop, steppers, optimizers, schedules, checkpoints, the teacher's cache."""
