"""Much that happens to a server of all three APIs: the seeded mixes of calls, one after the other."""

from __future__ import annotations

from mockserver import MockServer
from tests import mixes, test_determinism


def live(app: MockServer, seed: int, calls: int) -> list[str]:
    """So many calls to each API; the digests of all answers."""
    digests = [mixes.Mix(app, api, seed).run(calls) for api in ("accounts", "credits")]
    mix = test_determinism.Mix(app, seed)
    # The mix calls billing, so that the callers of the others must not be drawn.
    known = {name for name, each in app.callers.items() if each.api == "billing"} | {test_determinism.NOBODY}
    mix.clients = {name: each for name, each in mix.clients.items() if name in known}
    return [*digests, mix.run(calls)]
