"""Output of the program to a pipe that is closed, to nothing, to a full disk, in an encoding of few characters."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kdsearch.cli import output
from kdsearch.cli.app import app

EXAMPLES = f"{shlex.quote(sys.executable)} -m kdsearch studies examples"


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("> /dev/full", 1, "error: [Errno 28] No space left on device\n"),
    ],
)
def test_output_that_goes_nowhere(tmp_path: Path, redirection: str, code: int, said: str) -> None:
    environment = {**os.environ, "KDSEARCH_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = f"{EXAMPLES} {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_a_pipe_that_is_closed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["sh", "-c", EXAMPLES],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "KDSEARCH_HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait() in (0, 1)  # 1 where the pipe was found closed before the end of the command


def test_help_has_plain_characters_only(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    command = typer.main.get_command(app)
    commands = [command]
    while commands:
        one = commands.pop()
        commands += getattr(one, "commands", {}).values()
        texts = [one.help or "", one.short_help or ""]
        texts += [getattr(parameter, "help", "") or "" for parameter in one.params]
        assert "".join(texts).isascii(), one.name


def test_commands_print_through_one_door() -> None:
    for file in Path(output.__file__).parent.glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        printed = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        assert file.name == "output.py" or not printed, f"{file.name} prints texts of users without say()"
