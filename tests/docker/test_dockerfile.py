"""The parser on texts of its own, and the checks: the project's Dockerfile passes, bad files are refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docker import ignore
from tests.docker.checks import CHECKS, commands
from tests.docker.dockerfile import DockerfileError, Step, expanded, parse, read

ROOT = Path(__file__).resolve().parents[2]
FILE = read(ROOT / "docker" / "Dockerfile")
GOOD = """
FROM python:3.11.15-slim-bookworm AS image
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir --constraint /c.txt thing && python -m pip install --no-cache-dir other==1
WORKDIR /here
ENV PLACE=/here
USER 10001:10001
HEALTHCHECK --timeout=5s CMD ["true"]
ENTRYPOINT ["thing"]
"""
BAD = {
    "bases_are_pinned": [
        ("python:3.11.15-slim-bookworm", "python"),
        ("python:3.11.15-slim-bookworm", "python:latest"),
        ("python:3.11.15-slim-bookworm", "python:3"),
        ("python:3.11.15-slim-bookworm", "${BASE:-python}"),
    ],
    "nothing_is_added": [("WORKDIR /here", "ADD https://example.org/x.tar.gz /")],
    "no_sudo": [("RUN apt-get", "RUN sudo apt-get"), ("WORKDIR /here", "RUN true; sudo true")],
    "apt_leaves_no_lists": [
        (" && rm -rf /var/lib/apt/lists/*", ""),
        (" --no-install-recommends", ""),
        ("install -y", "install"),
        ("apt-get install", "apt install"),
    ],
    "the_user_is_not_root": [
        ("USER 10001:10001\n", ""),
        ("USER 10001:10001", "USER 0"),
        ("USER 10001:10001", "USER root"),
        ("ENTRYPOINT", "USER 0:0\nENTRYPOINT"),
        ("USER 10001:10001", "USER kdsearch"),
    ],
    "health_is_checked": [
        ('HEALTHCHECK --timeout=5s CMD ["true"]\n', ""),
        ('HEALTHCHECK --timeout=5s CMD ["true"]', "HEALTHCHECK NONE"),
        (" --timeout=5s", ""),
    ],
    "programs_are_started_without_a_shell": [
        ('ENTRYPOINT ["thing"]', "ENTRYPOINT thing"),
        ('ENTRYPOINT ["thing"]', 'ENTRYPOINT ["thing"]\nCMD --help'),
        ('CMD ["true"]', "CMD true"),
        ('ENTRYPOINT ["thing"]\n', ""),
    ],
    "pip_keeps_no_cache_and_pins": [
        ("pip install --no-cache-dir --constraint", "pip install --constraint"),
        ("-m pip install --no-cache-dir other", "-m pip install other"),
        (" --constraint /c.txt", ""),
        ("other==1", "other"),
    ],
    "no_secrets": [
        ("ENV PLACE=/here", "ENV POSTGRES_PASSWORD=x"),
        ("ENV PLACE=/here", "ARG API_KEY"),
        ("ENV PLACE=/here", "ENV STORE=postgresql://u:word@host/db"),
        ("FROM python", "ARG TOKEN\nFROM python"),
        ("RUN pip install", "RUN pip install --index-url https://u:word@host/simple"),
    ],
    "folders_are_absolute": [("WORKDIR /here", "WORKDIR here")],
    "copies_are_from_earlier_stages": [("WORKDIR /here", "COPY --from=other /a /b")],
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_projects_file_passes(name: str) -> None:
    assert list(CHECKS[name](FILE)) == []


@pytest.mark.parametrize(("name", "old", "new"), [(name, *pair) for name, pairs in BAD.items() for pair in pairs])
def test_a_bad_file_is_refused_by_its_check_alone(name: str, old: str, new: str) -> None:
    assert old in GOOD
    assert [found for found, check in CHECKS.items() if list(check(parse(GOOD.replace(old, new, 1))))] == [name]


def test_the_good_file_passes_and_each_check_has_a_bad_one() -> None:
    assert [name for name, check in CHECKS.items() if list(check(parse(GOOD)))] == []
    assert set(BAD) == set(CHECKS)


def test_both_variants_end_in_the_image_as_user_10001() -> None:
    assert FILE.arguments == {"VARIANT": "cpu"}
    assert [stage.name for stage in FILE.chain("image")] == ["base", "cpu", "image"]
    assert [stage.name for stage in FILE.chain("image", VARIANT="cuda")] == ["base", "cuda", "image"]
    assert FILE.stages[-1].name == "image"
    assert [step.text for step in FILE.stages[-1].steps if step.name == "USER"] == ["10001:10001"]


def test_labels_say_what_stands_elsewhere() -> None:
    (labels,) = [step.pairs for step in FILE.stages[-1].steps if step.name == "LABEL"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert said["version"] == project["version"]
    assert said["licenses"] == project["license"]
    assert said["base.name"] == f"docker.io/library/{FILE.base(FILE.stage('base'))}"


def test_the_pythons_of_image_and_project_agree() -> None:
    minimum = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert FILE.base(FILE.stage("base")).startswith(f"python:{minimum}.")


def test_what_is_sent_to_the_builder() -> None:
    sent = {path.as_posix() for path in ignore.context(ROOT)}
    copied = {word for stage in FILE.stages for step in stage.steps if step.name == "COPY" for word in step.words[:-1]}
    assert {path.split("/")[0] for path in sent} == {name for name in copied if not name.startswith("/")}
    assert "kdsearch/cli/app.py" in sent
    assert [path for path in sent if re.search(r"__pycache__|\.pyc$|(^|/)\.env|secrets/", path)] == []


def test_ignore_rules(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("# all but these\n*\n!a\n!b/c\n**/cache\na/*.tmp\n")
    names = ("a/x.py", "a/x.tmp", "a/d/x.tmp", "a/d/cache/y", "b/c/x", "b/x", "e/a", "f")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.as_posix() for path in ignore.context(tmp_path)] == ["a/d/x.tmp", "a/x.py", "b/c/x"]


def test_steps_flags_and_continued_lines() -> None:
    text = "# a comment\nARG V=1\nFROM x:1 AS a\nRUN one && \\\n  # between\n\n  two\n"
    file = parse(text + 'copy --from=a --chown=1:2 "s p" d/\nCMD ["c"]\n')
    assert file.arguments == {"V": "1"}
    run, copy, cmd = file.stages[0].steps
    assert (run.name, run.text, run.line) == ("RUN", "one && two", 4)
    assert (copy.name, copy.words, copy.flags) == ("COPY", ["s p", "d/"], {"from": "a", "chown": "1:2"})
    assert cmd.exec_form == ["c"]
    assert run.exec_form is None
    assert Step("ENV", 'A=1 B="two words" C=', 1).pairs == {"A": "1", "B": "two words", "C": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no FROM"),
        ("RUN true\n", "RUN before the first FROM"),
        ("FROM a:1\nONBUILD RUN true\n", "ONBUILD is not known"),
        ("FROM a:1\nRUN <<EOF\ntrue\nEOF\n", "heredoc"),
        ("# escape=`\nFROM a:1\n", "escape"),
        ("FROM a:1 b\n", "expected FROM IMAGE"),
        ("FROM a:1\nRUN one \\\n", "goes on"),
        ("FROM a:1\nWORKDIR\n", "says nothing"),
    ],
)
def test_what_is_not_known_is_refused(text: str, words: str) -> None:
    with pytest.raises(DockerfileError, match=re.escape(words)):
        parse(text)


def test_an_old_form_of_env_is_refused() -> None:
    with pytest.raises(DockerfileError, match="old form"):
        _ = Step("ENV", "NAME value", 7).pairs


def test_a_stage_that_is_not_there_is_named() -> None:
    with pytest.raises(DockerfileError, match="no stage 'gpu'; there are base, wheel, cpu, cuda, image"):
        FILE.chain("gpu")


@pytest.mark.parametrize(
    ("text", "value"),
    [("$A/${A}", "1/1"), ("${B:-x}${A:-x}", "x1"), ("${A:+y}${B:+y}", "y"), (r"\$A", "$A"), ("$B", ""), ("a$", "a$")],
)
def test_variables(text: str, value: str) -> None:
    assert expanded(text, {"A": "1"}) == value


def test_commands_of_a_shell_line() -> None:
    assert commands("a -x 'b && c' && d; e | f /w/*.whl") == [["a", "-x", "b && c"], ["d"], ["e"], ["f", "/w/*.whl"]]
