"""What a Dockerfile of this project has to be, in the manner of hadolint: each check yields a sentence for each fault.

hadolint itself is run too where it is installed (``test_tools.py``). It asks for no health check.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

from tests.docker.dockerfile import Dockerfile, Step

_CONTROL = frozenset(("&&", "||", ";", "|", "&", "(", ")"))
_PINNED = re.compile(r"[\w./-]+:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def commands(text: str) -> list[list[str]]:
    """The simple commands of a shell line, each as its words."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    for token in lexer:
        if token in _CONTROL:
            found.append([])
        else:
            found[-1].append(token)
    return [words for words in found if words]


def bases_are_pinned(file: Dockerfile) -> Iterator[str]:
    """Each image has a tag with a full version, and is not ``latest``."""
    names: set[str] = set()
    for stage in file.stages:
        base = file.base(stage)
        if base not in names and (not _PINNED.fullmatch(base) or "latest" in base):
            yield f"line {stage.line}: {base} has no tag with a version"
        names.add(stage.name)


def nothing_is_added(file: Dockerfile) -> Iterator[str]:
    """``ADD`` fetches and unpacks; ``COPY`` says what it does."""
    yield from (f"line {step.line}: {step.name}" for step in _all(file, "ADD", "MAINTAINER"))


def no_sudo(file: Dockerfile) -> Iterator[str]:
    """Steps are root until ``USER``; a program that makes root of a user is a way around it."""
    yield from (f"line {step.line}: {words[0]}" for step, words in _commands(file) if words[0] in ("sudo", "su"))


def apt_leaves_no_lists(file: Dockerfile) -> Iterator[str]:
    """Packages are installed without asking and recommendations, and the lists are removed in the same layer."""
    for step, words in _commands(file):
        if words[0] == "apt":
            yield f"line {step.line}: apt is for people, its options change"
        if words[0] == "apt-get" and "install" in words:
            if not {"-y", "--yes", "-qy", "-qqy"} & set(words) or "--no-install-recommends" not in words:
                yield f"line {step.line}: apt-get install without -y or --no-install-recommends"
            if not any(each[0] == "rm" and "/var/lib/apt/lists/*" in each for each in commands(step.text)):
                yield f"line {step.line}: the lists of apt stay in the layer"


def the_user_is_not_root(file: Dockerfile) -> Iterator[str]:
    """The last user of the image is a number other than 0: a name may mean 0, and Kubernetes cannot tell."""
    users = [step for stage in file.chain(file.stages[-1].name) for step in stage.steps if step.name == "USER"]
    if not users:
        yield "no USER: the image runs as root"
    elif not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1].text):
        yield f"line {users[-1].line}: USER {users[-1].text} is not a number above 0"


def health_is_checked(file: Dockerfile) -> Iterator[str]:
    """The image has a ``HEALTHCHECK`` with a time limit."""
    found = [step for step in file.stages[-1].steps if step.name == "HEALTHCHECK"]
    if not found or found[-1].text.strip().upper() == "NONE":
        yield "no HEALTHCHECK"
    elif "timeout" not in found[-1].flags:
        yield f"line {found[-1].line}: HEALTHCHECK without --timeout"


def programs_are_started_without_a_shell(file: Dockerfile) -> Iterator[str]:
    """A shell in front of a program keeps its signals."""
    if not any(step.name == "ENTRYPOINT" for step in file.stages[-1].steps):
        yield "no ENTRYPOINT"
    for step in _all(file, "CMD", "ENTRYPOINT", "HEALTHCHECK"):
        text = re.sub(r"^CMD\s+", "", step.text) if step.name == "HEALTHCHECK" else step.text
        if text.upper() != "NONE" and Step(step.name, text, step.line).exec_form is None:
            yield f"line {step.line}: {step.name} is not in the exec form"


def pip_keeps_no_cache_and_pins(file: Dockerfile) -> Iterator[str]:
    """What pip takes has one version: by ``--constraint``, by ``==``, or since it lies here."""
    for step, words in _commands(file):
        call = words[2:] if re.fullmatch(r"python[\d.]*", words[0]) and words[1:2] == ["-m"] else words
        if len(call) < 2 or not re.fullmatch(r"pip[\d.]*", call[0]) or call[1] not in ("install", "wheel"):
            continue
        if "--no-cache-dir" not in call:
            yield f"line {step.line}: {call[0]} {call[1]} without --no-cache-dir"
        names = [word for word in call[2:] if re.fullmatch(r"[A-Za-z][\w.\[\],-]*", word)]
        if "--constraint" not in call and "-c" not in call and names:
            yield f"line {step.line}: {call[0]} {call[1]} takes {', '.join(names)} in any version"


def no_secrets(file: Dockerfile) -> Iterator[str]:
    """``ENV`` and ``ARG`` stay in the image, where everybody who has it can read them."""
    for name, value in file.arguments.items():
        if _SECRET.search(name) or _PASSWORD_IN_URL.search(value):
            yield f"ARG {name} before the first FROM looks like a secret"
    for step in _all(file, "ENV", "ARG", "LABEL"):
        for name, value in step.pairs.items():
            if _SECRET.search(name) or _PASSWORD_IN_URL.search(value):
                yield f"line {step.line}: {step.name} {name} looks like a secret"
    for step in _all(file, "RUN", "COPY"):
        if _PASSWORD_IN_URL.search(step.text):
            yield f"line {step.line}: {step.name} holds a URL with a password"


def folders_are_absolute(file: Dockerfile) -> Iterator[str]:
    """A relative ``WORKDIR`` depends on the steps before it."""
    yield from (f"line {step.line}: WORKDIR {step.text}" for step in _all(file, "WORKDIR") if step.text[0] not in "/$")


def copies_are_from_earlier_stages(file: Dockerfile) -> Iterator[str]:
    """``--from`` of another name would fetch an image of that name, without a tag."""
    names: set[str] = set()
    for stage in file.stages:
        for step in stage.steps:
            if "from" in step.flags and step.flags["from"] not in names:
                yield f"line {step.line}: no stage {step.flags['from']} before this one"
        names.add(stage.name)


CHECKS: dict[str, Callable[[Dockerfile], Iterator[str]]] = {
    check.__name__: check
    for check in (
        bases_are_pinned,
        nothing_is_added,
        no_sudo,
        apt_leaves_no_lists,
        the_user_is_not_root,
        health_is_checked,
        programs_are_started_without_a_shell,
        pip_keeps_no_cache_and_pins,
        no_secrets,
        folders_are_absolute,
        copies_are_from_earlier_stages,
    )
}


def _all(file: Dockerfile, *names: str) -> Iterator[Step]:
    return (step for stage in file.stages for step in stage.steps if step.name in names)


def _commands(file: Dockerfile) -> Iterator[tuple[Step, list[str]]]:
    for step in _all(file, "RUN"):
        yield from ((step, words) for words in ([step.exec_form] if step.exec_form else commands(step.text)))
