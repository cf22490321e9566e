"""docker/compose.yaml: the schema of the Compose specification, what this project asks of it, and its commands.

The schema is the one that the package ``check-jsonschema`` brings. Docker Compose itself reads the file in
``test_tools.py``, where it is installed.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from kdsearch.cli.app import app
from kdsearch.ledger.storage_url import check_url
from tests.docker import compose
from tests.docker.dockerfile import read

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker" / "compose.yaml"
EXAMPLE = compose.env_file(ROOT / "docker" / ".env.example")
LOADED = compose.load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = LOADED["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("kdsearch:")}
DOCKERFILE = read(ROOT / "docker" / "Dockerfile")


def schema(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_follows_the_schema_of_compose() -> None:
    pytest.importorskip("check_jsonschema", reason="it brings the schema: pip install -e '.[dev]'")
    done = schema(FILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("healthcheck:", "healthchek:"),
        ("condition: service_healthy", "condition: service_well"),
        ("cap_drop: [ALL]", "cap_drop: ALL"),
        ("driver: nvidia, count: all, capabilities: [gpu]", "driver: nvidia, count: all"),
    ],
)
def test_the_schema_refuses_what_is_wrong(tmp_path: Path, old: str, new: str) -> None:
    pytest.importorskip("check_jsonschema", reason="it brings the schema: pip install -e '.[dev]'")
    assert old in FILE.read_text()
    (tmp_path / "compose.yaml").write_text(FILE.read_text().replace(old, new))
    assert schema(tmp_path / "compose.yaml").returncode == 1


def test_the_example_has_each_variable_with_its_default_and_one_line_of_words() -> None:
    text = FILE.read_text()
    assert set(EXAMPLE) == compose.variables(text) | {"COMPOSE_PROFILES"}
    with_example = compose.load(text, EXAMPLE)
    assert with_example == LOADED, "the defaults of compose.yaml and .env.example differ"
    lines = (ROOT / "docker" / ".env.example").read_text().splitlines()
    named = [number for number, line in enumerate(lines) if not line.startswith("#")]
    assert [lines[number] for number in named if not lines[number - 1].startswith("# ")] == []
    assert len(lines) == 2 * len(named) + 1


def test_variables_change_what_they_name() -> None:
    given = {**EXAMPLE, "KDSEARCH_DATA": "/srv/data", "KDSEARCH_STUDY": "mine", "KDSEARCH_PRESET": "full"}
    changed = compose.load(FILE.read_text(), given)["services"]
    for name in ("launch", "worker", "gpu-worker", "ray-launch"):
        words = " ".join(changed[name]["command"])
        assert "studies/mine.py" in words
        assert re.search(r'--preset "?full\b', words)
    assert changed["launch"]["environment"]["KDSEARCH_DATA"] == "/data"
    assert "/srv/data:/data:ro" in changed["launch"]["volumes"]
    assert SERVICES["launch"]["environment"]["KDSEARCH_DATA"] == ""
    assert "no-data:/data:ro" in SERVICES["launch"]["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_privileges_no_open_port_and_no_password(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc"} & set(service)
    assert service.get("user", "10001") not in ("0", "root")
    assert compose.open_ports(service) == []
    assert compose.passwords(service) == []
    assert set(service["secrets"]) <= set(LOADED["secrets"])
    assert not re.search(r"docker\.sock", str(service))


@pytest.mark.parametrize("port", ["8080:8080", "0.0.0.0:8080:8080", "8080", "[::]:80:80"])
def test_an_open_port_is_found(port: str) -> None:
    assert compose.open_ports({"ports": ["127.0.0.1:1:1", port]}) == [port]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD", "kdsearch"),
        ("KDSEARCH_STORAGE", "postgresql://kd:word@postgres/kdsearch"),
        ("A_TOKEN", "x"),
    ],
)
def test_a_password_is_found(name: str, value: str) -> None:
    kept = {
        "POSTGRES_PASSWORD_FILE": "/run/secrets/x",
        "KDSEARCH_STORAGE_URL": "@/run/secrets/y",
        "RAY_TOKEN_PATH": "/z",
    }
    assert compose.passwords({"environment": {**kept, name: value}}) == [name]


def test_images_have_versions_or_are_built() -> None:
    assert re.fullmatch(r"postgres:18\.\d+-\w+", SERVICES["postgres"]["image"])
    for service in OURS.values():
        variant = service["build"]["args"]["VARIANT"]
        assert service["image"] == f"kdsearch:{variant}"
        assert DOCKERFILE.chain("image", VARIANT=variant)[-2].name == variant
        assert (FILE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_profiles() -> None:
    profiles = {name: sorted(service.get("profiles", [])) for name, service in SERVICES.items()}
    assert profiles == {
        "postgres": [],
        "launch": ["cpu", "gpu"],
        "worker": ["cpu"],
        "gpu-worker": ["gpu"],
        "dashboard": ["dashboard"],
        "ray-head": ["ray"],
        "ray-worker": ["ray"],
        "ray-launch": ["ray"],
    }
    # A service that another one waits for starts with it only if it is in the same profile.
    for name, service in SERVICES.items():
        for other in service.get("depends_on", {}):
            assert set(profiles[other]) in (set(), set(profiles[name]))
    assert set(EXAMPLE["COMPOSE_PROFILES"].split(",")) <= {each for names in profiles.values() for each in names}


def test_places_are_those_of_the_images() -> None:
    variables: dict[str, str] = {}
    for step in (step for stage in DOCKERFILE.chain("image") for step in stage.steps if step.name == "ENV"):
        variables |= step.pairs
    (workdir,) = [step.text for step in DOCKERFILE.stage("image").steps if step.name == "WORKDIR"]
    for service in OURS.values():
        targets = {volume.split(":")[1] for volume in service["volumes"]}
        assert targets == {variables["KDSEARCH_HOME"], "/data", f"{workdir}/studies"}
    assert SERVICES["postgres"]["volumes"] == ["ledger:/var/lib/postgresql"]
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert {name for name in volumes if "/" not in name} == set(LOADED["volumes"])


def test_a_service_tells_whether_it_is_healthy_as_others_wait_for_it() -> None:
    own = {name for name, service in SERVICES.items() if "healthcheck" in service}
    image = {name for name in OURS if name not in own}
    assert own == {"postgres", "dashboard", "ray-head", "ray-worker"}
    assert any(step.name == "HEALTHCHECK" for step in DOCKERFILE.stage("image").steps)
    waited = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    assert waited <= own | image
    for name in own:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", "without a shell"


def test_the_role_is_not_called_as_the_schema() -> None:
    """PostgreSQL looks into the schema of the role's name first: Optuna's tables would lie among those of kdsearch."""
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] != "kdsearch"


@pytest.mark.parametrize("name", ["launch", "worker", "gpu-worker", "dashboard", "ray-launch"])
def test_kdsearch_knows_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("os.environ", dict(os.environ))
    words = list(SERVICES[name]["command"])
    if name == "ray-launch":
        line = words[0].split("exec kdsearch ")[1]
        words = [word.strip('"') for word in line.split()]
    group: Any = typer.main.get_command(app)
    command = group.get_command(typer.Context(group), words[0])
    assert command is not None
    command.make_context(words[0], words[1:])


@pytest.mark.parametrize("name", ["ray-head", "ray-worker", "ray-launch"])
def test_ray_knows_the_command(name: str) -> None:
    scripts = pytest.importorskip("ray.scripts.scripts")
    words = list(SERVICES[name]["command"])
    if name == "ray-launch":
        words = words[0].split("&&")[0].split()[1:]
    assert words[0] == "start"
    scripts.start.make_context("start", words[1:])
    if "healthcheck" in SERVICES[name]:
        _, program, command, *rest = SERVICES[name]["healthcheck"]["test"]
        assert (program, command) == ("ray", "health-check")
        scripts.healthcheck.make_context("health-check", rest)


def test_the_health_check_of_the_dashboard_is_python() -> None:
    *_, program, option, source = SERVICES["dashboard"]["healthcheck"]["test"]
    assert (program, option) == ("python", "-c")
    compile(source, "healthcheck", "exec")


def test_secrets_are_made_once_and_fit(tmp_path: Path) -> None:
    command = ["sh", str(ROOT / "docker" / "make_secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(command, check=True, capture_output=True)
    files = {file.name: file for file in (tmp_path / "secrets").iterdir()}
    assert {name: secret["file"] for name, secret in LOADED["secrets"].items()} == {
        name: f"secrets/{name}" for name in files
    }
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o444}
    texts = {name: file.read_text() for name, file in files.items()}
    assert re.fullmatch("[0-9a-f]{48}", texts["postgres_password"])
    assert re.fullmatch("[0-9a-f]{48}", texts["ray_token"])
    url = check_url(texts["storage_url"])
    database = SERVICES["postgres"]["environment"]
    assert (url.username, url.database) == (database["POSTGRES_USER"], database["POSTGRES_DB"])
    assert url.host in SERVICES
    assert url.password == texts["postgres_password"] != texts["ray_token"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    assert {name: file.read_text() for name, file in files.items()} == texts


def test_secrets_are_in_no_commit_and_no_image() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"docker/.env", "docker/secrets/"} <= set(ignored)
