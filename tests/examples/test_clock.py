import pytest


@pytest.mark.mock(processing="after:300")
def test_ledgers_are_generated_five_minutes_later(mock_sandbox):
    operations = mock_sandbox.client("operations", "/public/v1/billing")
    operations.post("/journals/BJO-1000-0014/accept")
    mock_sandbox.clock.advance(minutes=4)
    assert operations.get("/journals/BJO-1000-0014").json()["status"] == "Generating"
    mock_sandbox.clock.advance(minutes=1)
    assert operations.get("/journals/BJO-1000-0014").json()["status"] == "Generated"
