"""What an installation holds: every package and every file that they need to run."""

from __future__ import annotations

import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SETUP = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["setuptools"]


def folder(package: str) -> Path:
    return HERE / SETUP["package-dir"].get(package, package.replace(".", "/"))


def test_every_package_is_listed() -> None:
    there = {
        str(path.parent.relative_to(HERE)).replace("/", ".")
        for root in ("specs", "mockserver", "contracts")
        for path in (HERE / root).rglob("__init__.py")
    }
    assert there <= set(SETUP["packages"])


def test_every_file_beside_the_code_is_installed() -> None:
    installed = {
        path
        for package, patterns in SETUP["package-data"].items()
        for pattern in patterns
        for path in folder(package).glob(pattern)
    }
    needed = {
        path
        for root in ("specs", "mockserver", "contracts", "fixtures")
        for path in (HERE / root).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert needed - installed == set()
