"""What is made without an id, such as a token, leaves no journal behind: nobody could take it away."""

from __future__ import annotations

from pathlib import Path

from mockserver import create_app
from tests.contracts.driver import verify


def test_a_run_that_issues_tokens_ends_without_a_journal(tmp_path: Path) -> None:
    result = verify(create_app("accounts"), "accounts", mode="own", only=["access.allowed"], journal=tmp_path)

    assert result.statuses["accounts", "GetOAuth2AccessToken"].get(200)
    assert list(tmp_path.iterdir()) == []
