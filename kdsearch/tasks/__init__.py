"""What is trained. Importing a task declares it; torch is imported when a run trains."""

from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.base import Task
from kdsearch.tasks.function import FunctionTask
from kdsearch.tasks.video_hashing import VideoHashing

__all__ = ["FunctionTask", "RunContext", "RunRequest", "RunResult", "Task", "VideoHashing"]
