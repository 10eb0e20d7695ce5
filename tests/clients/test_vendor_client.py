"""The vendor's own client, unchanged, against the mock: what its users may rely on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from mpt_api_client import MPTClient, RQLQuery
from mpt_api_client.auth import BearerTokenAuthentication
from mpt_api_client.exceptions import MPTAPIError, MPTStreamingError

from .conftest import Server
from .world import ATTACHMENTS, BILLING, CHARGES, READS, REFUSED, RESOURCES, XLSX, Json, Resource, World

Clients = Callable[[str], MPTClient]
Call = Callable[[Any], object]

PDF = b"%PDF-1.4\n% a page of nothing\n"


@pytest.fixture(scope="module")
def clients(server: Server) -> Iterator[Clients]:
    """A client per caller; a name that the server does not know is its own, wrong, token."""
    made: dict[str, MPTClient] = {}

    def of(caller: str) -> MPTClient:
        if caller not in made:
            token = BearerTokenAuthentication(server.tokens.get(caller, caller))
            made[caller] = MPTClient.from_config(token, server.url)
        return made[caller]

    yield of
    for client in made.values():
        client.http_client.httpx_client.close()


def post(client: MPTClient, path: str, **options: Any) -> Json:
    """An action that the client has no method for, sent by the client's own transport."""
    answer: Json = client.http_client.request("POST", BILLING + path, **options).json()
    return answer


def refusal(call: Callable[[], object]) -> MPTAPIError:
    with pytest.raises(MPTAPIError) as caught:
        call()
    error: MPTAPIError = caught.value
    assert error.status == error.status_code
    return error


def draft(clients: Clients, world: World) -> Any:
    """A new journal of the caller `vendor`."""
    return clients("vendor").billing.journals.create(
        {
            "name": "1 June 2025 clients",
            "authorization": {"id": world.sample().authorization},
            "dueDate": "2026-01-02T19:00:00.000Z",
            "externalIds": {},
        }
    )


# From draft to completed


@pytest.mark.parametrize("sign", [pytest.param(1, id="debit"), pytest.param(-1, id="credit")])
def test_a_journal_goes_from_draft_to_completed_and_into_an_erp_document(
    clients: Clients, world: World, sign: int
) -> None:
    vendor, operations, client = (clients(name).billing for name in ("vendor", "operations", "client"))
    journal = draft(clients, world)
    assert journal.status == "Draft"

    uploading = vendor.journals.upload(journal.id, ("june.jsonl", world.sample().jsonl(sign=sign)))
    assert uploading.status == "Validating"
    validated = vendor.journals.get(journal.id)
    assert (validated.status, validated.upload.total, validated.upload.error) == ("Validated", 2, 0)
    assert validated.price.total_pp == sign * 800

    assert vendor.journals.submit(journal.id).status == "Review"
    assert operations.journals.enquiry(journal.id).status == "Enquiring"
    assert vendor.journals.submit(journal.id).status == "Review"
    assert operations.journals.regenerate(journal.id).status == "Validating"
    assert operations.journals.get(journal.id).status == "Review"
    assert operations.journals.accept(journal.id).status == "Generating"
    assert operations.journals.get(journal.id).status == "Generated"

    ledgers = list(operations.ledgers.filter(RQLQuery("journal.id").eq(journal.id)).iterate())
    assert [ledger.status for ledger in ledgers] == ["Review"]
    for ledger in ledgers:
        assert post(clients("operations"), f"/ledgers/{ledger.id}/accept")["status"] == "Generating"
        assert operations.ledgers.get(ledger.id).status == "Generated"
    assert operations.journals.get(journal.id).status == "Accepted"

    for ledger in ledgers:
        assert post(clients("operations"), f"/ledgers/{ledger.id}/queue")["status"] == "Queued"
    assert operations.journals.get(journal.id).status == "Queued"

    of_ledger = RQLQuery("ledger.id").eq(ledgers[0].id)
    (statement,) = operations.statements.filter(of_ledger).iterate()
    assert statement.status == "Queued"
    assert statement.type == ("Debit" if sign > 0 else "Credit")
    assert operations.statements.pending(statement.id).status == "Pending"
    rejected = operations.statements.error(statement.id, {"statusNotes": {"message": "No such customer."}})
    assert (rejected.status, rejected.status_notes.message) == ("Error", "No such customer.")
    assert operations.statements.retry(statement.id).status == "Queued"
    assert operations.statements.pending(statement.id).status == "Pending"
    assert operations.statements.issue(statement.id).status == "Issued"

    assert operations.ledgers.get(ledgers[0].id).status == "Completed"
    completed = operations.journals.get(journal.id, select="audit")
    assert completed.status == "Completed"
    assert completed.audit.completed.at

    kind = "invoice" if sign > 0 else "credit_memo"
    documents = f"{kind}s"
    body = world.erp_document(statement.id, number=f"NL-{kind}-{journal.id}")
    document = getattr(operations, documents).create(body)
    mine = client.statements.get(statement.id)
    assert getattr(mine, kind).id == document.id
    seen = getattr(client, documents).get(document.id, select="lines")
    assert (seen.document_no, seen.status, len(seen.lines)) == (body["documentNo"], "Issued", 1)


