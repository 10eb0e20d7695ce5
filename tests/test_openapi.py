"""The billing contract: valid, whole, and true to the role matrix and to itself."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker
from openapi_spec_validator import validate
from prance.util.resolver import RESOLVE_FILES, RESOLVE_INTERNAL, RefResolver
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent.parent / "specs" / "billing"
PARTS = sorted(
    [FOLDER / "openapi.yaml", *(FOLDER / f"{part}.yaml" for part in ("parameters", "responses", "headers", "examples"))]
)
PARTS += sorted([*FOLDER.glob("paths/*.yaml"), *FOLDER.glob("schemas/*.yaml")])
VERBS = ("get", "put", "post", "delete")
WHO = {
    ("deny", "deny", "allow"): "Callers: Operations.",
    ("allow", "deny", "allow"): "Callers: Client (its own), Operations.",
    ("deny", "allow", "allow"): "Callers: Vendor (its own), Operations.",
    ("deny", "allow", "deny"): "Callers: Vendor (its own).",
}
JSON, CSV, JSONL, PDF = "application/json", "text/csv", "application/jsonl", "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@cache
def assembled() -> dict[str, Any]:
    """The document with its parts in place, references to components kept."""
    # Not by our own reader: the contract must be of use to those who have only prance.
    root = FOLDER / "openapi.yaml"
    resolver = RefResolver(yaml.safe_load(root.read_bytes()), url=root.as_uri(), resolve_types=RESOLVE_FILES)
    resolver.resolve_references()
    made: dict[str, Any] = json.loads(json.dumps(resolver.specs))
    return made


@cache
def resolved() -> dict[str, Any]:
    """The document without any reference, as servers and generators see it."""
    url = (FOLDER / "assembled.json").as_uri()
    resolver = RefResolver(assembled(), url=url, resolve_types=RESOLVE_INTERNAL)
    resolver.resolve_references()
    made: dict[str, Any] = resolver.specs
    return made


def rows() -> list[dict[str, str]]:
    """The given role matrix, a dict for each of its rows."""
    with (FOLDER / "role-matrix.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Operation(NamedTuple):
    """One operation of the document: `spec` as written, parameters of the path item included."""

    id: str
    method: str
    path: str
    spec: dict[str, Any]


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation, in the order of the document."""
    return [
        Operation(spec["operationId"], verb.upper(), path, spec)
        for path, item in document["paths"].items()
        for verb, spec in item.items()
        if verb in VERBS
    ]


def found(operation_id: str) -> Operation:
    """The operation of that id, resolved."""
    return next(each for each in operations(resolved()) if each.id == operation_id)


def subschemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A resolved schema and all that it is made of."""
    yield schema
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    inner += [each for word in ("oneOf", "anyOf", "allOf") for each in schema.get(word, [])]
    for each in inner:
        if isinstance(each, dict):
            yield from subschemas(each)


def schema(name: str) -> dict[str, Any]:
    """A component schema, resolved."""
    made: dict[str, Any] = resolved()["components"]["schemas"][name]
    return made


def faults(name: str, body: object) -> list[str]:
    """What the request schema `name` finds wrong with `body`."""
    validator = OAS30WriteValidator(schema(name), format_checker=oas30_format_checker)
    return [error.message for error in validator.iter_errors(body)]


def bodies(side: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Operation id, media type and media object of every request, or of every answer that is no refusal."""
    for each in operations(resolved()):
        if side == "request":
            for media, content in each.spec.get("requestBody", {}).get("content", {}).items():
                yield each.id, media, content
        else:
            for status, answer in each.spec["responses"].items():
                for media, content in answer.get("content", {}).items() if status < "400" else ():
                    yield each.id, media, content


# Read from the files, not from the assembled document, so that collecting stays cheap.
WRITTEN = {
    name: written
    for part in sorted(FOLDER.glob("schemas/*.yaml"))
    for name, written in yaml.load(part.read_bytes(), Loader=yaml.CSafeLoader).items()
}
SCHEMAS = sorted(WRITTEN)


def test_the_document_is_valid_openapi_3_0() -> None:
    validate(assembled())
    assert assembled()["openapi"] == "3.0.3"


def test_no_reference_is_left_once_everything_is_resolved() -> None:
    assert '"$ref"' not in json.dumps(resolved())


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_reads_the_same_in_yaml_1_1_and_1_2(part: Path) -> None:
    assert yaml.safe_load(part.read_bytes()) == YAML(typ="safe").load(part)


