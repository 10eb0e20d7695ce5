"""What every test of the toolkit may use: sound servers, built once a process and as seeded for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mockserver import MockServer, create_app


@pytest.fixture(scope="session")
def all_built() -> MockServer:
    """The application over the default worlds of all three APIs, built once a process."""
    return create_app()


@pytest.fixture
def sound_app(all_built: MockServer) -> Iterator[MockServer]:
    """All three APIs, nothing planted, their worlds as seeded."""
    all_built.reset()
    yield all_built
    all_built.reset()


@pytest.fixture(scope="session")
def built_of() -> Callable[..., MockServer]:
    """An application by the APIs that it serves, built once a process; reset it before use (`sound_of` does)."""
    built: dict[tuple[str, ...], MockServer] = {}

    def of(*apis: str) -> MockServer:
        if apis not in built:
            built[apis] = create_app(*apis)
        return built[apis]

    return of


@pytest.fixture
def sound_of(built_of: Callable[..., MockServer]) -> Iterator[Callable[..., MockServer]]:
    """A sound application of single APIs, its worlds as seeded: `sound_of("credits")`."""
    used: list[MockServer] = []

    def of(*apis: str) -> MockServer:
        app = built_of(*apis)
        app.reset()
        used.append(app)
        return app

    yield of
    for app in used:
        app.reset()
