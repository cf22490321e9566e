"""``python -m tests.docker.replay``: carries the steps of docker/Dockerfile out without Docker, and runs the result.

Each stage gets a folder that stands for its file system, with a virtual environment at ``usr/local``, where the base
image has its Python. Paths from the root in the steps are taken inside that folder. As root, the image's commands run
under another user. What was not done as in Docker is named at the end: the base image itself, and steps of ``BY_NAME``.

The file is read, not repeated: a step that this script does not know ends it.
"""

from __future__ import annotations

import argparse
import glob
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.docker import ignore
from tests.docker.checks import commands
from tests.docker.dockerfile import Dockerfile, DockerfileError, Stage, Step, expanded, read
from tests.installed_study import STUDY

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = ("apt-get", "groupadd", "useradd")
"""Programs that change the machine: a step that calls them is named, not carried out."""
OF_ROOT = ("install", "chown")
"""Programs that only root can do all of: likewise, where this process is not root."""
NOTHING_TO_DO = ("LABEL", "EXPOSE", "STOPSIGNAL", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD")
"""Instructions that describe the image. Those that start something are started at the end."""
_REACHES_THE_INDEX = re.compile(r"PIP_\w+|\w+_proxy|SSL_CERT_\w+|REQUESTS_CA_BUNDLE", re.IGNORECASE)
_OF_THE_PROCESSOR = re.compile(r"OPENBLAS_\w+")
_PATH = re.compile(r"(?<![\w.\-/}*~])(?<!:/)/(?=[\w.])")


@dataclass
class Image:
    """A stage as far as it has been carried out. ``root``: the folder that stands for its file system."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0"
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def place(self, path: str) -> Path:
        """Where a path of the image lies, from its working folder where it is relative."""
        return self.root / os.path.normpath(os.path.join(self.workdir, path)).lstrip("/")

    def inside(self, text: str) -> str:
        """A shell's line or a value with all paths from the root inside ``root``; ``/`` alone is refused."""
        if re.search(r"(?<!\S)/(?!\S)", text):
            raise DockerfileError(f"/ alone would be this machine's own: {text}")
        return _PATH.sub(f"{self.root}/", text.replace("/dev/null", "\0")).replace("\0", "/dev/null")

    def environment(self, *, building: bool) -> dict[str, str]:
        """Variables of a process: of this machine what it cannot do without, then those of the image."""
        needed = (_OF_THE_PROCESSOR, _REACHES_THE_INDEX) if building else (_OF_THE_PROCESSOR,)
        kept = {name: value for name, value in os.environ.items() if any(each.fullmatch(name) for each in needed)}
        path = f"{self.root}/usr/local/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        own = {name: self.inside(value) for name, value in self.variables.items()}
        # Docker sets HOME by the user's entry, which is made by a step that is not carried out.
        return {"PATH": path, "HOME": own.get("KDSEARCH_HOME", str(self.root)), **kept, **own}


@dataclass
class Replay:
    """``arguments``: those of the build, by name. ``skipped``: what was not carried out, in words."""

    file: Dockerfile
    context: Path
    folder: Path
    arguments: Mapping[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)

    def build(self, name: str) -> Image:
        """Carry a stage out, and before it the stages that it stands on and copies from."""
        if name in self.images:
            return self.images[name]
        chain = self.file.chain(name, **self.arguments)
        base = self.file.base(chain[0], **self.arguments)
        _say(f"== stage {name}: {' > '.join(stage.name for stage in chain)} on {base}")
        image = Image(self.folder / name)
        _make_base(image.root, base)
        self._skip(f"FROM {base}: a virtual environment of Python {sys.version.split()[0]} stands for it")
        for stage in chain:
            self._carry_out(image, stage)
        self.images[name] = image
        return image

    def _carry_out(self, image: Image, stage: Stage) -> None:
        image.arguments = {}
        for step in stage.steps:
            step = Step(step.name, self._filled(image, step), step.line, step.flags)
            if step.name not in NOTHING_TO_DO:
                _say(f"-- line {step.line}: {step.name} {step.text[:160]}")
            if step.name == "ARG":
                for name, default in step.pairs.items():
                    image.arguments[name] = self.arguments.get(name, default or self.file.arguments.get(name, ""))
            elif step.name == "ENV":
                image.variables |= step.pairs
            elif step.name == "WORKDIR":
                image.workdir = os.path.normpath(os.path.join(image.workdir, step.text))
                image.place(".").mkdir(parents=True, exist_ok=True)
            elif step.name == "USER":
                image.user = step.text
            elif step.name == "SHELL":
                image.shell = tuple(step.words)
            elif step.name == "COPY":
                self._copy(image, step)
            elif step.name == "RUN":
                self._run(image, step)
            elif step.name == "ENTRYPOINT":
                image.entrypoint = step.words
            elif step.name == "HEALTHCHECK":
                image.health = Step("CMD", step.text.removeprefix("CMD").strip(), step.line).words
            elif step.name not in NOTHING_TO_DO:
                raise DockerfileError(f"line {step.line}: {step.name} is not carried out here")

    @staticmethod
    def _filled(image: Image, step: Step) -> str:
        """The text with variables filled in, where Docker does it; a shell fills in those of ``RUN``."""
        if step.name in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL"):
            return step.text
        return expanded(step.text, {**image.arguments, **image.variables})

    def _copy(self, image: Image, step: Step) -> None:
        if unknown := set(step.flags) - {"from", "chown", "chmod"}:
            raise DockerfileError(f"line {step.line}: COPY --{unknown.pop()} is not carried out here")
        *sources, target = step.words
        other = self.build(step.flags["from"]) if "from" in step.flags else None
        top = other.root if other else self.context
        found = [Path(match) for source in sources for match in sorted(glob.glob(str(top / source.lstrip("/"))))]
        if len(found) < len(sources):
            raise DockerfileError(f"line {step.line}: COPY finds no {' or no '.join(sources)}: .dockerignore?")
        into = target.endswith("/") or target in (".", "./") or len(found) > 1
        for path in found:
            place = image.place(target)
            if path.is_dir():
                shutil.copytree(path, place, dirs_exist_ok=True, symlinks=True)
            else:
                place = place / path.name if into or place.is_dir() else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)
            if "chown" in step.flags or "chmod" in step.flags:
                self._skip(f"line {step.line}: --chown and --chmod of COPY")

    def _run(self, image: Image, step: Step) -> None:
        if step.flags:
            raise DockerfileError(f"line {step.line}: RUN --{next(iter(step.flags))} is not carried out here")
        called = [words[0] for words in ([step.exec_form] if step.exec_form else commands(step.text))]
        named = BY_NAME if os.geteuid() == 0 else (*BY_NAME, *OF_ROOT)
        if left := [name for name in called if name in named]:
            if others := [name for name in called if name not in (*named, "rm")]:
                raise DockerfileError(f"line {step.line}: {others[0]} in one step with {left[0]}, which is left out")
            self._skip(f"line {step.line}: RUN {step.text}")
            return
        line = image.inside(" ".join(map(shlex.quote, step.exec_form)) if step.exec_form else step.text)
        begun = time.monotonic()
        environment = {**image.environment(building=True), **image.arguments}
        done = subprocess.run([*image.shell, line], cwd=image.place("."), env=environment, check=False)
        if done.returncode:
            raise DockerfileError(f"line {step.line}: RUN ended with {done.returncode}")
        _say(f"   {time.monotonic() - begun:.0f} s")

    def _skip(self, words: str) -> None:
        if words not in self.skipped:
            self.skipped.append(words)