def test_every_entry_of_every_part_is_used_by_the_root() -> None:
    used = re.findall(r"\$ref: '?([^'}\s]+)", (FOLDER / "openapi.yaml").read_text())
    entries = [
        f"{part.relative_to(FOLDER).as_posix()}#/{key}"
        for part in PARTS
        if part.name != "openapi.yaml"
        for key in yaml.safe_load(part.read_bytes())
    ]
    assert sorted(used) == sorted(entries)


def test_every_component_is_referred_to() -> None:
    text = json.dumps(assembled())
    names = [f"#/components/{kind}/{name}" for kind, entries in assembled()["components"].items() for name in entries]
    unused = [name for name in names if f'"{name}"' not in text and "securitySchemes" not in name]
    assert unused == []


def test_there_are_one_hundred_operations_each_with_an_id_of_its_own() -> None:
    ids = [each.id for each in operations(assembled())]
    assert len(ids) == len(set(ids)) == 100


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["operation_id"])
def test_a_row_of_the_role_matrix_is_served_as_it_says(row: dict[str, str]) -> None:
    path = row["path"].removeprefix(assembled()["servers"][0]["url"])
    spec = assembled()["paths"][path][row["method"].lower()]
    if row["operation_id"].endswith("ChargesFile"):
        # OpenAPI has one operation for a method and path, so the file rows are media types of the list.
        assert {JSON, CSV, XLSX, JSONL} <= set(spec["responses"]["200"]["content"])
        assert row["operation_id"] in spec["description"]
    else:
        assert spec["operationId"] == row["operation_id"]
    assert spec["tags"] == [row["collection"]]
    assert WHO[row["client"], row["vendor"], row["operations"]] in spec["description"]


def test_what_the_matrix_does_not_name_is_marked_as_beyond_it() -> None:
    named = {row["operation_id"] for row in rows()}
    beyond = {each.id for each in operations(assembled()) if each.spec.get("x-beyond-matrix")}
    assert beyond == {each.id for each in operations(assembled())} - named
    assert len(beyond) == 36


def test_the_tags_are_the_collections_of_the_matrix() -> None:
    assert {tag["name"] for tag in assembled()["tags"]} == {row["collection"] for row in rows()}


def test_every_operation_says_what_it_does_who_may_and_how_that_is_known() -> None:
    marks = re.compile(r"\((RM|OA4|DOC|CAN|CLI|INF|PROP)(, (RM|OA4|DOC|CAN|CLI|INF|PROP))*\)$")
    lacking = [
        each.id
        for each in operations(assembled())
        if not (
            each.spec["summary"] and "Callers: " in each.spec["description"] and marks.search(each.spec["description"])
        )
    ]
    assert lacking == []


def expected_refusals(each: Operation) -> set[str]:
    """The statuses from 400 on that an operation must document, by what it is."""
    statuses = {"400", "401", "403"}
    by_attachment = each.path.endswith("/attachments/{id}")
    if "{" in each.path:
        statuses.add("404")
    if "requestBody" in each.spec:
        statuses |= {"413", "415"}
    if each.method == "GET" and (by_attachment or each.path.endswith("/charges")):
        statuses.add("406")
    if each.method == "DELETE" or (each.method == "POST" and "{id}" in each.path):
        statuses.add("409")
    return statuses


def test_every_operation_documents_the_refusals_it_can_answer_and_no_others() -> None:
    for each in operations(assembled()):
        refusals = {status for status in each.spec["responses"] if status >= "400"}
        assert refusals == expected_refusals(each), each.id


def test_every_success_documents_its_body_or_needs_none() -> None:
    for each in operations(resolved()):
        for status, answer in each.spec["responses"].items():
            if status == "204":
                assert "content" not in answer, each.id
            elif status == "301":
                assert "content" not in answer, each.id
                assert "Location" in answer["headers"], each.id
            else:
                assert answer["content"], (each.id, status)


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("GET", r"/attachments/\{id\}$", {"200", "301"}),
        ("POST", r"^/(invoices|credit-memos)$", {"201", "202"}),
        ("POST", r"/attachments$|^/(journals|custom-ledgers|statements|manual-overrides)$", {"201"}),
        ("DELETE", r"children/\{childId\}$", {"200"}),
        ("DELETE", r"(?<!childId)\{id\}$", {"204"}),
        ("PUT", r"", {"200"}),
        ("POST", r"\{id\}/", {"200"}),
    ],
)
def test_operations_of_one_kind_succeed_alike(method: str, path: str, statuses: set[str]) -> None:
    kin = [each for each in operations(assembled()) if each.method == method and re.search(path, each.path)]
    assert kin
    for each in kin:
        assert {status for status in each.spec["responses"] if status < "400"} == statuses, each.id