def test_a_statement_can_be_cancelled_and_the_journal_completes(clients: Clients, world: World) -> None:
    operations = clients("operations").billing
    journal = draft(clients, world)
    clients("vendor").billing.journals.upload(journal.id, ("june.jsonl", world.sample().jsonl()))
    clients("vendor").billing.journals.submit(journal.id)
    operations.journals.accept(journal.id)
    (ledger,) = operations.ledgers.filter(RQLQuery("journal.id").eq(journal.id)).iterate()
    post(clients("operations"), f"/ledgers/{ledger.id}/accept")
    (statement,) = operations.statements.filter(RQLQuery("ledger.id").eq(ledger.id)).iterate()
    assert operations.statements.queue(statement.id).status == "Queued"
    operations.statements.pending(statement.id)
    operations.statements.error(statement.id, {"statusNotes": {"message": "Wrong price."}})
    assert operations.statements.recalculate(statement.id).status == "Generating"
    assert operations.statements.get(statement.id).status == "Queued"
    assert operations.statements.cancel(statement.id).status == "Cancelled"


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(lambda world: world.sample().jsonl(), id="bare bytes, named upload, as ndjson"),
        pytest.param(lambda world: ("a.jsonl", world.sample().jsonl()), id="a name, as ndjson"),
        pytest.param(lambda world: ("a.jsonl", world.sample().jsonl(), "application/jsonl"), id="as jsonl"),
        pytest.param(lambda world: ("a.jsonl", world.sample().jsonl(), "application/octet-stream"), id="by extension"),
        pytest.param(lambda world: ("a.xlsx", world.sample().xlsx(), XLSX), id="a spreadsheet"),
    ],
)
def test_a_charge_file_is_read_however_it_is_sent(
    clients: Clients, world: World, file: Callable[[World], object]
) -> None:
    vendor = clients("vendor").billing
    journal = draft(clients, world)
    vendor.journals.upload(journal.id, file(world))
    assert vendor.journals.get(journal.id).status == "Validated"
    names = [one.type for one in vendor.journals.attachments(journal.id).iterate()]
    assert names == ["Input"]


def test_a_custom_ledger_is_made_filled_and_accepted(clients: Clients, world: World) -> None:
    operations = clients("operations").billing
    ledger = operations.custom_ledgers.create(world.custom_ledger())
    assert ledger.status == "Draft"
    assert operations.custom_ledgers.update(ledger.id, {"name": "Renamed"}).name == "Renamed"
    assert operations.custom_ledgers.upload(ledger.id, world.custom_ledger_file()).status == "Validating"
    assert operations.custom_ledgers.get(ledger.id).status == "Validated"
    (charge,) = operations.custom_ledgers.charges(ledger.id).iterate()
    assert (charge.billing_type, charge.price.unit_pp) == ("Manual", 40)
    (attachment,) = operations.custom_ledgers.attachments(ledger.id).iterate()
    assert (attachment.type, attachment.filename) == ("Input", "uploaded_file.xlsx")
    assert operations.custom_ledgers.accept(ledger.id).status == "Generating"
    assert operations.custom_ledgers.get(ledger.id).status == "Generated"
    assert operations.custom_ledgers.queue(ledger.id).status == "Queued"


