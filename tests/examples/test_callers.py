def test_operations_accepts_what_a_vendor_may_not(mock_sandbox):
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    operations = mock_sandbox.client("operations", "/public/v1/billing")
    assert vendor.post("/journals/BJO-1000-0014/accept").status_code == 403
    assert operations.post("/journals/BJO-1000-0014/accept").json()["status"] == "Generating"
