def test_one_journal_is_created_and_by_its_name(mock_sandbox):
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    vendor.post("/journals", json={"name": "June", "authorization": {"id": "AUT-1000-0001"}})
    mock_sandbox.journal.assert_called(operation="createJournal", body={"name": "June"}, times=1)
    mock_sandbox.journal.assert_not_called(method="DELETE")
