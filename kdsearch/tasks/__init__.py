"""What is trained. Importing a task declares it; torch is imported when a run trains."""

from kdsearch.tasks.base import RunContext, RunRequest, RunResult, Task
from kdsearch.tasks.function import FunctionTask
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.meta_auxiliary.task import MetaAuxiliary
from kdsearch.tasks.mutual_learning.task import MutualLearning
from kdsearch.tasks.transfer.task import SourceNetwork, Transfer
from kdsearch.tasks.video_hashing.task import VideoHashing

__all__ = [
    "FunctionTask",
    "ImageClassification",
    "MetaAuxiliary",
    "MutualLearning",
    "RunContext",
    "RunRequest",
    "RunResult",
    "SourceNetwork",
    "Task",
    "Transfer",
    "VideoHashing",
]
