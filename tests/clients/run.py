"""Run the tests of this folder in an environment where the vendor's client can live.

The client needs Python 3.12 or later, the project itself does not: so the clients get a virtual environment of their
own below `.cache/clients`, and the server is started with the interpreter that runs this script.
Arguments are passed on to pytest. Without a fitting Python nothing is run, in one line and with success.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENT = ROOT / ".cache" / "clients"
REQUIREMENTS = HERE / "requirements.txt"
OLDEST = (3, 12)


def candidates() -> Iterator[str]:
    """Interpreters worth a try: the one asked for, this one, those on the path, those of pyenv."""
    if asked := os.environ.get("CLIENTS_PYTHON"):
        yield asked
        return
    yield sys.executable
    for minor in range(OLDEST[1], OLDEST[1] + 5):
        if found := shutil.which(f"python3.{minor}"):
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob("versions/3.*/bin/python3")))


def version(python: str) -> tuple[int, int] | None:
    """Major and minor version of `python`; None where it does not run, as a pyenv shim without its version."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def fitting() -> str | None:
    """The first interpreter that is new enough."""
    return next((python for python in candidates() if (version(python) or (0, 0)) >= OLDEST), None)


def environment(python: str) -> Path:
    """The interpreter of the clients' environment, made anew when Python or the requirements have changed."""
    stamp = ENVIRONMENT / "stamp"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + repr(version(python)).encode()).hexdigest()
    inside = ENVIRONMENT / "bin" / "python"
    if inside.exists() and stamp.exists() and stamp.read_text() == wanted:
        return inside
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(ENVIRONMENT)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    subprocess.run([str(inside), *install], check=True)
    stamp.write_text(wanted)
    return inside


def main(arguments: list[str]) -> int:
    python = fitting()
    if python is None:
        print("test-clients: skipped, the vendor's client needs Python 3.12 or later; set CLIENTS_PYTHON to one.")
        return 0
    try:
        inside = environment(python)
    except subprocess.CalledProcessError as error:
        print(f"test-clients: no environment at {ENVIRONMENT.relative_to(ROOT)}: {error}; is a package index in reach?")
        return 1
    # From this folder, so that pytest.ini is found here and nothing of the project's own tests is looked at.
    command = [str(inside), "-m", "pytest", "-c", "pytest.ini", "--rootdir", ".", *arguments]
    return subprocess.run(command, cwd=HERE, env={**os.environ, "SERVER_PYTHON": sys.executable}).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
