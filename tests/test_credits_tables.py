"""The credits contract: its tables and its document against the facts of the three sources, row by row."""

from __future__ import annotations

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

from specs.expand import cells, page
from specs.permissions import suffices
from specs.tables import HERE, Api, load

FOLDER = HERE / "credits"
PARTS = sorted([FOLDER / "openapi.yaml", *(FOLDER / f"{part}.yaml" for part in ("parameters", "responses", "headers"))])
PARTS += sorted([*FOLDER.glob("paths/*.yaml"), *FOLDER.glob("schemas/*.yaml")])
VERBS = ("get", "put", "post", "patch")
JSON = "application/json"
API = load("credits")
TENANT = "/billing/{tenantLocator}"
SEED = ("fetchCredits", "fetchShortfallCredit", "fetchMultipleShortfallCredits", "fetchCreditsForAnInvoice")


class Operation(NamedTuple):
    """One operation of the document: `spec` as written, `shared` the parameters of its path."""

    id: str
    method: str
    path: str
    spec: dict[str, Any]
    shared: list[dict[str, Any]]

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Every parameter, by name."""
        return {each["name"]: each for each in [*self.shared, *self.spec.get("parameters", [])]}


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
    resolver = RefResolver(assembled(), url=(FOLDER / "assembled.json").as_uri(), resolve_types=RESOLVE_INTERNAL)
    resolver.resolve_references()
    made: dict[str, Any] = resolver.specs
    return made


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation, in the order of the document."""
    return [
        Operation(spec["operationId"], verb.upper(), path, spec, item.get("parameters", []))
        for path, item in document["paths"].items()
        for verb, spec in item.items()
        if verb in VERBS
    ]


def found(id: str) -> Operation:
    """The operation of that id, resolved."""
    return next(each for each in operations(resolved()) if each.id == id)


def schema(name: str) -> dict[str, Any]:
    """A component schema, resolved."""
    made: dict[str, Any] = resolved()["components"]["schemas"][name]
    return made


def answer(id: str) -> str:
    """The name of the schema that an operation answers with."""
    spec = next(each.spec for each in operations(assembled()) if each.id == id)
    return str(spec["responses"]["200"]["content"][JSON]["schema"]["$ref"]).rpartition("/")[2]


