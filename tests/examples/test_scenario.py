import pytest


@pytest.mark.mock(scenario="overdue")
def test_a_client_is_late_with_two_invoices(mock_sandbox):
    client = mock_sandbox.client("client", "/public/v1/billing")
    found = client.get("/invoices?and(ilike(id,INV-2500-*),eq(status,Overdue))").json()["data"]
    assert [invoice["id"][-4:] for invoice in found] == ["0001", "0002"]
