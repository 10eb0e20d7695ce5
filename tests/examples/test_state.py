def test_the_record_is_there_as_the_server_sees_it(mock_sandbox):
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    made = vendor.post("/journals", json={"name": "June", "authorization": {"id": "AUT-1000-0001"}}).json()
    assert mock_sandbox.state("billing", "Journal", made["id"])["name"] == "June"
