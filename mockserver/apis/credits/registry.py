"""What the events and jobs of credits do beside what their tables say; the modules of this package fill it."""

from __future__ import annotations

from mockserver.work import Workflows

WORKFLOWS = Workflows()
