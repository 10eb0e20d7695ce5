"""The examples need the plugin as users have it: installed with the server, or named by `-p`."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    there = any(config.pluginmanager.hasplugin(name) for name in ("mockserver", "mockserver.testing.plugin"))
    return None if there else True
