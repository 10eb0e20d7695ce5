"""The asynchronous twin of the vendor's client: the same walk, and every collection once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mpt_api_client import AsyncMPTClient, RQLQuery
from mpt_api_client.auth import BearerTokenAuthentication
from mpt_api_client.exceptions import MPTAPIError

from .conftest import Server
from .world import ATTACHMENTS, BILLING, READS, REFUSED, RESOURCES, Json, Resource, World

Clients = Callable[[str], AsyncMPTClient]

pytestmark = pytest.mark.anyio

TEXT = b"a line of text\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def clients(server: Server) -> AsyncIterator[Clients]:
    """A client per caller; a name that the server does not know is its own, wrong, token."""
    made: dict[str, AsyncMPTClient] = {}

    def of(caller: str) -> AsyncMPTClient:
        if caller not in made:
            token = BearerTokenAuthentication(server.tokens.get(caller, caller))
            made[caller] = AsyncMPTClient.from_config(token, server.url)
        return made[caller]

    yield of
    for client in made.values():
        await client.http_client.httpx_client.aclose()


async def post(client: AsyncMPTClient, path: str) -> Json:
    """An action that the client has no method for, sent by the client's own transport."""
    answer: Json = (await client.http_client.request("POST", BILLING + path)).json()
    return answer


async def every(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


async def test_a_journal_goes_from_draft_to_completed(clients: Clients, world: World) -> None:
    vendor, operations, client = (clients(name).billing for name in ("vendor", "operations", "client"))
    authorization = {"id": world.sample().authorization}
    journal = await vendor.journals.create({"name": "1 June 2025 async", "authorization": authorization})
    assert journal.status == "Draft"
    assert (await vendor.journals.upload(journal.id, world.sample().jsonl())).status == "Validating"
    assert (await vendor.journals.get(journal.id)).status == "Validated"
    assert (await vendor.journals.submit(journal.id)).status == "Review"
    assert (await operations.journals.accept(journal.id)).status == "Generating"
    assert (await operations.journals.get(journal.id)).status == "Generated"

    of_journal = RQLQuery("journal.id").eq(journal.id)
    ledger = await operations.ledgers.filter(of_journal).fetch_one()
    assert ledger.status == "Review"
    assert (await post(clients("operations"), f"/ledgers/{ledger.id}/accept"))["status"] == "Generating"
    assert (await operations.journals.get(journal.id)).status == "Accepted"
    assert (await post(clients("operations"), f"/ledgers/{ledger.id}/queue"))["status"] == "Queued"
    assert (await operations.journals.get(journal.id)).status == "Queued"

    statement = await operations.statements.filter(RQLQuery("ledger.id").eq(ledger.id)).fetch_one()
    assert (await operations.statements.pending(statement.id)).status == "Pending"
    assert (await operations.statements.issue(statement.id)).status == "Issued"
    assert (await operations.ledgers.get(ledger.id)).status == "Completed"
    assert (await operations.journals.get(journal.id)).status == "Completed"

    number = f"NL-invoice-{journal.id}"
    invoice = await operations.invoices.create(world.erp_document(statement.id, number=number))
    assert (await client.statements.get(statement.id)).invoice.id == invoice.id
    assert (await client.invoices.get(invoice.id)).document_no == number


async def test_a_custom_ledger_is_made_filled_and_accepted(clients: Clients, world: World) -> None:
    ledgers = clients("operations").billing.custom_ledgers
    ledger = await ledgers.create(world.custom_ledger())
    assert (await ledgers.upload(ledger.id, world.custom_ledger_file())).status == "Validating"
    assert (await ledgers.get(ledger.id)).status == "Validated"
    assert (await ledgers.accept(ledger.id)).status == "Generating"
    assert (await ledgers.queue(ledger.id)).status == "Queued"


@pytest.mark.parametrize(("resource", "reader"), READS, ids=str)
async def test_a_collection_pages_orders_filters_and_selects(
    clients: Clients, world: World, resource: Resource, reader: str
) -> None:
    service = resource.service(clients(reader).billing, world.parent(resource, reader))
    page = await service.order_by("-id").select("-*", "id").fetch_page(limit=3)
    rows = await every(service.order_by("-id").iterate(batch_size=max(2, page.meta.pagination.total // 3)))
    ids = [row.id for row in rows]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == page.meta.pagination.total
    assert [row.to_dict() for row in page] == [{"id": one} for one in ids[:3]]
    assert (await service.filter(RQLQuery(id=ids[0])).fetch_one()).id == ids[0]
    assert (await service.get(ids[0], select=["-*", "id"])).to_dict() == {"id": ids[0]}


@pytest.mark.parametrize(("parent", "writer"), ATTACHMENTS)
async def test_an_attachment_is_made_read_renamed_and_removed(clients: Clients, parent: str, writer: str) -> None:
    collection = getattr(clients(writer).billing, parent)
    service = collection.attachments((await collection.fetch_page(limit=1))[0].id)
    made = await service.create({"name": "Note"}, ("zoë.txt", TEXT))
    assert (made.name, made.filename, made.content_type) == ("Note", "zoë.txt", "text/plain")
    assert (await service.update(made.id, {"description": "kept"})).description == "kept"
    assert (await service.download(made.id)).file_contents == TEXT
    await service.delete(made.id)
    assert (await service.get(made.id)).is_deleted is True


async def test_statement_charges_stream_line_by_line(clients: Clients, world: World) -> None:
    statement = world.fullest("statements", "charges", "client")
    service = clients("client").billing.statements.charges(statement).order_by("id")
    paged = [row.id for row in await every(service.iterate())]
    assert [row.id for row in await every(service.stream_jsonl())] == paged
    assert [row.id for row in await every(service.stream())] == paged


async def test_many_calls_at_once_do_not_mix(clients: Clients, world: World) -> None:
    journals = clients("operations").billing.journals
    ids = world.ids("/journals")[:20]
    found = await asyncio.gather(*(journals.get(one) for one in ids))
    assert [journal.id for journal in found] == ids


@pytest.mark.parametrize("caller", ["expired", "a-token-of-nobody"])
async def test_a_bad_token_is_an_authentication_failure(clients: Clients, caller: str) -> None:
    with pytest.raises(MPTAPIError) as caught:
        await clients(caller).billing.journals.fetch_page()
    assert (caught.value.status, caught.value.title) == (401, "Authentication Failed")


@pytest.mark.parametrize(("resource", "role"), REFUSED, ids=str)
async def test_a_role_without_the_right_is_refused(clients: Clients, resource: Resource, role: str) -> None:
    with pytest.raises(MPTAPIError) as caught:
        await resource.service(clients(role).billing, None).get("CLD-0000-0000")
    assert caught.value.status == 403


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
async def test_an_unknown_or_odd_id_is_not_found(clients: Clients, world: World, resource: Resource) -> None:
    service = resource.service(clients("operations").billing, world.parent(resource, "operations"))
    with pytest.raises(MPTAPIError) as caught:
        await service.get("CLD-0000-0000")
    assert caught.value.status == 404


async def test_a_step_out_of_order_is_a_conflict(clients: Clients, world: World) -> None:
    vendor = clients("vendor").billing
    authorization = {"id": world.sample().authorization}
    journal = await vendor.journals.create({"name": "Too early", "authorization": authorization})
    with pytest.raises(MPTAPIError) as caught:
        await vendor.journals.submit(journal.id)
    assert caught.value.status == 409
    await vendor.journals.delete(journal.id)