def test_documents_of_the_erp_can_be_answered_as_pdf() -> None:
    offering = {operation for operation, media, _ in bodies("response") if media == PDF}
    assert offering == {"getInvoiceAttachment", "getCreditMemoAttachment"}


@pytest.mark.parametrize("name", [name for name in SCHEMAS if "example" in WRITTEN[name]])
def test_the_example_of_a_schema_is_valid(name: str) -> None:
    described = schema(name)
    example = described["example"]
    if "file" in described.get("properties", {}):
        # A file in a form stands as text in an example, but is bytes to the format checker.
        example = example | {"file": example["file"].encode()}
    check = OAS30ReadValidator(described, format_checker=oas30_format_checker)
    assert [error.message for error in check.iter_errors(example)] == []


def test_the_examples_of_parameters_and_bodies_are_valid() -> None:
    checked = 0
    places: list[Mapping[str, Any]] = [content for side in ("request", "response") for _, _, content in bodies(side)]
    places += [
        content for answer in resolved()["components"]["responses"].values() for content in answer["content"].values()
    ]
    for item in resolved()["paths"].values():
        places += item.get("parameters", [])
        places += [each for verb in VERBS for each in item.get(verb, {}).get("parameters", [])]
    for place in places:
        given = [place["example"]] if "example" in place else []
        given += [each["value"] for each in place.get("examples", {}).values()]
        for example in given:
            validator = OAS30ReadValidator(place["schema"], format_checker=oas30_format_checker)
            assert [error.message for error in validator.iter_errors(example)] == [], example
            checked += 1
    assert checked > 100


@pytest.mark.parametrize("side", ["request", "response"])
def test_every_body_that_is_text_has_an_example(side: str) -> None:
    for operation, media, content in bodies(side):
        if content["schema"].get("format") != "binary":
            assert {"example", "examples"} & {*content, *content["schema"]}, (operation, media)


def test_responses_are_plain_objects_that_select_may_thin_out_to_their_id() -> None:
    whole = ("Problem", "Pagination", "ListMeta")
    loose = [schema(name) for name in whole]
    for operation, media, content in bodies("response"):
        if media != JSON:
            continue
        for each in subschemas(content["schema"]):
            assert not {"oneOf", "anyOf", "allOf"} & each.keys(), operation
            assert each.get("additionalProperties", True), operation
            if each not in loose and "data" not in each.get("properties", {}):
                assert each.get("required", ["id"]) == ["id"], operation
            if each.get("nullable"):
                assert each == schema("Pagination")["properties"]["total"], operation


def test_every_list_is_a_page_with_its_meta() -> None:
    lists = [name for name in SCHEMAS if name.endswith("List") and not name.endswith("AddressList")]
    assert len(lists) == 17
    for name in lists:
        assert schema(name)["required"] == ["$meta", "data"]
        assert assembled()["components"]["schemas"][name]["properties"]["data"]["items"] == {
            "$ref": "#/components/schemas/" + name.removesuffix("List")
        }


def test_every_entity_with_an_address_of_its_own_carries_meta() -> None:
    for each in operations(resolved()):
        if each.method == "GET" and not each.path.endswith("}"):
            rows_of = each.spec["responses"]["200"]["content"][JSON]["schema"]["properties"]["data"]["items"]
            assert {"omitted", "ignored"} == rows_of["properties"]["$meta"]["properties"].keys(), each.id
            assert rows_of["required"] == ["id"]


STATES = {
    "Journal": "Draft Deleted Validating Validated Error Review Enquiring Generating Generated Accepted Completed "
    "Reconciling Queued Resetting",
    "Ledger": "Rating Error Review Generating Generated Completed Queued",
    "CustomLedger": "Draft Deleted Validating Validated Error Generating Generated Completed Queued",
    "Statement": "Generated Queued Error Cancelled Pending Issued Generating Consolidating Consolidated",
    "Invoice": "Issued Paid Overdue",
    "CreditMemo": "Issued Error Released Deleted",
    "ManualOverride": "Active Disabled",
}


@pytest.mark.parametrize("entity", STATES)
def test_an_entity_has_the_states_that_the_facts_settle_on(entity: str) -> None:
    assert schema(entity)["properties"]["status"]["enum"] == STATES[entity].split()