def subschemas(whole: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A resolved schema and all that it is made of."""
    yield whole
    inner = [*whole.get("properties", {}).values(), whole.get("items"), whole.get("additionalProperties")]
    for each in inner:
        if isinstance(each, dict):
            yield from subschemas(each)


def members(name: str) -> tuple[set[str], set[str]]:
    """(required, optional) members of a component schema."""
    required = set(schema(name).get("required", ()))
    return required, set(schema(name)["properties"]) - required


# Who may (section 5.2)

C1, C2, C3, C4 = "fetchCredits", "fetchShortfallCredit", "fetchMultipleShortfallCredits", "fetchCreditsForAnInvoice"
# What a caller holds -> C1, C2, C3, C4; a star turns to 403 where all permissions are asked for.
PERMITTED: dict[tuple[str, ...], str] = {
    ("admin",): "200 200 200 200",
    ("read-only",): "200* 200 200* 200*",
    ("credits.read", "credits.list"): "200 403 403 403",
    ("credits.read",): "200* 403 403 403",
    ("credits.list",): "200* 403 403 403",
    ("shortfall-credits.read", "shortfall-credits.list"): "403 200 200 403",
    ("shortfall-credits.read",): "403 200 200* 403",
    ("shortfall-credits.list",): "403 403 200* 403",
    ("invoices.read", "invoices.list"): "403 403 403 200",
    ("invoices.read",): "403 403 403 200*",
    ("invoices.list",): "403 403 403 200*",
    ("credits.*",): "200 403 403 403",
    ("*.*",): "200 200 200 200",
    ("payments.*", "credit-distributions.*"): "403 403 403 403",
}
CELLS = [
    (holds, id, cell)
    for holds, row in PERMITTED.items()
    for id, cell in zip((C1, C2, C3, C4), row.split(), strict=True)
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Api:
    """The API with the one switch turned."""
    overlay = tmp_path_factory.mktemp("overlay") / "all.yaml"
    overlay.write_text("credits:\n  rule: {is: all, reason: this deployment asks for all of them}\n")
    return load("credits", overlays=[overlay])


def status(api: Api, holds: tuple[str, ...], id: str) -> int:
    """What the four answer to a caller who holds these permissions, or this role, in a tenant of theirs."""
    capability = api.operations[id].capabilities[0]
    rights = api.permissions.get(holds[0], frozenset(holds))
    permitted = suffices(rights, capability.needs, api.rule or "")
    if holds[0] in api.roles:
        assert (holds[0] in capability.roles) is permitted
    return 200 if permitted else api.status("role")


@pytest.mark.parametrize(("holds", "id", "cell"), CELLS, ids=lambda value: str(value))
def test_any_permission_of_the_pair_suffices(holds: tuple[str, ...], id: str, cell: str) -> None:
    assert API.rule == "any"
    assert status(API, holds, id) == int(cell.rstrip("*"))


@pytest.mark.parametrize(("holds", "id", "cell"), CELLS, ids=lambda value: str(value))
def test_the_switch_turns_the_disputed_cells_and_no_others(
    holds: tuple[str, ...], id: str, cell: str, strict: Api
) -> None:
    assert strict.rule == "all"
    assert status(strict, holds, id) == (403 if cell.endswith("*") else int(cell))


def test_nobody_gets_401_everywhere() -> None:
    assert {cell.status for cell in cells(API) if cell.caller == "nobody"} == {401}


def test_a_tenant_out_of_scope_is_refused_before_the_permission_is_looked_at() -> None:
    order = [row["check"] for row in API.refusals]
    assert order == ["token", "scope", "role", "query", "find", "media", "body", "state"]
    assert [API.status(check) for check in order] == [401, 403, 403, 400, 404, 400, 400, 400]
    assert API.scope is not None
    assert (API.scope.parameter, API.scope.entity, API.scope.grants) == ("tenantLocator", "Tenant", "tenants")


def test_the_roles_are_the_sets_of_permissions_that_they_are_named_for() -> None:
    def every(groups: str, actions: str) -> set[str]:
        return {f"{group}.{action}" for group in groups.split() for action in actions.split()}

    asked = {need for each in API.operations.values() for need in each.capabilities[0].needs}
    assert {role: set(rights) for role, rights in API.permissions.items()} == {
        "admin": {"*.*"},
        "read-only": {need for need in asked if need.endswith(".read")},
        "billing-auditor": every("credits shortfall-credits invoices", "read list"),
        "billing-clerk": every("payments invoices credit-distributions", "read list write"),
        "treasury": every("disbursements write-offs", "read list write") | {"accounting.read"},
    }


def test_the_golden_page_is_what_the_tables_say() -> None:
    golden = (FOLDER / "matrix.md").read_text(encoding="utf-8")
    assert page(API) == golden, "rewrite it with: python -m specs.expand credits --write, then read the difference"


# Operations (sections 2 and 9)

PAYMENT, DISTRIBUTION, LIST = "PaymentResponse", "CreditDistributionResponse", "CreditDistributionListResponse"
DISBURSEMENT, WRITE_OFF, INVOICES = "DisbursementResponse", "WriteOffResponse", "InvoiceListResponse"
SHORTFALLS, CREDITS = "ShortfallCreditListResponse", "CreditListResponse"


def acts(path: str, group: str, response: str, **verbs: str) -> list[tuple[str, str, str, str, str | None, str]]:
    """The rows of transition calls: operationId=verb of the path."""
    body = "CreditDistributionReverseRequest"
    takes = ("reversePayment", "reverseCreditDistribution")
    return [
        (id, "PATCH", f"{path}/{{locator}}/{verb}", f"{group}.write", body if id in takes else None, response)
        for id, verb in verbs.items()
    ]


# operationId, method, path below the tenant, permissions, request, response
ROWS: list[tuple[str, str, str, str, str | None, str]] = [
    (C1, "GET", "/credits/list", "credits.read credits.list", None, CREDITS),
    (C2, "GET", "/shortfallCredits/{locator}", "shortfall-credits.read", None, "ShortfallCreditResponse"),
    (C3, "GET", "/shortfallCredits/list", "shortfall-credits.read shortfall-credits.list", None, SHORTFALLS),
    (C4, "GET", "/invoices/{locator}/credits/list", "invoices.read invoices.list", None, CREDITS),
    ("createPayment", "POST", "/payments", "payments.write", "PaymentCreateRequest", PAYMENT),
    ("updatePayment", "PATCH", "/payments/{locator}", "payments.write", "PaymentUpdateRequest", PAYMENT),
    *acts(
        "/payments",
        "payments",
        PAYMENT,
        validatePayment="validate",
        postPayment="post",
        resetPayment="reset",
        discardPayment="discard",
        cancelPayment="cancel",
        failPayment="fail",
        executePayment="request",
        reversePayment="reverse",
    ),
    ("fetchPayment", "GET", "/payments/{locator}", "payments.read", None, PAYMENT),
    ("fetchMultiplePayments", "GET", "/payments/list", "payments.read payments.list", None, "PaymentListResponse"),
    (
        "listShortfallCredits",
        "GET",
        "/payments/{locator}/shortfallCredits/list",
        "payments.read payments.list",
        None,
        SHORTFALLS,
    ),
    (
        "fetchInvoicesTargetedByAPayment",
        "GET",
        "/payments/{locator}/invoices/list",
        "payments.read payments.list",
        None,
        INVOICES,
    ),
    ("previewPaymentPost", "GET", "/payments/{locator}/previewPost", "payments.read", None, "PaymentPreviewResponse"),
    (
        "createCreditDistribution",
        "POST",
        "/creditDistributions",
        "credit-distributions.write",
        "CreditDistributionCreateRequest",
        DISTRIBUTION,
    ),
    (
        "updateCreditDistribution",
        "PATCH",
        "/creditDistributions/{locator}",
        "credit-distributions.write",
        "CreditDistributionUpdateRequest",
        DISTRIBUTION,
    ),
    (
        "createOrReplaceCreditDistribution",
        "PUT",
        "/creditDistributions/{locator}",
        "credit-distributions.write",
        "CreditDistributionCreateRequest",
        DISTRIBUTION,
    ),
    *acts(
        "/creditDistributions",
        "credit-distributions",
        DISTRIBUTION,
        validateCreditDistribution="validate",
        executeCreditDistribution="execute",
        resetCreditDistribution="reset",
        discardCreditDistribution="discard",
        reverseCreditDistribution="reverse",
    ),
    (
        "fetchCreditDistribution",
        "GET",
        "/creditDistributions/{locator}",
        "credit-distributions.read",
        None,
        DISTRIBUTION,
    ),
    (
        "fetchMultipleCreditDistributions",
        "GET",
        "/creditDistributions/list",
        "credit-distributions.read credit-distributions.list",
        None,
        LIST,
    ),
    ("writeOff", "POST", "/writeOffs", "write-offs.write", "WriteOffRequest", WRITE_OFF),
    ("writeOffInvoice", "PATCH", "/invoices/{locator}/writeOff", "invoices.write", None, WRITE_OFF),
    *acts("/writeOffs", "write-offs", WRITE_OFF, reverseWriteOff="reverse"),
    ("fetchWriteOff", "GET", "/writeOffs/{locator}", "write-offs.read", None, WRITE_OFF),
    (
        "fetchMultipleWriteOffs",
        "GET",
        "/writeOffs/list",
        "write-offs.read write-offs.list",
        None,
        "WriteOffListResponse",
    ),
    (
        "createDisbursement",
        "POST",
        "/disbursements",
        "disbursements.write",
        "DisbursementCreateRequest",
        DISBURSEMENT,
    ),
    *acts(
        "/disbursements",
        "disbursements",
        DISBURSEMENT,
        validateDisbursement="validate",
        approveDisbursement="approve",
        executeDisbursement="execute",
        rejectDisbursement="reject",
        resetDisbursement="reset",
        discardDisbursement="discard",
        reverseDisbursement="reverse",
    ),
    # These two by the pattern of the others.
    ("fetchDisbursement", "GET", "/disbursements/{locator}", "disbursements.read", None, DISBURSEMENT),
    (
        "fetchMultipleDisbursements",
        "GET",
        "/disbursements/list",
        "disbursements.read disbursements.list",
        None,
        "DisbursementListResponse",
    ),
    ("getInvoiceWithItems", "GET", "/invoices/{locator}", "invoices.read", None, "InvoiceResponse"),
    (
        "fetchInvoicesForAccount",
        "GET",
        "/invoices/accounts/{accountLocator}/list",
        "invoices.read invoices.list",
        None,
        INVOICES,
    ),
    (
        "fetchPaymentsForAnInvoice",
        "GET",
        "/invoices/{locator}/payments/list",
        "invoices.read invoices.list",
        None,
        "PaymentListResponse",
    ),
    (
        "fetchCreditDistributionsForAnInvoice",
        "GET",
        "/invoices/{locator}/creditDistributions/list",
        "invoices.read invoices.list",
        None,
        LIST,
    ),
    ("settleNegativeOrZeroInvoice", "POST", "/invoices/{locator}/settle", "invoices.write", None, LIST),
    (
        "fetchLedgerAccount",
        "GET",
        "/accounting/ledgerAccounts/{refType}/{refLocator}",
        "accounting.read",
        None,
        "LedgerAccountResponse",
    ),
]
USERS: list[tuple[str, str, str, str, str | None, str]] = [
    (
        "createAuthToken",
        "POST",
        "/auth/users/tokens",
        "users.write users.token",
        "CreateAuthTokenRequest",
        "AccessToken",
    ),
    ("whoami", "GET", "/auth/users/whoami", "", None, "UserResponse"),
]
EVERY = [(id, method, TENANT + path, *rest) for id, method, path, *rest in ROWS] + USERS


@pytest.mark.parametrize(("id", "method", "path", "needs", "takes", "gives"), EVERY, ids=[str(row[0]) for row in EVERY])
def test_an_operation_is_where_the_vendor_has_it(
    id: str, method: str, path: str, needs: str, takes: str | None, gives: str
) -> None:
    spec = assembled()["paths"][path][method.lower()]
    assert spec["operationId"] == id
    assert set(API.operations[id].capabilities[0].needs) == set(needs.split())
    body = spec.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {}).get("$ref")
    assert (body or "/None").rpartition("/")[2] == str(takes)
    assert answer(id) == gives


def test_there_are_no_operations_but_these() -> None:
    assert sorted(each.id for each in operations(assembled())) == sorted(str(row[0]) for row in EVERY)
    assert set(API.operations) == {str(row[0]) for row in EVERY}


def test_what_is_beyond_the_seed_says_so() -> None:
    for each in operations(assembled()):
        beyond = each.id not in SEED
        assert each.spec.get("x-beyond-seed", False) is beyond, each.id
        assert ("(beyond the seed)" in each.spec["description"]) is beyond, each.id


def test_every_operation_says_what_it_needs_and_how_that_is_known() -> None:
    for each in operations(assembled()):
        needs = API.operations[each.id].capabilities[0].needs
        said = "Needs " + (" or ".join(f"`{need}`" for need in needs) or "a token and no permission") + "."
        assert said in each.spec["description"], each.id
        assert re.search(r"\([SODIM](, [SODIM])*\)$", each.spec["description"]), each.id


@pytest.mark.parametrize(
    ("id", "names"),
    [
        (C1, "tenantLocator accountLocator offset count extended"),
        (C2, "tenantLocator locator"),
        (C3, "tenantLocator accountLocator offset count extended"),
        (C4, "tenantLocator locator includeReversed offset count extended"),
        ("fetchMultiplePayments", "tenantLocator accountLocator targetContainerLocator offset count"),
        ("listShortfallCredits", "tenantLocator locator offset count"),
        ("fetchInvoicesTargetedByAPayment", "tenantLocator locator includeReversed offset count"),
        ("fetchPaymentsForAnInvoice", "tenantLocator locator includeReversed offset count"),
        ("fetchCreditDistributionsForAnInvoice", "tenantLocator locator includeReversed offset count"),
        ("settleNegativeOrZeroInvoice", "tenantLocator locator forced"),
        ("fetchLedgerAccount", "tenantLocator refType refLocator currency size"),
        ("whoami", ""),
    ],
)
def test_an_operation_takes_the_parameters_that_it_has(id: str, names: str) -> None:
    assert set(found(id).parameters) == set(names.split())


def test_parameters_are_typed_and_bounded_as_decided() -> None:
    ulid = {"type": "string", "format": "ulid", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
    page_of = {
        "offset": {"type": "integer", "format": "int32", "minimum": 0, "default": 0},
        "count": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 1000, "default": 100},
        "extended": {"type": "boolean"},
        "includeReversed": {"type": "boolean", "default": False},
        "accountLocator": ulid,
        "targetContainerLocator": ulid,
        "locator": ulid,
        "refLocator": ulid,
    }
    for each in operations(resolved()):
        for name, parameter in each.parameters.items():
            plain = {key: value for key, value in parameter["schema"].items() if key not in ("description", "example")}
            assert plain == page_of.get(name, plain), (each.id, name)
            optional = parameter["in"] == "query" and name != "currency"
            assert parameter.get("required", False) is not optional, (each.id, name)
            if name == "tenantLocator":
                assert plain["format"] == "uuid" and plain["pattern"], each.id


def test_filters_are_equality_with_a_member() -> None:
    accounts = {"accountLocator": "accountLocator"}
    payments = accounts | {"targetContainerLocator": "targets.containerLocator"}
    for id, operation in API.operations.items():
        declared = {name for name in found(id).parameters if name in payments} - {operation.parent, operation.key}
        assert set(operation.filters) == declared, id
        assert operation.filters.items() <= payments.items(), id


def test_every_list_is_a_page_in_the_envelope_of_the_seed() -> None:
    lists = [id for id, operation in API.operations.items() if operation.does == "list"]
    assert len(lists) == 12
    for id in [*lists, "settleNegativeOrZeroInvoice"]:
        envelope = schema(answer(id))
        assert members(answer(id)) == ({"items", "listCompleted"}, set()), id
        assert envelope["properties"]["listCompleted"]["type"] == "boolean"
    for id in lists:
        assert {"offset", "count"} <= set(found(id).parameters), id


def test_an_operation_documents_the_refusals_that_it_can_answer_and_no_others() -> None:
    for each in operations(assembled()):
        expected = {"400", "401", "403"}
        if any(name != "tenantLocator" for name in re.findall(r"\{(\w+)\}", each.path)):
            expected.add("404")
        if "requestBody" in each.spec:
            expected.add("413")
        assert {code for code in each.spec["responses"] if code >= "400"} == expected, each.id
        assert [code for code in each.spec["responses"] if code < "400"] == ["200"], each.id


def test_every_refusal_has_the_body_that_was_decided() -> None:
    codes = {"badRequest", "unauthorized", "forbidden", "notFound", "methodNotAllowed", "contentTooLarge", "internal"}
    assert members("Error") == ({"status", "error", "message", "requestId"}, set())
    assert set(schema("Error")["properties"]["error"]["enum"]) == codes == set(API.conventions.errors["codes"].values())
    for each in assembled()["components"]["responses"].values():
        shown = each["content"][JSON]
        assert shown["schema"] == {"$ref": "#/components/schemas/Error"}
        assert shown["example"]["error"] == API.conventions.errors["codes"][str(shown["example"]["status"])]


# Schemas (sections 3 and 10)

CREATED = "locator currency amount createdAt createdBy"
# name -> required, optional
SCHEMAS = {
    "CreditResponse": (
        "locator currency creditState amount creditType createdAt",
        "accountLocator realizedAt reversalReason reversedAt",
    ),
    "ShortfallCreditResponse": (
        f"{CREATED} accountLocator parentCreditLocator shortfallCreditState creditType targets",
        "reversalReason",
    ),
    "CreditItem": ("containerLocator containerType", "amount"),
    "CreditItemRequest": ("containerLocator containerType", "amount"),
    "ValidationResult": ("success", "validationItems"),
    "ValidationItem": ("", "elementType locator errors"),
    "PaymentCreateRequest": (
        "amount type data targets",
        "accountLocator currency useDefaultFinancialInstrument financialInstrumentLocator transactionMethod "
        "transactionNumber paymentMode retryPlanName",
    ),
    "PaymentUpdateRequest": (
        "addTargets removeTargets setData removeData",
        "accountLocator currency useDefaultFinancialInstrument financialInstrumentLocator transactionMethod "
        "transactionNumber paymentMode retryPlanName nextRequestTime",
    ),
    "PaymentResponse": (
        f"{CREATED} paymentState type executionLog shortfallCreditLocators subpayments targets",
        "accountLocator remainingAmount data postedAt reversalReason reversedAt reversedBy validationResult "
        "externalCashTransactionLocator paymentMode aggregatePaymentLocator paymentNumber anonymizedAt nextRequestTime "
        "retryPlanName",
    ),
    "SubpaymentItem": ("subpaymentLocator amount", ""),
    "PaymentPreviewResponse": ("credits shortfallCredits invoices", ""),
    "CreditDistributionCreateRequest": ("amount sources targets", "accountLocator currency"),
    "CreditDistributionUpdateRequest": (
        "addSources removeSources addTargets removeTargets",
        "amount currency accountLocator",
    ),
    "CreditDistributionResponse": (
        f"{CREATED} creditDistributionState shortfallCreditLocators sources targets",
        "accountLocator executedAt reversedAt reversalReason validationResult",
    ),
    "CreditDistributionReverseRequest": ("reversalType", ""),
    "WriteOffRequest": ("accountLocator targets", ""),
    "WriteOffTarget": ("containerLocator containerType", "amount"),
    "WriteOffResponse": (f"{CREATED} accountLocator writeOffState creditType targets", "reversalReason reversedAt"),
    "DisbursementCreateRequest": (
        "amount type useDefaultFinancialInstrument data sources",
        "accountLocator currency financialInstrumentLocator transactionMethod transactionNumber",
    ),
    "DisbursementResponse": (
        f"{CREATED} disbursementState type data sources",
        "accountLocator externalCashTransactionLocator validationResult disbursementNumber anonymizedAt",
    ),
    "InvoiceResponse": (
        "locator accountLocator invoiceState invoiceType currency timezone startTime endTime generatedTime dueTime",
        "invoiceItems totalAmount totalRemainingAmount settledTime unsettledTime autopayTime invoiceNumber "
        "aggregatedInvoiceLocator",
    ),
    "InvoiceItemResponse": (
        "locator invoiceLocator amount chargeCategory chargeType timezone installmentItemLocators transactionLocators",
        "remainingAmount settlementTime unsettledTime policyLocator quoteLocator elementType elementStaticLocator",
    ),
    "AccountResponse": (
        "locator type accountState billingLevel",
        "shortfallTolerancePlanName excessCreditPlanName",
    ),
    "CreateAuthTokenRequest": ("name tenants permissions expiresAt", ""),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_has_the_members_of_the_facts_and_no_others(name: str) -> None:
    required, optional = SCHEMAS[name]
    assert members(name) == (set(required.split()), set(optional.split()))


PAYMENT_STATES = "draft validated requested executing posted failed cancelled reversed discarded"
DISTRIBUTION_STATES = "draft validated executed reversed discarded"
DISBURSEMENT_STATES = "draft validated approved executed reversed rejected discarded"
WRITE_OFF_STATES = "draft distributed reversed"
# What a credit sums up -> its states (section 7).
STATES = {
    "Payment": PAYMENT_STATES,
    "CreditDistribution": DISTRIBUTION_STATES,
    "Disbursement": DISBURSEMENT_STATES,
    "WriteOff": WRITE_OFF_STATES,
    "ShortfallCredit": WRITE_OFF_STATES,
}
TYPES = "creditDistribution disbursement payment subpayment shortfallWriteOff writeOff"
ENUMS = {
    (
        "CreditResponse",
        "creditState",
    ): "discarded draft posted reversed validated executed distributed approved rejected "
    "requested executing failed cancelled",
    ("CreditResponse", "creditType"): TYPES,
    ("ShortfallCreditResponse", "shortfallCreditState"): WRITE_OFF_STATES,
    ("ShortfallCreditResponse", "creditType"): TYPES,
    ("CreditItem", "containerType"): "invoice account subpayment invoiceItem",
    ("CreditItemRequest", "containerType"): "invoice account subpayment invoiceItem",
    ("PaymentResponse", "paymentState"): PAYMENT_STATES,
    ("PaymentCreateRequest", "transactionMethod"): "ach cash eft standard wire",
    ("PaymentCreateRequest", "paymentMode"): "normal aggregate",
    ("CreditDistributionResponse", "creditDistributionState"): DISTRIBUTION_STATES,
    ("DisbursementResponse", "disbursementState"): DISBURSEMENT_STATES,
    ("WriteOffResponse", "writeOffState"): WRITE_OFF_STATES,
    ("WriteOffResponse", "creditType"): "writeOff shortfallWriteOff",
    ("InvoiceResponse", "invoiceState"): "open settled discarded",
    ("InvoiceResponse", "invoiceType"): "normal aggregate",
    ("AccountResponse", "accountState"): "draft validated discarded",
    ("LedgerAccountResponse", "refType"): "accountCreditBalance invoiceCreditBalance cash creditCash charge credit "
    "installmentItem invoiceItem account policy accountExpenseBalance",
}


@pytest.mark.parametrize(("name", "member"), ENUMS, ids=lambda value: str(value))
def test_an_enum_has_the_values_of_the_facts(name: str, member: str) -> None:
    said = schema(name)["properties"][member]["enum"]
    assert sorted(said) == sorted(ENUMS[name, member].split())


def test_the_states_of_a_credit_are_those_of_all_that_it_sums_up() -> None:
    union = {state for states in STATES.values() for state in states.split()}
    assert set(schema("CreditResponse")["properties"]["creditState"]["enum"]) == union
    assert len(union) == 13


def test_responses_are_closed_and_never_null() -> None:
    free = schema("FreeData")
    for each in operations(resolved()):
        for part in subschemas(each.spec["responses"]["200"]["content"][JSON]["schema"]):
            assert not {"oneOf", "anyOf", "allOf", "nullable"} & part.keys(), each.id
            if part.get("type") == "object" and part != free:
                assert part["additionalProperties"] is False, (each.id, part["description"])


def test_a_draft_may_grow_to_what_a_request_may_hold() -> None:
    schemas = resolved()["components"]["schemas"]
    most = API.conventions.rules["drafts"]
    held = schemas["CreditDistributionCreateRequest"]["properties"]
    assert (most["sources"], most["targets"]) == (held["sources"]["maxItems"], held["targets"]["maxItems"])
    assert most["targets"] == schemas["PaymentCreateRequest"]["properties"]["targets"]["maxItems"]
    assert most["data"] == schemas["FreeData"]["maxProperties"]


def test_requests_are_open_so_that_unknown_members_are_ignored() -> None:
    for each in operations(resolved()):
        for part in subschemas(each.spec.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})):
            assert part.get("additionalProperties") is not False, each.id


ULID, OTHER = "01K6EHCAZ0H4QX4FR84G98PBSK", "01K421WMG04TFF59TDWH9EDD1R"
ITEM = {"containerLocator": ULID, "containerType": "invoice"}
PAY = {"amount": 99.4, "type": "StandardPayment", "data": {}, "targets": []}
MOVE = {"amount": 20, "sources": [], "targets": []}
PAY_OUT = {"amount": 5.05, "type": "t", "useDefaultFinancialInstrument": False, "data": {}, "sources": []}
TOKEN = {"name": "n", "tenants": ["any"], "permissions": ["*.*"], "expiresAt": "2027-01-01T00:00:00Z"}

TAKEN: list[tuple[str, object]] = [
    ("PaymentCreateRequest", PAY),
    ("PaymentCreateRequest", PAY | {"targets": [ITEM, ITEM | {"amount": 0.01}], "unknown": None}),
    ("PaymentCreateRequest", PAY | {"data": {"any": {"shape": [1, None]}}, "paymentMode": "aggregate"}),
    ("PaymentUpdateRequest", {"addTargets": [], "removeTargets": [ULID], "setData": {}, "removeData": {"a": None}}),
    ("CreditDistributionCreateRequest", MOVE),
    (
        "CreditDistributionUpdateRequest",
        {"addSources": [ITEM], "removeSources": [], "addTargets": [], "removeTargets": [OTHER]},
    ),
    ("CreditDistributionReverseRequest", {"reversalType": "nsf"}),
    ("WriteOffRequest", {"accountLocator": OTHER, "targets": [ITEM]}),
    ("DisbursementCreateRequest", PAY_OUT),
    ("CreateAuthTokenRequest", TOKEN),
    ("CreateAuthTokenRequest", TOKEN | {"permissions": ["credit-distributions.*"], "tenants": ["type:test"]}),
    ("CreateAuthTokenRequest", TOKEN | {"expiresAt": None}),
]
REFUSED: list[tuple[str, object]] = [
    *(("PaymentCreateRequest", {name: PAY[name] for name in PAY if name != left_out}) for left_out in PAY),
    *(("DisbursementCreateRequest", {name: PAY_OUT[name] for name in PAY_OUT if name != out}) for out in PAY_OUT),
    *(("CreateAuthTokenRequest", {name: TOKEN[name] for name in TOKEN if name != left_out}) for left_out in TOKEN),
    *(("PaymentCreateRequest", PAY | {"amount": amount}) for amount in (0, -1, 0.001, 1.005, 1e300, "1", None)),
    ("PaymentCreateRequest", PAY | {"targets": [{"containerLocator": ULID}]}),
    ("PaymentCreateRequest", PAY | {"targets": [ITEM | {"containerType": "policy"}]}),
    ("PaymentCreateRequest", PAY | {"targets": [ITEM | {"amount": 0}]}),
    ("PaymentCreateRequest", PAY | {"accountLocator": ULID.lower()}),
    ("PaymentCreateRequest", PAY | {"currency": "usd"}),
    ("PaymentCreateRequest", PAY | {"data": []}),
    ("PaymentUpdateRequest", {}),
    ("CreditDistributionReverseRequest", {}),
    ("WriteOffRequest", {"targets": []}),
    ("CreateAuthTokenRequest", TOKEN | {"permissions": ["*.write"]}),
    ("CreateAuthTokenRequest", TOKEN | {"permissions": ["credits"]}),
    ("CreateAuthTokenRequest", TOKEN | {"tenants": ["all"]}),
]


def faults(name: str, body: object) -> list[str]:
    """What the request schema `name` finds wrong with `body`."""
    validator = OAS30WriteValidator(schema(name), format_checker=oas30_format_checker)
    return [error.message for error in validator.iter_errors(body)]


@pytest.mark.parametrize(("name", "body"), TAKEN)
def test_a_body_as_clients_send_it_is_valid(name: str, body: object) -> None:
    assert faults(name, body) == []


@pytest.mark.parametrize(("name", "body"), REFUSED)
def test_a_body_that_cannot_be_meant_is_not_valid(name: str, body: object) -> None:
    assert faults(name, body) != []


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (ULID, True),
        ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", True),
        ("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", False),
        (ULID[:-1], False),
        (ULID + "0", False),
        (ULID[:-1] + "I", False),
        (ULID[:-1] + "U", False),
        ("list", False),
    ],
)
def test_a_locator_is_a_ulid(text: str, holds: bool) -> None:
    assert bool(re.search(schema("Ulid")["pattern"], text)) is holds


# Machines (section 8)

# entity -> {event: "from, from -> to"}; those of the system, which no operation causes, in the second.
MACHINES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "Payment": (
        {
            "edit": "draft -> draft",
            "validate": "draft -> validated",
            "reset": "validated -> draft",
            "post": "validated -> posted",
            "request": "validated -> requested",
            "fail": "requested, executing -> failed",
            "cancel": "requested -> cancelled",
            "discard": "draft, validated -> discarded",
            "reverse": "posted -> reversed",
        },
        {
            "invalid": "draft -> draft",
            "execute": "requested -> executing",
            "executed": "executing -> posted",
            "decline": "executing -> requested",
            "giveUp": "executing -> failed",
        },
    ),
    "CreditDistribution": (
        {
            "edit": "draft -> draft",
            "validate": "draft -> validated",
            "reset": "validated -> draft",
            "execute": "validated -> executed",
            "discard": "draft, validated -> discarded",
            "reverse": "executed -> reversed",
        },
        {"invalid": "draft -> draft"},
    ),
    "Disbursement": (
        {
            "validate": "draft -> validated",
            "approve": "validated -> approved",
            "execute": "approved -> executed",
            "reset": "validated, approved -> draft",
            "reject": "validated, approved -> rejected",
            "discard": "draft, validated -> discarded",
            "reverse": "executed -> reversed",
        },
        {"invalid": "draft -> draft"},
    ),
    "ShortfallCredit": ({}, {"distribute": "draft -> distributed", "reverse": "distributed -> reversed"}),
    "WriteOff": ({"reverse": "distributed -> reversed"}, {"distribute": "draft -> distributed"}),
    "Invoice": (
        {},
        {"settle": "open -> settled", "unsettle": "settled -> open", "discard": "open -> discarded"},
    ),
}
WAYS = [
    (entity, event, start, way.partition(" -> ")[2], number == 1)
    for entity, kinds in MACHINES.items()
    for number, rows in enumerate(kinds)
    for event, way in rows.items()
    for start in way.partition(" -> ")[0].split(", ")
]


@pytest.mark.parametrize(("entity", "event", "start", "end", "system"), WAYS)
def test_a_transition_of_the_facts_is_a_row(entity: str, event: str, start: str, end: str, system: bool) -> None:
    rows = [row for row in API.machines[entity].rows if row.event == event and start in row.starts]
    assert [(row.end, row.system, bool(row.source)) for row in rows] == [(end, system, True)]


def test_there_are_no_rows_but_these() -> None:
    assert {
        (entity, row.event, start, row.end, row.system)
        for entity, machine in API.machines.items()
        for row in machine.rows
        for start in row.starts
    } == set(WAYS)


TERMINAL = {"discarded", "rejected", "failed", "cancelled", "reversed"}


@pytest.mark.parametrize("entity", MACHINES)
def test_a_machine_starts_and_ends_where_the_facts_say(entity: str) -> None:
    machine = API.machines[entity]
    assert machine.initial == ("open" if entity == "Invoice" else "draft")
    assert set(machine.final) == TERMINAL & set(machine.states)
    assert set(machine.states) == set(STATES.get(entity, "open settled discarded").split())
    assert machine.field == entity[:1].lower() + entity[1:] + "State"


def test_execution_goes_on_in_the_background_after_a_request_and_after_a_decline() -> None:
    jobs = {row.event: row.then for row in API.machines["Payment"].rows if row.then}
    assert jobs == {"request": "executePayment", "decline": "executePayment"}


@pytest.mark.parametrize("id", [id for id, each in API.operations.items() if each.event])
def test_an_operation_fires_the_event_that_its_path_names(id: str) -> None:
    operation = API.operations[id]
    assert operation.does == "act"
    last = operation.path.rpartition("/")[2]
    assert operation.event == ("edit" if last == "{locator}" else last)


# Rows and ids


def test_rows_are_told_by_the_tenant_of_the_path() -> None:
    stored = {"ShortfallCredit", "Payment", "CreditDistribution", "Disbursement", "WriteOff", "Invoice", "Account"}
    assert {entity for entity, row in API.visibility.items() if row.rows != "derived"} == stored
    assert {API.visibility[entity].told_by(role) for entity in stored for role in API.roles} == {"tenantLocator"}


def test_invoices_are_listed_without_their_items_and_read_with_them() -> None:
    leaving_out = {entity: row.omits["list"] for entity, row in API.visibility.items() if row.omits["list"]}
    shown = {entity for entity, row in API.visibility.items() if row.schema == "InvoiceResponse"}
    assert leaving_out == dict.fromkeys(shown, ("invoiceItems",))
    assert not any(row.omits["read"] for row in API.visibility.values())


def test_locators_are_ulids_but_for_those_of_tenants_and_users() -> None:
    forms = {entity: each.form for entity, each in API.conventions.ids.items()}
    assert {entity for entity, form in forms.items() if form == "uuid"} == {"Tenant", "User"}
    assert set(forms.values()) == {"ulid", "uuid"}
    assert schema("Ulid")["pattern"] == f"^{API.conventions.ids['Payment'].pattern}$"


# The document as a whole


def test_the_document_is_valid_openapi_3_0() -> None:
    validate(assembled())
    assert assembled()["openapi"] == "3.0.3"
    assert assembled()["servers"] == [{"url": "/"}]


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


def test_every_component_is_referred_to_but_the_account_that_no_operation_shows() -> None:
    text = json.dumps(assembled())
    names = [f"#/components/{kind}/{name}" for kind, entries in assembled()["components"].items() for name in entries]
    unused = [name for name in names if f'"{name}"' not in text and "securitySchemes" not in name]
    assert unused == ["#/components/schemas/AccountResponse"]


WRITTEN = {
    name: written
    for part in sorted(FOLDER.glob("schemas/*.yaml"))
    for name, written in yaml.load(part.read_bytes(), Loader=yaml.CSafeLoader).items()
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_schema_is_described_and_its_example_valid(name: str) -> None:
    described = schema(name)
    assert described["description"].endswith(")")
    check = OAS30ReadValidator(described, format_checker=oas30_format_checker)
    assert [error.message for error in check.iter_errors(described["example"])] == []


def test_the_examples_of_parameters_and_refusals_are_valid() -> None:
    places: list[Mapping[str, Any]] = [each["content"][JSON] for each in resolved()["components"]["responses"].values()]
    places += [parameter for each in operations(resolved()) for parameter in each.parameters.values()]
    for place in places:
        check = OAS30ReadValidator(place["schema"], format_checker=oas30_format_checker)
        assert [error.message for error in check.iter_errors(place["example"])] == [], place


def test_a_literal_path_is_not_hidden_by_a_template() -> None:
    # Connexion takes the first path that fits, so `/a/{id}` before `/a/b` would answer for both.
    paths = list(assembled()["paths"])
    assert paths.index(f"{TENANT}/shortfallCredits/list") < paths.index(f"{TENANT}/shortfallCredits/{{locator}}")
    for place, path in enumerate(paths):
        template = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")
        assert [later for later in paths[place + 1 :] if template.match(later)] == [], path


def test_every_operation_asks_for_the_bearer_token() -> None:
    assert assembled()["security"] == [{"bearerAuth": []}]
    assert assembled()["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
    assert not any("security" in each.spec for each in operations(assembled()))
