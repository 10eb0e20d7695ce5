"""An application in this process, named `module:attribute`, and the contracts.toml that it may bring."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from contracts.mistakes import Mistake, near


def load(name: str) -> Any:
    """The ASGI application of that name, made first where the attribute is a callable without arguments.

    Raises Mistake.
    """
    module, _, attribute = _parts(name)
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise Mistake(f"--app {name}: no module {error.name!r}; install it, or call from its folder.") from None
    except Exception as error:  # whatever a module of the user's raises while it is imported
        raise Mistake(f"--app {name}: importing {module} failed: {_told(error)}.") from error
    for step in attribute.split("."):
        if not hasattr(found, step):
            raise Mistake(
                f"--app {name}: no {step!r} there; {near(step, [each for each in vars(found) if each[0] != '_'])}"
            )
        found = getattr(found, step)
    if callable(found) and _fits(found):
        try:
            found = found()
        except Exception as error:  # as above
            raise Mistake(f"--app {name}: making it failed: {_told(error)}.") from error
    if not callable(found) or not _fits(found, {}, None, None):
        raise Mistake(f"--app {name}: neither an ASGI application nor a callable that makes one without arguments.")
    return found


def config(name: str) -> Path | None:
    """The contracts.toml that the application's package brings: in it, or in `fixtures` in it or beside it."""
    module, _, _ = _parts(name)
    top = module.partition(".")[0]
    spec = find_spec(top)
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    home = Path(spec.origin).parent
    places = (home, home / "fixtures", home.parent / "fixtures")
    return next((place / "contracts.toml" for place in places if (place / "contracts.toml").is_file()), None)


def _parts(name: str) -> tuple[str, str, str]:
    module, colon, attribute = name.partition(":")
    if not all(step.isidentifier() for step in [*module.split("."), *attribute.split(".")]):
        raise Mistake(f"--app {name!r}: say module:attribute, such as mockserver:create_app.")
    # As an interpreter does that is started here: the module may lie in the working directory.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return module, colon, attribute


def _fits(called: Any, *arguments: Any) -> bool:
    """Whether it can be called with these arguments."""
    try:
        inspect.signature(called).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
