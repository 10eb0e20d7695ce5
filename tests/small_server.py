"""The application over the small hand-made world, for tests that must know every fact of what they bill."""

from __future__ import annotations

from mockserver.apis.billing.plugin import PLUGIN
from mockserver.app import MockServer
from mockserver.auth import Caller
from mockserver.sandboxes import Base
from mockserver.service import Service
from tests.billing_world import OPERATIONS, OTHER_VENDOR, VENDOR, Small, api

CAST = {
    "operations": ("operations", OPERATIONS.account),
    "vendor": ("vendor", VENDOR.account),
    "vendor-other": ("vendor", OTHER_VENDOR.account),
    "client": ("client", "ACC-1000-0003"),
    "client-other": ("client", "ACC-1000-0004"),
}


def small_server(processing: str = "immediate") -> MockServer:
    """A new application over a new small world, which is its seed."""
    world = Small(processing=processing).world
    world.settle_seed()
    callers = []
    for place, (name, (role, account)) in enumerate(CAST.items(), 1):
        token = f"TKN-1000-{place:04d}"
        callers.append(Caller(name, f"{name}-token", role, account, token, {"id": token, "name": name}))
    services = {"billing": Service(api(), PLUGIN)}
    cast = {caller.token: caller for caller in callers}
    base = Base.of("small", {"billing": world}, {"billing": cast})
    return MockServer(services=services, base=base, build=lambda scenario: base)