def start(image: Image, command: Sequence[str], *, cwd: Path | None = None, limit: float = 240) -> str:
    """The output of a command of the image, under its user where this process may be another one."""
    number = int(image.user.partition(":")[0])
    changes = os.geteuid() == 0 and number != 0
    done = subprocess.run(
        command,
        cwd=cwd or image.place("."),
        env={**image.environment(building=False), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
        check=False,
        user=number if changes else None,
        group=number if changes else None,
        extra_groups=[] if changes else None,
    )
    if done.returncode:
        raise DockerfileError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def take_user(replay: Replay, image: Image) -> None:
    """Let ``nobody`` stand for a user that this machine does not have: PostgreSQL asks for the name of its account."""
    number = int(image.user.partition(":")[0])
    try:
        pwd.getpwuid(number)
    except KeyError:
        if os.geteuid() != 0:
            replay.skipped.append(f"USER {image.user}: this process is not root and stays its own user")
            return
        nobody = pwd.getpwnam("nobody")
        for path in (path for path in image.root.rglob("*") if path.lstat().st_uid == number):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        image.user = f"{nobody.pw_uid}:{nobody.pw_gid}"
        replay.skipped.append(f"USER {number}: nobody ({nobody.pw_uid}) stands for it, since it was not made")


def try_out(image: Image, folder: Path) -> None:
    """Run the entry point: version, a study of a function, an example of the image, and the health check."""
    version = start(image, [*image.entrypoint, "--version"])
    package = Path(start(image, ["python", "-c", "import kdsearch; print(kdsearch.__file__)"]).strip())
    if not package.is_relative_to(image.place("/usr/local")):
        raise DockerfileError(f"kdsearch is not the installed wheel's, but lies at {package}")
    _say(f"== {shlex.join(image.entrypoint)} --version: {version.strip()}")
    script = "from importlib.metadata import distributions as d; print(*(each.name for each in d()), sep='\\n')"
    installed = set(map(_plain, start(image, ["python", "-c", script]).splitlines()))
    pinned = re.findall(r"^([\w.-]+)==", image.place("/constraints.txt").read_text(), re.MULTILINE)
    loose = installed - {"kdsearch", "pip", "setuptools", *map(_plain, pinned)}
    if loose:
        raise DockerfileError(f"constraints.txt says no version of {', '.join(sorted(loose))}")
    _say(f"== {len(installed)} packages, each in a version that constraints.txt or the Dockerfile says")
    _say(f"== it runs as user {start(image, ['id', '-u']).strip()}")
    (folder / "own.py").write_text(STUDY)
    try:
        for arguments in (["own.py", "--engine", "debug"], ["studies/jhmdb_weights.py", "--preset", "smoke"]):
            begun = time.monotonic()
            cwd = folder if arguments[0] == "own.py" else None
            output = start(image, [*image.entrypoint, "launch", *arguments], cwd=cwd)
            if "Comparison on confirm seeds" not in output:
                raise DockerfileError(f"launch {arguments[0]} printed no report:\n{output}")
            _say(f"== launch {' '.join(arguments)}: finished, {time.monotonic() - begun:.0f} s")
        begun = time.monotonic()
        start(image, image.health, limit=30)
        _say(f"== health check {shlex.join(image.health)}: 0, {time.monotonic() - begun:.1f} s")
    finally:
        start(image, [*image.entrypoint, "db", "stop"])


def _make_base(root: Path, base: str) -> None:
    """A folder with a virtual environment where the image has its Python, which must be of the same minor version."""
    wanted = re.match(r"python:(\d+\.\d+)", base)
    if wanted and wanted[1] != f"{sys.version_info[0]}.{sys.version_info[1]}":
        raise DockerfileError(f"{base} needs Python {wanted[1]}, this is {sys.version.split()[0]}")
    root.mkdir(parents=True)
    venv.create(root / "usr" / "local", with_pip=True, symlinks=True)


def _plain(name: str) -> str:
    """The name of a package as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Build the context as Docker would get it, carry the stage ``image`` out, run it, say what was left out."""
    parser = argparse.ArgumentParser(prog="python -m tests.docker.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="as of docker build")
    parser.add_argument("--keep", action="store_true", help="do not delete the folder at the end")
    given = parser.parse_args()
    arguments = {name: value for name, _, value in (pair.partition("=") for pair in given.build_arg)}
    folder = Path(tempfile.mkdtemp(prefix="kdsearch-image-"))
    folder.chmod(0o755)  # the user of the image has to pass
    try:
        context = folder / "context"
        for path in ignore.context(ROOT):
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, context / path)
        replay = Replay(read(ROOT / "docker" / "Dockerfile"), context, folder, arguments)
        image = replay.build("image")
        outside = folder / "outside"
        outside.mkdir()
        take_user(replay, image)
        try_out(image, outside)
    except DockerfileError as error:
        sys.exit(f"error: {error}")
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    said = [*replay.skipped, *(f"--build-arg {name}={value}" for name, value in arguments.items())]
    _say("Not as in Docker:\n" + "\n".join(f"  {line}" for line in said))


if __name__ == "__main__":
    main()
