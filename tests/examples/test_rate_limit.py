def test_a_client_that_asks_too_often_is_told_when_to_come_again(mock_sandbox):
    mock_sandbox.faults.add("rate-limit", calls=2, window=60)
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    answers = [vendor.get("/journals") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    mock_sandbox.clock.advance(seconds=int(answers[2].headers["Retry-After"]))
    assert vendor.get("/journals").status_code == 200
