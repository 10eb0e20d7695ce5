"""What every test may use: one application a process, a world reset to its seed for each test, a client per caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator

# Httpx imports it with its first client. Were that one made in a run of pytester's, which takes its modules with it,
# httpx would go on with an httpcore that is another one than everybody's, and know none of its errors.
import httpcore  # noqa: F401
import pytest

from mockserver import MockServer, create_app
from tests.driver import Client


@pytest.fixture(scope="session")
def built() -> MockServer:
    """The application over the default world, built once a process."""
    return create_app("billing")


@pytest.fixture
def app(built: MockServer) -> Iterator[MockServer]:
    """The application with its world as seeded."""
    built.reset()
    yield built
    built.reset()


@pytest.fixture
def as_(app: MockServer) -> Callable[[str], Client]:
    """A client that calls as one of the cast: `as_("vendor")`."""
    return lambda name: Client(app, app.token(name))


@pytest.fixture
def vendor(as_: Callable[[str], Client]) -> Client:
    return as_("vendor")


@pytest.fixture
def operations(as_: Callable[[str], Client]) -> Client:
    return as_("operations")


@pytest.fixture
def client(as_: Callable[[str], Client]) -> Client:
    return as_("client")
