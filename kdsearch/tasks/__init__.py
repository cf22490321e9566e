"""What is trained. Importing a task declares it; torch is imported when a run trains."""

from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.base import Task
from kdsearch.tasks.function import FunctionTask
from kdsearch.tasks.image_classification import ImageClassification
from kdsearch.tasks.meta_auxiliary import MetaAuxiliary
from kdsearch.tasks.mutual_learning import MutualLearning
from kdsearch.tasks.transfer import Source
from kdsearch.tasks.transfer import Transfer
from kdsearch.tasks.video_hashing import VideoHashing

__all__ = [
    "FunctionTask",
    "ImageClassification",
    "MetaAuxiliary",
    "MutualLearning",
    "RunContext",
    "RunRequest",
    "RunResult",
    "Source",
    "Task",
    "Transfer",
    "VideoHashing",
]
