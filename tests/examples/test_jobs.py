import pytest


@pytest.mark.mock(processing="manual")
def test_work_waits_until_it_is_released(mock_sandbox):
    operations = mock_sandbox.client("operations", "/public/v1/billing")
    operations.post("/journals/BJO-1000-0014/accept")
    assert [job["subject"] for job in mock_sandbox.jobs.waiting()] == ["BJO-1000-0014"]
    mock_sandbox.jobs.release()
    assert operations.get("/journals/BJO-1000-0014").json()["status"] == "Generated"
