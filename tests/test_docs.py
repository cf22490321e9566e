"""Every block of Python or bash in README and docs runs as it stands, or says why not; every link leads somewhere.

Comments of a page steer its blocks. ``<!-- file: mine.py -->`` before a block writes it to that file and runs it,
``<!-- prints: REGEX -->`` says what its output holds, ``<!-- output -->`` that it shows lines of the output before,
``<!-- not run: REASON -->`` leaves it out. The blocks of a page run in order in one folder, with a ``KDSEARCH_HOME`` of
their own and without real data.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kdsearch.ledger import embedded

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
EXECUTED = ("python", "bash")
SHOWN = ("text", "sql")  # tests/ledger/test_roles.py runs the statements
_BLOCK = re.compile(r"(?P<comment>(?:^<!-- .* -->\n)*)^```(?P<language>.*)\n(?P<text>(?:.*\n)*?)^```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; ``steers``: what the comments before it say, by their first word."""

    language: str
    text: str
    line: int
    steers: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        return self.language in EXECUTED and "not run" not in self.steers


def blocks(text: str) -> list[Block]:
    found = []
    for match in _BLOCK.finditer(text):
        steers = dict(re.findall(r"^<!-- ([a-z ]+?)(?:: (.*?))? -->$", match["comment"], re.MULTILINE))
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(Block(match["language"], match["text"], line, steers))
    return found


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUNNING = [page for page in PAGES if any(block.runs for block in blocks(page.read_text()))]


@pytest.fixture
def place(tmp_path: Path, home: Path) -> Iterator[Path]:
    """A folder with the studies and the commands ``kdsearch`` and ``python``, and with a server that ends."""
    folder = tmp_path / "place"
    folder.mkdir()
    for name in ("studies", "dashboards"):
        (folder / name).symlink_to(ROOT / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in (("python", ""), ("kdsearch", "-m kdsearch")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (programs / name).chmod(0o755)
    yield folder
    embedded.stop(home / "postgres")


def execute(block: Block, place: Path, home: Path) -> tuple[int, str]:
    """Exit code and output of a block in ``place``."""
    if "file" in block.steers:
        script = place / block.steers["file"]
        script.write_text(block.text)
    elif block.language == "python":
        # Ray's and torch's own processes import the script anew.
        script = place / "block.py"
        script.write_text("if __name__ == '__main__':\n" + re.sub(r"^(?=.)", "    ", block.text, flags=re.MULTILINE))
    else:
        script = place / "block.sh"
        script.write_text("set -euo pipefail\n" + block.text)
    program = ["bash"] if block.language == "bash" else [sys.executable]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("KDSEARCH_DATA", "KDSEARCH_STORAGE")
    }
    environment |= {
        "KDSEARCH_HOME": str(home),
        "PATH": f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
        "RAY_ADDRESS": "local",  # and no cluster that other tests have on this machine just now
    }
    done = subprocess.run(
        [*program, str(script)],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout


def masked(line: str) -> str:
    """A line of output without its numbers, signs, verdicts and spaces: these follow from the machine's rounding."""
    words = re.sub(r"\b(better|worse|equivalent|undecided|helps|is not shown to help)\b", "VERDICT", line)
    return " ".join(re.sub(r"[-+]?(?<![A-Za-z])[\d.]+|(?<=\b[cwu])\d+|[-+]", "#", words).split())


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=named)
def test_blocks_run(page: Path, place: Path, home: Path) -> None:
    output = ""
    for block in blocks(page.read_text()):
        if "output" in block.steers:
            lines = {masked(line) for line in output.splitlines()}
            missing = [line for line in block.text.splitlines() if line.strip() != "..." and masked(line) not in lines]
            assert missing == [], f"{named(page)}:{block.line} shows lines that were not printed; it was:\n{output}"
        if block.runs:
            code, output = execute(block, place, home)
            assert code == 0, f"{named(page)}:{block.line}\n{output}"
            if "prints" in block.steers:
                assert re.search(block.steers["prints"], output), f"{named(page)}:{block.line}\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_blocks_name_their_language_and_what_is_not_run_says_why(page: Path) -> None:
    text = page.read_text()
    found = blocks(text)
    assert 2 * len(found) == len(re.findall(r"^```", text, re.MULTILINE)), "a fence is open, or stands in a list"
    assert [block.line for block in found if block.language not in (*EXECUTED, *SHOWN)] == []
    assert [block.line for block in found if not set(block.steers) <= {"file", "not run", "prints", "output"}] == []
    assert [block.line for block in found if len(block.steers.get("not run", "a good reason")) < 10] == []


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        if not file.exists() or (anchor and anchor not in slugs(file.read_text())):
            broken.append(target)
        if page.parent == DOCS and file.parent != DOCS:
            broken.append(f"{target} (outside of docs: MkDocs does not publish it)")
    assert broken == []


def test_modules_and_files_that_are_named_exist() -> None:
    for page in PAGES:
        if page.name in ("CHANGELOG.md",):
            continue
        text = page.read_text()
        modules = set(re.findall(r"python -m\s+((?:tests|docs)[\w.]*\w)", text))
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        paths = set(re.findall(r"`((?:kdsearch|studies|tests|docs|docker|dashboards)/[\w./-]+)`", text))
        missing += [path for path in paths if not (ROOT / path).exists()]
        assert missing == [], named(page)


def test_options_of_benchmarks_exist() -> None:
    text = (DOCS / "benchmarks.md").read_text()
    for module, rest in re.findall(r"python -m\s+(tests[\w.]*\w)([^`]*)`", text):
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin)
        files = folder.parent.glob("*.py") if folder.name == "__init__.py" else [folder]
        source = "".join(file.read_text() for file in files)
        assert [option for option in re.findall(r"--[a-z-]+", rest) if option not in source] == [], module


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in DOCS.glob("*.md") if f": {page.name}" not in navigation] == []


def test_prose_has_no_em_dashes_and_tells_no_machine() -> None:
    for page in PAGES:
        text = page.read_text()
        assert "\N{EM DASH}" not in text, named(page)
        assert not re.search(r"(?<![\w/])/(?:work|tmp|home|root)/", text), named(page)
        assert "seed document" not in text.lower(), named(page)


def test_the_documentation_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="make docs installs mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    assert (tmp_path / "site" / "api.html").read_text().count("min_effect") > 0
