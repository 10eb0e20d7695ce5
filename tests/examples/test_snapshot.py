def test_both_ways_are_tried_from_one_point(mock_sandbox):
    operations = mock_sandbox.client("operations", "/public/v1/billing")
    mock_sandbox.snapshot("reviewed")
    operations.post("/journals/BJO-1000-0014/accept")
    mock_sandbox.restore("reviewed")
    assert operations.get("/journals/BJO-1000-0014").json()["status"] == "Review"
