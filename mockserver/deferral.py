"""Modules whose import is put off: Connexion imports clients and templates that a server never needs.

They take a third of the start. While `deferral` lasts, whoever imports one of them finds a stand-in, whose members are
looked up in the module itself once they are used; afterwards every import finds the module, and a package that has it,
or hands on members of it, has the true ones.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Member:
    """A class or function of a module, imported when it is called or asked for something of its own."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *arguments: Any, **options: Any) -> Any:  # Any: as the module's own
        if self._is_put_off:
            raise RuntimeError(f"{self._module}.{self._name} is called while its import is put off; do not put it off.")
        return self.found()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:  # Any: whatever it has
        if name.startswith("__") or self._is_put_off:
            raise AttributeError(name)
        return getattr(self.found(), name)

    @property
    def _is_put_off(self) -> bool:
        return isinstance(sys.modules.get(self._module), _StandIn)

    def found(self) -> Any:  # Any: whatever it is
        return getattr(import_module(self._module), self._name)


class _StandIn(ModuleType):
    """Is there in a module's place as long as none of its members is used."""

    def found(self) -> ModuleType:
        return import_module(self.__name__)

    def __getattr__(self, name: str) -> Any:  # Any: whatever the module has
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            return _Member(self.__name__, name)
        return getattr(import_module(self.__name__), name)


class _Finder:
    """Finds stand-ins."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in self._names else None  # type: ignore[arg-type]  # a loader by its shape

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@contextmanager
def deferral(*names: str) -> Iterator[None]:
    """Put off the import of these modules, but for those that are imported already."""
    # Another thread might import one of them meanwhile, and be left with a stand-in.
    if threading.active_count() > 1:
        yield
        return
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in names:
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]
                package = name
                while package := package.rpartition(".")[0]:
                    if package in sys.modules:  # it may have failed
                        _hand_on(sys.modules[package])


def _hand_on(package: ModuleType) -> None:
    """Have a package look up what it took from stand-ins when it is asked for it: others may want to derive from it."""
    taken = {name: member for name, member in vars(package).items() if isinstance(member, _Member | _StandIn)}
    if not taken:
        return
    others = vars(package).get("__getattr__")

    def find(name: str) -> Any:  # Any: whatever the package has
        if name in taken:
            setattr(package, name, taken[name].found())
            return getattr(package, name)
        if others is not None:
            return others(name)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")

    for name in taken:
        delattr(package, name)
    package.__dir__ = lambda: sorted({*vars(package), *taken})  # type: ignore[method-assign]  # PEP 562
    package.__getattr__ = find  # type: ignore[method-assign]  # PEP 562