@pytest.mark.parametrize("entity", [name for name in STATES if name != "CreditMemo"])
def test_the_audit_has_an_event_for_every_state(entity: str) -> None:
    events = schema(entity)["properties"]["audit"]["properties"].keys()
    assert events == {"created", "updated", *(state.lower() for state in STATES[entity].split())}


def test_both_outcomes_of_a_charge_share_their_states() -> None:
    outcomes = [
        schema("Charge")["properties"][name]["properties"]["status"]["enum"] for name in ("upload", "processing")
    ]
    assert outcomes == [["Ready", "Error", "Split", "Skipped", "Ignored", "Reconciling"]] * 2


def test_no_enum_names_a_value_twice() -> None:
    for name in SCHEMAS:
        for each in subschemas(schema(name)):
            assert len(each.get("enum", [])) == len(set(each.get("enum", []))), name


@pytest.mark.parametrize("kind", ["Journal", "Ledger", "CustomLedger", "Statement", "Invoice", "CreditMemo"])
def test_an_attachment_names_its_parent_and_only_erp_documents_are_external(kind: str) -> None:
    members = schema(f"{kind}Attachment")["properties"]
    assert kind[0].lower() + kind[1:] in members
    assert ("isExternal" in members) == (kind in ("Invoice", "CreditMemo"))
    assert ("vendor" in members) == (kind == "Journal")


def test_requests_hold_nothing_that_is_read_only() -> None:
    for operation, _, content in bodies("request"):
        assert not any(each.get("readOnly") for each in subschemas(content["schema"])), operation


def test_an_action_needs_no_body_unless_it_is_about_what_the_body_says() -> None:
    needed = {
        each.id
        for each in operations(resolved())
        if each.method == "POST" and re.search(r"\{id\}/", each.path) and each.spec["requestBody"]["required"]
    }
    assert needed == {
        "uploadJournalCharges",
        "uploadCustomLedgerCharges",
        "matchJournalCharge",
        "setStatementError",
        "addStatementChild",
    }


REFERENCE = {"id": "X-1"}
CURRENCY = {"currency": {"purchase": "EUR", "sale": "USD"}}
DATES = {"billingStartDate": "2025-06-01", "billingEndDate": "2025-06-30T23:59:59.9990000+00:00"}
LEDGER = {"name": "n", "seller": REFERENCE, "vendor": REFERENCE, "price": CURRENCY, **DATES}

TAKEN: list[tuple[str, object]] = [
    (
        "JournalCreate",
        {"name": "n", "authorization": REFERENCE, "dueDate": "2026-01-02T19:00:00.000Z", "externalIds": {}},
    ),
    ("JournalCreate", {"name": "n", "authorization": REFERENCE, "status": "Completed", "whatever": [None]}),
    ("JournalUpdate", {}),
    ("JournalUpdate", {"description": None, "notes": None, "dueDate": None, "assignee": None, "externalIds": None}),
    ("JournalUpdate", {"dueDate": "2025-07-01T12:00:00+02:00", "externalIds": {"vendor": None}}),
    ("LedgerUpdate", {"assignee": None}),
    ("CustomLedgerCreate", LEDGER),
    ("StatementUpdate", {"statusNotes": None, "externalIds": {"erpId": None}}),
    ("StatementError", {"statusNotes": {"message": "m" * 4000}}),
    ("InvoiceUpdate", {"name": None, "erpData": {"dueDate": None, "payment": None, "addresses": {"billTo": None}}}),
    ("InvoiceSync", {"documentNo": "1", "countryCode": "NL"}),
    ("CreditMemoSync", {"documentNo": "1", "countryCode": "NL", "lines": [{"price": {"amount": -0.5}}]}),
    ("ChargeMatch", {"agreement": REFERENCE, "line": REFERENCE, "reason": "r"}),
    ("ChargeIgnore", {}),
    ("AttachmentCreate", {"file": b""}),
    ("AttachmentUpdate", {"description": None}),
]

