import pytest


@pytest.mark.parametrize("turn", range(4))
def test_each_test_finds_the_world_as_seeded(mock_sandbox, turn):
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    assert vendor.delete("/journals/BJO-1000-0001").status_code == 204  # it is there, for every worker
