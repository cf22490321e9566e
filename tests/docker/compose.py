"""Reads docker/compose.yaml as Docker Compose does, as far as it is used: variables filled in, merge keys merged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-+])([^{}]*))?\}")


def variables(text: str) -> set[str]:
    """Names of the variables that a compose file uses."""
    return {match[1] for match in _VARIABLE.finditer(text)}


def load(text: str, given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file as Compose sees it with these variables set; a variable without a default is refused where it is unset.

    As in Compose, values are filled in where the file is read already: an empty one stays a text.
    """
    known = given or {}

    def value(match: re.Match[str]) -> str:
        name, how, other = match[1], match[2], match[3]
        if how == "+":
            return other if known.get(name) else ""
        return (known.get(name) or other) if how == "-" else known[name]

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: filled(each) for name, each in node.items()}
        if isinstance(node, list):
            return [filled(each) for each in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    loaded: dict[str, Any] = filled(yaml.safe_load(text))
    return loaded


def env_file(path: Path) -> dict[str, str]:
    """Names and values of a ``.env`` file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def open_ports(service: Mapping[str, Any]) -> list[str]:
    """The published ports of a service that other machines reach."""
    return [str(port) for port in service.get("ports", []) if not str(port).startswith(("127.0.0.1:", "[::1]:"))]


def passwords(service: Mapping[str, Any]) -> list[str]:
    """Variables of a service whose name or value is a secret itself, not the file or the variable that holds it."""
    found = []
    for name, value in service.get("environment", {}).items():
        named = re.search(r"passw|secret|token|key", name, re.IGNORECASE) and not re.search(r"(_FILE|_PATH)$", name)
        if value and (named or re.search(r"://[^/\s:@]*:[^/\s@]+@", str(value))):
            found.append(name)
    return found
