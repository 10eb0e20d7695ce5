def test_a_list_is_asked_for_again_when_the_service_is_away(mock_sandbox):
    mock_sandbox.faults.add("status", status=503, operation="listJournals", count=2)
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    answers = [vendor.get("/journals").status_code for _ in range(3)]
    assert answers == [503, 503, 200]
