"""Files as large as vendors send them."""

from __future__ import annotations

import pytest

from mockserver import MockServer
from tests.driver import Client

LINES = 100_000
LINE = (
    '{{"externalIds":{{"vendor":"row-{n}","invoice":"VI-1"}},"search":{{"source":{{"type":"Subscription","criteria":'
    '"externalIds.vendor","value":"sub-100{which}"}},"item":{{"criteria":"item.externalIds.vendor","value":"SKU-100"}}}},'
    '"period":{{"start":"2026-02-01","end":"2026-02-28"}},"quantity":1,"price":{{"unitPP":1.25,"PPx1":1.25}}}}\n'
)


@pytest.mark.slow
def test_a_hundred_thousand_lines_become_ledgers_and_statements(
    app: MockServer, vendor: Client, operations: Client
) -> None:
    journal = vendor.post("/journals", {"name": "Large", "authorization": {"id": "AUT-1000-0001"}}).json["id"]
    content = "".join(LINE.format(n=n, which=1 + n % 2) for n in range(LINES)).encode()
    assert vendor.upload(f"/journals/{journal}/upload", content).status == 200
    settled = vendor.get(f"/journals/{journal}").json
    assert settled["status"] == "Validated"
    assert settled["upload"] == {"total": LINES, "split": 0, "ready": LINES, "error": 0}
    assert settled["price"]["totalPP"] == 125_000
    last = vendor.get(f"/journals/{journal}/charges?offset={LINES - 1}").json
    assert last["$meta"]["pagination"]["total"] == LINES
    assert [charge["externalIds"]["vendor"] for charge in last["data"]] == [f"row-{LINES - 1}"]
    assert vendor.post(f"/journals/{journal}/submit").status == 200
    assert operations.post(f"/journals/{journal}/accept").status == 200
    ledgers = operations.get(f'/ledgers?eq(journal.id,"{journal}")').json["data"]
    assert [ledger["processing"]["ready"] for ledger in ledgers] == [LINES // 2, LINES // 2]
    for ledger in ledgers:
        assert operations.post(f"/ledgers/{ledger['id']}/accept").status == 200
        (statement,) = operations.get(f'/statements?eq(ledger.id,"{ledger["id"]}")').json["data"]
        assert statement["price"]["totalPP"] == 62_500
    whole = operations.get(f"/journals/{journal}/charges", headers={"accept": "text/csv"})
    assert whole.content.count(b"\r\n") == LINES + 1
