"""The packages of a wheel: kdsearch, with the example studies and the dashboard's figures, which lie beside it here.

Everything else about the project stands in ``pyproject.toml``, which cannot add folders to packages that it finds.
"""

from setuptools import find_packages, setup

BESIDE = {"kdsearch.examples": "studies", "kdsearch.dashboards": "dashboards"}

setup(packages=[*find_packages(include=["kdsearch*"]), *BESIDE], package_dir=BESIDE)
