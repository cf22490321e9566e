"""The replay on small files, and on the project's without its commands, which ``make docker-replay`` runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docker import replay
from tests.docker.dockerfile import DockerfileError, parse, read
from tests.docker.replay import BY_NAME, NOTHING_TO_DO, Image, Replay

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders without a Python: that takes seconds to make."""
    monkeypatch.setattr(replay, "_make_base", lambda root, base: root.mkdir(parents=True))


def carried_out(text: str, folder: Path, **arguments: str) -> tuple[Image, Replay]:
    context = folder / "context"
    (context / "package" / "inner").mkdir(parents=True, exist_ok=True)
    for name in ("one.txt", "two.txt", "package/a.py", "package/inner/b.py"):
        (context / name).write_text(name)
    done = Replay(parse(text), context, folder / "images", arguments)
    return done.build(done.file.stages[-1].name), done


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_steps_come_out_as_in_docker(tmp_path: Path) -> None:
    text = """
    ARG KIND=plain
    FROM base:1 AS first
    WORKDIR /made
    COPY one.txt two.txt ./
    COPY package package
    RUN cat one.txt > /made/three.txt && echo dropped > /dev/null
    FROM base:1 AS plain
    FROM base:1 AS other
    FROM ${KIND} AS last
    ARG WORD=default
    ENV PLACE=/data NAME=$WORD
    COPY --from=first /made/*.txt /data/
    COPY one.txt /renamed.txt
    WORKDIR /data
    WORKDIR sub
    RUN echo "$NAME $WORD" > said.txt; printf %s "$PLACE" > /data/place.txt
    RUN ["sh", "-c", "echo exec > /data/exec.txt"]
    USER 7:7
    HEALTHCHECK --timeout=1s CMD ["true"]
    ENTRYPOINT ["sh"]
    """
    image, done = carried_out(text.replace("\n    ", "\n"), tmp_path, WORD="given")
    first = tmp_path / "images" / "first"
    names = ["made/one.txt", "made/package/a.py", "made/package/inner/b.py", "made/three.txt", "made/two.txt"]
    assert files(first) == names
    assert (first / "made/three.txt").read_text() == "one.txt"
    in_data = ["exec.txt", "one.txt", "place.txt", "sub/said.txt", "three.txt", "two.txt"]
    assert files(image.root) == [*(f"data/{name}" for name in in_data), "renamed.txt"]
    assert (image.root / "data/sub/said.txt").read_text() == "given given\n"
    assert (image.root / "data/place.txt").read_text() == f"{image.root}/data"
    assert (image.user, image.entrypoint, image.health) == ("7:7", ["sh"], ["true"])
    assert [words.split(":")[0] for words in done.skipped] == ["FROM base"]


def test_another_variant_stands_on_another_stage(tmp_path: Path) -> None:
    text = "ARG KIND=a\nFROM x:1 AS a\nRUN echo a > /kind\nFROM x:1 AS b\nRUN echo b > /kind\nFROM $KIND AS last\n"
    for kind in ("a", "b"):
        image, _ = carried_out(text, tmp_path / kind, KIND=kind)
        assert (image.root / "kind").read_text() == f"{kind}\n"


def test_a_step_that_changes_the_machine_is_named(tmp_path: Path) -> None:
    step = "RUN apt-get update && apt-get install -y x && rm -rf /var/lib/apt/lists/*"
    _, done = carried_out(f"FROM x:1 AS a\n{step}\n", tmp_path)
    assert done.skipped[1:] == [f"line 2: {step}"]


def test_a_step_that_root_alone_can_do_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = "RUN install --directory /made"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    image, _ = carried_out(f"FROM x:1 AS a\n{step}\n", tmp_path / "root")
    assert (image.root / "made").is_dir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    image, done = carried_out(f"FROM x:1 AS a\n{step}\n", tmp_path / "user")
    assert not (image.root / "made").exists()
    assert done.skipped[1:] == [f"line 2: {step}"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("RUN useradd me && touch /x", "touch in one step with useradd"),
        ("RUN rm -rf /", "/ alone"),
        ("RUN rm -rf / /x", "/ alone"),
        ("RUN --mount=type=cache,target=/x true", "RUN --mount is not carried out"),
        ("RUN false", "RUN ended with 1"),
        ("COPY three.txt /", "finds no three.txt"),
        ("COPY --link one.txt /x", "COPY --link is not carried out"),
        ("ADD one.txt /x", "ADD is not carried out"),
    ],
)
def test_what_cannot_be_carried_out_ends_it(tmp_path: Path, step: str, words: str) -> None:
    with pytest.raises(DockerfileError, match=words):
        carried_out(f"FROM x:1 AS a\n{step}\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("cp /a/b.txt /c", "cp R/a/b.txt R/c"),
        ("a=/b:/c/d", "a=R/b:R/c/d"),
        ("'/a' \"/b\"", "'R/a' \"R/b\""),
        ("x >/a 2>/dev/null", "x >R/a 2>/dev/null"),
        ("--url https://host/path file:///x", "--url https://host/path file:///x"),
        ("sub/folder ./x ../y a*/b $HOME/c ${HOME}/d", "sub/folder ./x ../y a*/b $HOME/c ${HOME}/d"),
    ],
)
def test_paths_stay_inside(text: str, inside: str) -> None:
    assert Image(Path("R")).inside(text) == inside


def test_processes_get_nothing_of_this_machine_but_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KDSEARCH_DATA", "PYTHONPATH", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "here")
    image = Image(tmp_path, {"KDSEARCH_HOME": "/home/x"})
    building, running = image.environment(building=True), image.environment(building=False)
    assert building["PIP_INDEX_URL"] == "here"
    assert not {"PIP_INDEX_URL", "KDSEARCH_DATA", "PYTHONPATH"} & set(running)
    assert running["HOME"] == running["KDSEARCH_HOME"] == f"{tmp_path}/home/x"
    assert running["PATH"].startswith(f"{tmp_path}/usr/local/bin:")


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_the_projects_file_can_be_carried_out(variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        lines.append(command[-1])
        if "pip wheel" in command[-1]:
            (tmp_path / "wheel" / "wheel").mkdir()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = Replay(read(ROOT / "docker" / "Dockerfile"), ROOT, tmp_path, {"VARIANT": variant})
    image = done.build("image")
    names = {step.name for stage in done.file.stages for step in stage.steps}
    assert names - set(NOTHING_TO_DO) == {"ARG", "COPY", "ENV", "RUN", "USER", "WORKDIR"}
    runs = [step for stage in done.file.chain("image", VARIANT=variant) for step in stage.steps if step.name == "RUN"]
    left = [words for words in done.skipped if "RUN" in words]
    assert len(left) == 1
    assert all(name in left[0] for name in BY_NAME[1:])
    assert len(lines) == len(runs) - len(left) + 2, "and those of the stage wheel: its own, and that of its base"
    assert any("torch torchvision" in line for line in lines) == (variant == "cpu")
    assert (image.user, image.workdir) == ("10001:10001", "/kdsearch")
    assert (image.root / "kdsearch" / "studies" / "jhmdb_weights.py").is_file()
    assert image.entrypoint == ["kdsearch"]
    assert image.health == ["kdsearch", "db", "url"]


def test_a_base_of_another_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(DockerfileError, match=r"python:3\.1-slim needs Python 3\.1, this is"):
        replay._make_base(tmp_path / "x", "python:3.1-slim")
