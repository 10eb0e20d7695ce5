"""Clients that a public generator makes from the served documents: complete, with typed answers and refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Server
from .generated import BILLING, SERVED, Generated, Served
from .world import World

Get = Callable[[Served], Generated]


@pytest.fixture
def billing(generated: Get) -> Generated:
    return generated(BILLING)


@pytest.mark.parametrize("served", SERVED, ids=str)
def test_every_operation_of_the_document_is_generated_and_can_be_imported(generated: Get, served: Served) -> None:
    found = generated(served)
    calls = (call for path in found.document["paths"].values() for call in path.values() if "operationId" in call)
    assert len(list(found.operations())) == sum(1 for _ in calls)
    for operation in found.operations():
        assert found.operation(operation).sync_detailed
        assert found.operation(operation).asyncio_detailed


@pytest.mark.parametrize("served", SERVED, ids=str)
def test_an_unknown_value_of_any_enum_is_an_error(generated: Get, served: Served) -> None:
    enums = list(generated(served).enums())
    assert enums
    for enum in enums:
        with pytest.raises(ValueError, match="is not a valid"):
            enum("unheard of")


@pytest.mark.parametrize("served", SERVED, ids=str)
def test_no_name_was_made_up_for_want_of_one(generated: Get, served: Served) -> None:
    members = {name for enum in generated(served).enums() for name in enum.__members__}
    assert not {name for name in members if name.startswith("VALUE_")}


def test_journals_are_listed_made_and_read_as_objects(billing: Generated, server: Server, world: World) -> None:
    models = billing.models
    with billing.client(server, "vendor") as client:
        listed = billing.operation("list_journals").sync(client=client, limit=5)
        assert isinstance(listed, models.JournalList)
        assert 0 < len(listed.data) <= 5
        assert isinstance(listed.data[0], models.Journal)

        authorization = {"id": world.sample().authorization}
        body = models.JournalCreate.from_dict({"name": "Generated", "authorization": authorization})
        made = billing.operation("create_journal").sync_detailed(client=client, body=body)
        assert made.status_code == 201
        assert isinstance(made.parsed, models.Journal)

        read = billing.operation("get_journal").sync(made.parsed.id, client=client)
        assert isinstance(read, models.Journal)
        assert (read.id, read.name, str(read.status)) == (made.parsed.id, "Generated", "Draft")


def test_a_refusal_is_a_problem_with_its_status(billing: Generated, server: Server, world: World) -> None:
    problem = billing.models.Problem
    with billing.client(server, "vendor") as client:
        missing = billing.operation("get_journal").sync_detailed("BJO-0000-0000", client=client)
        assert missing.status_code == 404
        assert isinstance(missing.parsed, problem)
        assert (missing.parsed.status, missing.parsed.title) == (404, "Not Found")

        authorization = {"id": world.sample().authorization}
        body = billing.models.JournalCreate.from_dict({"name": "Too early", "authorization": authorization})
        draft = billing.operation("create_journal").sync(client=client, body=body)
        early = billing.operation("submit_journal").sync_detailed(draft.id, client=client)
        assert early.status_code == 409
        assert isinstance(early.parsed, problem)

    with billing.client(server, "client") as client:
        refused = billing.operation("list_journals").sync_detailed(client=client)
        assert refused.status_code == 403
        assert isinstance(refused.parsed, problem)