# Reading, every collection


@pytest.mark.parametrize(("resource", "reader"), READS, ids=str)
def test_pages_add_up_to_the_whole(clients: Clients, world: World, resource: Resource, reader: str) -> None:
    service = resource.service(clients(reader).billing, world.parent(resource, reader))
    page = service.order_by("id").fetch_page(limit=100)
    total = page.meta.pagination.total
    assert 0 < len(page) == min(total, 100)
    walked = [row.id for row in service.order_by("id").iterate(batch_size=max(2, total // 3))]
    assert len(set(walked)) == len(walked) == total
    assert walked[:100] == [row.id for row in page]


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_a_filter_finds_one_row(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    row = service.fetch_page(limit=1)[0]
    assert service.filter(RQLQuery(id=row.id)).fetch_one().id == row.id
    assert service.filter(RQLQuery(id__in=[row.id, "it's none"])).fetch_one().id == row.id
    others = service.filter(~RQLQuery(id=row.id)).fetch_page(limit=100)
    assert row.id not in [other.id for other in others]
    with pytest.raises(ValueError, match="zero results"):
        service.filter(RQLQuery(id='Zoë "x" (a,b) 100%;|=#&+')).fetch_one()


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_order_runs_both_ways(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    up = [row.id for row in service.order_by("+id").iterate()]
    down = [row.id for row in service.order_by("-id").iterate()]
    assert up == sorted(up) == down[::-1]


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_select_says_what_comes_and_what_does_not(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    bare = service.select("-*", "id").fetch_page(limit=2)
    assert [set(row.to_dict()) for row in bare] == [{"id"}] * len(bare)
    tolerated = service.select("-value", "-period", "-price").fetch_page(limit=1)[0]
    assert tolerated.id == bare[0].id
    assert "price" not in tolerated.to_dict()


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_one_object_is_read_by_id_and_select(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    row = service.fetch_page(limit=1)[0]
    assert service.get(row.id).id == row.id
    assert service.get(row.id, select=["-*", "id"]).to_dict() == {"id": row.id}
    assert service.options(render=True).get(row.id, select="+audit").id == row.id


def test_filters_know_dates_patterns_nulls_and_logic(clients: Clients, world: World) -> None:
    journals = clients("operations").billing.journals
    every = set(world.ids("/journals"))
    since = RQLQuery("audit.created.at").ge(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    draft_or_error = RQLQuery(status="Draft") | RQLQuery("status").eq("Error")
    assert {row.id for row in journals.filter(since).iterate()} >= every
    assert journals.filter(~since).fetch_page().meta.pagination.total == 0
    named = journals.filter(RQLQuery("name").ilike("*") & RQLQuery(name__null=False)).fetch_page(limit=0)
    assert named.meta.pagination.total >= len(every)
    picked = {row.status for row in journals.filter(draft_or_error).iterate()}
    listed = {row.status for row in journals.filter(RQLQuery(status__in=["Draft", "Error"])).iterate()}
    assert picked == listed == {"Draft", "Error"}
    assert journals.filter(RQLQuery("price.totalPP").gt(10**12)).fetch_page().meta.pagination.total == 0
    assert journals.options(render=True).filter(since).fetch_page(limit=1)


def test_lines_come_when_selected_and_can_be_asked_about(clients: Clients, world: World) -> None:
    invoices = clients("client").billing.invoices
    plain = invoices.fetch_page(limit=1)
    assert "lines" not in plain[0].to_dict()
    assert "lines" in plain.meta.omitted
    billed = next(row for row in invoices.select("lines").iterate() if row.lines)
    with_item = RQLQuery(itemNo=billed.lines[0].item_no).any("lines")
    assert billed.id in [row.id for row in invoices.filter(with_item).iterate()]


@pytest.mark.parametrize("resource", CHARGES, ids=str)
def test_charges_stream_as_they_page(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    paged = [row.id for row in service.order_by("id").iterate()]
    assert [row.id for row in service.order_by("id").stream()] == paged
    assert [row.id for row in service.order_by("id").stream(limit=1)] == paged[:1]
    if resource.name == "statements.charges":
        assert [row.id for row in service.order_by("id").stream_jsonl()] == paged


@pytest.mark.parametrize("resource", [one for one in RESOURCES if one not in CHARGES], ids=str)
def test_a_collection_that_does_not_stream_says_so(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    with pytest.raises(MPTStreamingError):
        list(service.stream())


@pytest.mark.parametrize("caller", ["vendor", "operations"])
def test_charges_of_a_journal_come_as_a_csv_file(clients: Clients, world: World, caller: str) -> None:
    journal = world.fullest("journals", "charges", caller)
    path = f"{BILLING}/journals/{journal}/charges"
    answer = clients(caller).http_client.request("GET", path, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) > world.count(f"/journals/{journal}/charges", caller=caller)


# Writing, where the matrix allows


def test_a_journal_is_made_changed_and_removed(clients: Clients, world: World) -> None:
    vendor = clients("vendor").billing.journals
    journal = draft(clients, world)
    changed = vendor.update(journal.id, {"name": "Renamed", "notes": "by the vendor", "status": "Completed"})
    assert (changed.name, changed.notes, changed.status) == ("Renamed", "by the vendor", "Draft")
    assert clients("operations").billing.journals.update(journal.id, {"name": "No"}).name == "Renamed"
    assert "notes" not in vendor.update(journal.id, {"notes": None}).to_dict()
    vendor.delete(journal.id)
    assert refusal(lambda: vendor.get(journal.id)).status == 404


def test_a_custom_ledger_is_removed(clients: Clients, world: World) -> None:
    ledgers = clients("operations").billing.custom_ledgers
    ledger = ledgers.create(world.custom_ledger())
    ledgers.delete(ledger.id)
    assert refusal(lambda: ledgers.get(ledger.id)).status == 404


def test_an_override_is_made_changed_and_disabled(clients: Clients, world: World) -> None:
    overrides = clients("operations").billing.manual_overrides
    client, vendor = world.free_pair()
    override = overrides.create({"client": {"id": client}, "vendor": {"id": vendor}, "externalId": "ovr-7"})
    assert (override.status, override.client.id, override.vendor.id) == ("Active", client, vendor)
    assert overrides.update(override.id, {"notes": "Billed by hand"}).notes == "Billed by hand"
    again = refusal(lambda: overrides.create({"client": {"id": client}, "vendor": {"id": vendor}}))
    assert again.status == 400
    assert post(clients("operations"), f"/manual-overrides/{override.id}/disable")["status"] == "Disabled"


def test_a_statement_takes_notes_and_external_ids(clients: Clients, world: World) -> None:
    statements = clients("operations").billing.statements
    statement = statements.fetch_page(limit=1)[0]
    changed = statements.update(statement.id, {"externalIds": {"operations": "ops-1"}, "type": "Nonsense"})
    assert (changed.external_ids.operations, changed.type) == ("ops-1", statement.type)


@pytest.mark.parametrize("caller", ["client", "operations"])
def test_an_invoice_is_changed_by_those_who_may(clients: Clients, world: World, caller: str) -> None:
    invoices = clients(caller).billing.invoices
    invoice = invoices.fetch_page(limit=1)[0]
    assert invoices.update(invoice.id, {"name": "June"}).name == "June"


@pytest.mark.parametrize(("parent", "writer"), ATTACHMENTS)
def test_an_attachment_is_made_read_renamed_and_removed(
    clients: Clients, world: World, parent: str, writer: str
) -> None:
    billing = clients(writer).billing
    service = getattr(billing, parent).attachments(getattr(billing, parent).fetch_page(limit=1)[0].id)
    made = service.create({"name": "June", "description": "Raw"}, ("june usage.pdf", PDF, "application/pdf"))
    assert (made.name, made.description, made.type) == ("June", "Raw", "Attachment")
    assert (made.filename, made.content_type, made.size) == ("june usage.pdf", "application/pdf", len(PDF))
    assert made.id in [row.id for row in service.iterate()]
    assert service.update(made.id, {"name": "July"}).name == "July"

    file = service.download(made.id)
    assert (file.file_contents, file.filename, file.content_type) == (PDF, "june usage.pdf", "application/pdf")
    assert service.download(made.id, accept="*/*").file_contents == PDF
    assert refusal(lambda: service.download(made.id, accept="image/png")).status == 406

    service.delete(made.id)
    assert service.get(made.id).is_deleted is True
    assert refusal(lambda: service.download(made.id, accept="application/pdf")).status == 404
    assert refusal(lambda: service.delete(made.id)).status == 404


@pytest.mark.parametrize("parent", ["invoices", "credit_memos"])
def test_the_document_of_the_erp_is_a_pdf(clients: Clients, world: World, parent: str) -> None:
    billing = clients("client").billing
    of = Resource(f"{parent}.attachments", ("client",))
    service = of.service(billing, world.parent(of, "client"))
    output = next(row for row in service.iterate() if row.type == "Output")
    assert service.download(output.id).file_contents.startswith(b"%PDF")
    assert refusal(lambda: clients("operations").billing.journals.attachments("BJO-0000-0000").get(output.id))


# Refusals


@pytest.mark.parametrize("caller", ["expired", "a-token-of-nobody", "x"])
def test_a_bad_token_is_an_authentication_failure(clients: Clients, caller: str) -> None:
    error = refusal(lambda: clients(caller).billing.journals.fetch_page())
    assert (error.status, error.title) == (401, "Authentication Failed")


@pytest.mark.parametrize(("resource", "role"), REFUSED, ids=str)
def test_a_role_without_the_right_is_refused_before_anything_is_looked_up(
    clients: Clients, resource: Resource, role: str
) -> None:
    service = resource.service(clients(role).billing, None)
    assert refusal(lambda: service.fetch_page()).status == 403
    assert refusal(lambda: service.get("CLD-0000-0000")).status == 403


def test_a_role_is_refused_the_writes_of_another(clients: Clients, world: World) -> None:
    operations, client = clients("operations").billing, clients("client").billing
    assert refusal(lambda: operations.journals.create({})).status == 403
    assert refusal(lambda: operations.journals.upload("BJO-0000-0000", b"{}")).status == 403
    assert refusal(lambda: clients("vendor").billing.journals.accept("BJO-0000-0000")).status == 403
    assert refusal(lambda: client.statements.issue(client.statements.fetch_page(limit=1)[0].id)).status == 403


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_an_unknown_or_odd_id_is_not_found(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    error = refusal(lambda: service.get("CLD-0000-0000"))
    assert (error.status, error.title) == (404, "Not Found")


@pytest.mark.parametrize(
    ("caller", "name"),
    [("vendor", "journals"), ("client", "statements"), ("client", "invoices"), ("client", "credit_memos")],
)
def test_what_belongs_to_another_account_is_not_found(clients: Clients, world: World, caller: str, name: str) -> None:
    path = f"/{name.replace('_', '-')}"
    own = set(world.ids(path, caller=caller))
    foreign = set(world.ids(path)) - own
    assert foreign, f"every row of {name} belongs to the caller {caller}: nothing there to be kept from it"
    service = getattr(clients(caller).billing, name)
    assert {row.id for row in service.iterate()} == own
    for one in sorted(foreign)[:5]:
        assert refusal(partial(service.get, one)).status == 404


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda billing: billing.ledgers.create({}), id="create a ledger"),
        pytest.param(lambda billing: billing.credit_memos.update("CRD-0000", {}), id="update a credit memo"),
    ],
)
def test_what_the_client_offers_and_the_api_does_not_is_no_method(clients: Clients, call: Call) -> None:
    assert refusal(lambda: call(clients("operations").billing)).status == 405


def test_a_step_out_of_order_is_a_conflict_and_changes_nothing(clients: Clients, world: World) -> None:
    journal = draft(clients, world)
    before = world.get(f"/journals/{journal.id}?select=%2Baudit")
    assert refusal(lambda: clients("vendor").billing.journals.submit(journal.id)).status == 409
    assert refusal(lambda: clients("operations").billing.journals.accept(journal.id)).status == 409
    assert world.get(f"/journals/{journal.id}?select=%2Baudit") == before


def test_a_body_that_lacks_something_says_what(clients: Clients) -> None:
    error = refusal(lambda: clients("vendor").billing.journals.create({"notes": "no name"}))
    assert (error.status, error.title) == (400, "One or more validation errors occurred.")
    assert error.errors


@pytest.mark.parametrize(
    ("filter_", "key"),
    [("bogus(id,1)", "bogus"), ("eq(nothing,1)", "nothing"), ("gt(audit.created.at,never)", "audit.created.at")],
)
def test_a_wrong_filter_says_where(clients: Clients, filter_: str, key: str) -> None:
    journals = clients("operations").billing.journals.filter(RQLQuery.from_string(filter_))
    error = refusal(lambda: journals.fetch_page())
    assert error.status == 400
    assert key in error.errors


def test_a_sale_price_is_not_for_the_vendor_to_ask_about(clients: Clients) -> None:
    journals = clients("vendor").billing.journals
    assert refusal(lambda: journals.filter(RQLQuery("price.totalSP").gt(0)).fetch_page()).status == 400
    assert refusal(lambda: journals.order_by("price.totalSP").fetch_page()).status == 400
    assert all("totalSP" not in row.to_dict()["price"] for row in journals.select("*").iterate())


def test_files_of_a_wrong_kind_are_refused(clients: Clients, world: World) -> None:
    operations, vendor = clients("operations"), clients("vendor").billing
    journal, ledger = draft(clients, world), operations.billing.custom_ledgers.create(world.custom_ledger())
    csv = {"file": ("charges.csv", b"a,b\n1,2\n", "text/csv")}
    as_csv = refusal(lambda: post(operations, f"/custom-ledgers/{ledger.id}/upload", files=csv))
    assert as_csv.status == 415
    assert refusal(lambda: operations.billing.custom_ledgers.upload(ledger.id, b"no spreadsheet")).status == 400
    assert refusal(lambda: vendor.journals.upload(journal.id, ("a.png", b"x", "image/png"))).status == 415
    assert refusal(lambda: vendor.journals.upload(journal.id, b"{not json\n")).status == 400
    assert refusal(lambda: vendor.journals.upload(journal.id)).status == 400
    attachments = vendor.journals.attachments(journal.id)
    assert refusal(lambda: attachments.create({"name": "n"}, b"bytes of no known type")).status == 415
    assert refusal(lambda: attachments.create({"name": "n"})).status == 400
    assert vendor.journals.get(journal.id).status == "Draft"
    assert attachments.fetch_page().meta.pagination.total == 0


@pytest.mark.parametrize("suffix", ["", "/", "/public", "/public/v1", "/public/v1/"])
def test_the_base_url_is_taken_in_every_form_the_client_knows(server: Server, suffix: str) -> None:
    token = BearerTokenAuthentication(server.tokens["operations"])
    client = MPTClient.from_config(token, server.url + suffix)
    assert client.billing.journals.fetch_page(limit=0).meta.pagination.total > 0
    client.http_client.httpx_client.close()
