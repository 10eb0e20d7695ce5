"""Names and addresses by Faker, without its list of all locales, which takes longer to make than all the names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from mockserver.deferral import deferral

with deferral("faker.factory", "faker.proxy"):  # they make that list
    from faker.generator import Generator

if TYPE_CHECKING:
    from faker import Faker

PROVIDERS = ("faker.providers.person", "faker.providers.company", "faker.providers.address")
_INSTEAD = "en_US"
"""What Faker takes where a provider does not have the locale"""


def fake(locale: str, seed: str) -> Faker:
    """Says what `Faker(locale, providers=PROVIDERS)` does from this seed on.

    Raises AttributeError where Faker has no such locale.
    """
    found = {name: _provider(name, locale) for name in PROVIDERS}
    if not any(found.values()):
        # Other providers may know it.
        from faker.factory import Factory

        made = Factory.create(locale, list(PROVIDERS))
    else:
        made = Generator(locale=locale)  # type: ignore[arg-type]  # annotated as a mapping each
        for name, kind in found.items():
            provider = (kind or _provider(name, _INSTEAD))(made)
            provider.__use_weighting__ = True
            made.add_provider(provider)
    made.seed_instance(seed)
    return cast("Faker", made)  # which it has all the methods of that are asked for


def _provider(name: str, locale: str) -> Any:  # Any: a class that the others of its name share no annotations with
    """A provider's class for a locale; None where there is none."""
    try:
        return import_module(f"{name}.{locale}").Provider
    except ModuleNotFoundError as missing:
        if missing.name != f"{name}.{locale}":
            raise
        return None
