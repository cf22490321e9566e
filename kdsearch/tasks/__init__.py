"""What is trained. Importing a task declares it; torch is imported when a run trains."""

from kdsearch.tasks.base import RunContext, RunRequest, RunResult, Task
from kdsearch.tasks.command.fields import TeacherCommand
from kdsearch.tasks.command.readings import CsvFile, JsonLines, LastLine, Pattern, TensorBoard
from kdsearch.tasks.command.task import Command
from kdsearch.tasks.function import FunctionTask
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.meta_auxiliary.task import MetaAuxiliary
from kdsearch.tasks.mutual_learning.task import MutualLearning
from kdsearch.tasks.transfer.task import SourceNetwork, Transfer
from kdsearch.tasks.video_hashing.task import VideoHashing

__all__ = [
    "Command",
    "CsvFile",
    "FunctionTask",
    "ImageClassification",
    "JsonLines",
    "LastLine",
    "MetaAuxiliary",
    "MutualLearning",
    "Pattern",
    "RunContext",
    "RunRequest",
    "RunResult",
    "SourceNetwork",
    "Task",
    "TeacherCommand",
    "TensorBoard",
    "Transfer",
    "VideoHashing",
]
