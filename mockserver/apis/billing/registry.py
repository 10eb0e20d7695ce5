"""What billing's events and jobs do beside what its tables say; the modules of this package fill it."""

from __future__ import annotations

from mockserver.work import Workflows

WORKFLOWS = Workflows()
