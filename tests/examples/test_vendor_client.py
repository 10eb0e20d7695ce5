import pytest


def test_the_vendors_own_client_needs_a_token_and_a_url(mock_sandbox):
    mpt = pytest.importorskip("mpt_api_client", reason="needs pip install mpt-api-client")
    token = mpt.auth.BearerTokenAuthentication(mock_sandbox.token("vendor"))
    vendor = mpt.MPTClient.from_config(token, mock_sandbox.server.url)  # the token leads to the sandbox
    journal = vendor.billing.journals.create({"name": "June", "authorization": {"id": "AUT-1000-0001"}})
    assert mock_sandbox.client("vendor").get(f"/public/v1/billing/journals/{journal.id}").status_code == 200