REFUSED: list[tuple[str, object]] = [
    ("JournalCreate", None),
    ("JournalCreate", {"name": "n"}),
    ("JournalCreate", {"name": "", "authorization": REFERENCE}),
    ("JournalCreate", {"name": "n", "authorization": "X-1"}),
    ("JournalCreate", {"name": "n", "authorization": {}}),
    ("JournalCreate", {"name": "n", "authorization": REFERENCE, "dueDate": "tomorrow"}),
    ("JournalCreate", {"name": "n", "authorization": REFERENCE, "dueDate": "2025-02-30"}),
    ("JournalUpdate", {"name": None}),
    ("JournalUpdate", {"dueDate": 20250701}),
    *(("CustomLedgerCreate", {name: LEDGER[name] for name in LEDGER if name != left_out}) for left_out in LEDGER),
    ("CustomLedgerCreate", LEDGER | {"price": {"currency": {"purchase": "EUR"}}}),
    ("CustomLedgerCreate", LEDGER | {"price": {"currency": {"purchase": "EUR", "sale": "euro"}}}),
    ("CustomLedgerUpdate", {"billingEndDate": None}),
    ("StatementError", {}),
    ("StatementError", {"statusNotes": {"message": ""}}),
    ("StatementError", {"statusNotes": {"message": "m" * 4001}}),
    ("StatementCreate", {"buyer": REFERENCE, "seller": REFERENCE, "price": CURRENCY}),
    ("StatementChild", {}),
    ("InvoiceUpdate", {"status": "Generated"}),
    ("InvoiceUpdate", {"status": None}),
    ("InvoiceSync", {"documentNo": "1"}),
    ("InvoiceSync", {"documentNo": "1", "countryCode": "NL", "price": {"totalSP": 1e300}}),
    ("CreditMemoSync", {"documentNo": "1", "countryCode": "NL", "lines": {}}),
    ("ChargeMatch", {}),
    ("ChargeMatch", {"subscription": REFERENCE, "agreement": REFERENCE}),
    ("ChargeMatch", {"subscription": REFERENCE, "agreement": REFERENCE, "asset": REFERENCE}),
    ("ManualOverrideCreate", {"client": REFERENCE}),
    ("ManualOverrideUpdate", {"notes": 7}),
    ("AttachmentCreate", {}),
]


@pytest.mark.parametrize(("name", "body"), TAKEN)
def test_a_body_as_clients_send_it_is_valid(name: str, body: object) -> None:
    assert faults(name, body) == []


@pytest.mark.parametrize(("name", "body"), REFUSED)
def test_a_body_that_cannot_be_meant_is_not_valid(name: str, body: object) -> None:
    assert faults(name, body) != []


@pytest.mark.parametrize(
    ("parameter", "text", "holds"),
    [
        ("Order", "name", True),
        ("Order", "+name,-audit.created.at", True),
        ("Order", " name, id", True),
        ("Order", "-", False),
        ("Order", "name,,id", False),
        ("Order", "*", False),
        ("Select", "-*,id,status,+price.totalGT", True),
        ("Select", "audit", True),
        ("Select", "*", True),
        ("Select", "+ledger.owner", True),
        ("Select", "a..b", False),
        ("Select", "eq(a,b)", False),
    ],
)
def test_order_and_select_are_signed_paths(parameter: str, text: str, holds: bool) -> None:
    pattern = assembled()["components"]["parameters"][parameter]["schema"]["pattern"]
    assert bool(re.search(pattern, text)) == holds


def test_lists_take_paging_order_and_select_and_single_objects_select_alone() -> None:
    for each in operations(resolved()):
        if each.method == "GET":
            names = {parameter["name"] for parameter in each.spec["parameters"]} - {"MPT-Streaming"}
            single = each.path.endswith("}")
            assert names == ({"select"} if single else {"limit", "offset", "order", "select"}), each.id


def test_every_query_parameter_has_a_type() -> None:
    # Connexion answers 500 to a parameter whose schema has none.
    assert all("type" in each["schema"] for each in resolved()["components"]["parameters"].values())


@pytest.mark.parametrize("operation", ["createInvoices", "createCreditMemos"])
def test_the_erp_sync_takes_one_document_or_several(operation: str) -> None:
    spec = found(operation).spec
    assert {parameter["name"] for parameter in spec["parameters"]} == {"MPT-Upsert", "MPT-Async"}
    validator = OAS30WriteValidator(spec["requestBody"]["content"][JSON]["schema"], format_checker=oas30_format_checker)
    document = {"documentNo": "1", "countryCode": "NL"}
    assert validator.is_valid(document)
    assert validator.is_valid([document, document])
    assert not validator.is_valid([])
    assert not validator.is_valid([document, {}])


def test_every_operation_asks_for_the_bearer_token() -> None:
    assert assembled()["security"] == [{"bearerAuth": []}]
    assert assembled()["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
    assert not any("security" in each.spec for each in operations(assembled()))


def test_a_literal_path_is_not_hidden_by_a_template() -> None:
    # Connexion takes the first path that fits, so `/a/{id}` before `/a/b` would answer for both.
    paths = list(assembled()["paths"])
    for place, path in enumerate(paths):
        template = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")
        assert [later for later in paths[place + 1 :] if template.match(later)] == [], path
