"""Lint the assembled document of every API with a linter that users know; needs npm's npx, and the network once.

python tests/lint_specs.py            every API
python tests/lint_specs.py billing    those that are named
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson

from specs.documents import document
from specs.tables import TableError, load, names

# Exactly: a newer linter knows new rules, and those are read before they are taken.
LINTER = "@redocly/cli@2.20.0"
SETTINGS = Path(__file__).parent.parent / "redocly.yaml"


def main(arguments: Sequence[str]) -> int:
    """0 when the linter finds nothing to say, 1 when it does, 2 when it cannot be asked."""
    npx = shutil.which("npx")
    if npx is None:
        print("npx not found; install Node.js 20 or later (https://nodejs.org), then try again.", file=sys.stderr)
        return 2
    if not SETTINGS.is_file():
        print(f"{SETTINGS.name}: no such file; the linter's settings belong there.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = [_assembled(name, Path(folder)) for name in arguments or names()]
        except TableError as error:
            print(error, file=sys.stderr)
            return 2
        # In that folder, so that what is printed names the API and not where the temporary file lies.
        command = [npx, "--yes", LINTER, "lint", f"--config={SETTINGS}", *files]
        return 1 if subprocess.run(command, cwd=folder, check=False).returncode else 0


def _assembled(name: str, folder: Path) -> str:
    """The name of the file in `folder` that holds the document of an API, references to files replaced."""
    load(name)  # a wrong table says so in one line, before the linter says it in fifty
    (folder / f"{name}.json").write_bytes(orjson.dumps(document(name), option=orjson.OPT_INDENT_2))
    return f"{name}.json"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
