"""The accounts contract: valid, whole, marked with its sources, and of the schema that the reference gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker
from openapi_spec_validator import validate
from prance.util.resolver import RESOLVE_INTERNAL, RefResolver
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent.parent / "specs" / "accounts"
ROOT = FOLDER / "openapi.yaml"
MARK = re.compile(r"\[[SDOCM](, [SDOCM])*\]|from [SC]\b|of [OS]\b")


@cache
def written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(ROOT.read_bytes())))
    return found


@cache
def resolved() -> dict[str, Any]:
    """The document without any reference; not by our own reader: it must be of use to those who have only prance."""
    resolver = RefResolver(written(), url=ROOT.as_uri(), resolve_types=RESOLVE_INTERNAL)
    resolver.resolve_references()
    found: dict[str, Any] = resolver.specs
    return found


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in resolved()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = resolved()["components"]["schemas"]
    return found


def test_the_document_is_valid_openapi_3_0() -> None:
    validate(written())
    assert written()["openapi"] == "3.0.3"


def test_the_document_and_its_tables_read_the_same_in_yaml_1_1_and_1_2() -> None:
    for part in FOLDER.glob("*.yaml"):
        assert yaml.safe_load(part.read_bytes()) == YAML(typ="safe").load(part), part.name


def test_the_operations_are_those_of_the_vendor() -> None:
    assert [(method, path, each["operationId"]) for method, path, each in operations()] == [
        ("GET", "/v1/finance/accounts", "listFinanceAccounts"),
        ("GET", "/v1/finance/accounts/{accountNumber}", "getFinanceAccount"),
        ("GET", "/v1/finance/accounts/{accountNumber}/{invoiceId}", "downloadInvoiceDocument"),
        ("POST", "/oauth2/v1/token", "GetOAuth2AccessToken"),
        ("POST", "/oauth2/v1/refreshaccesstoken", "RefreshOAuth2AccessToken"),
    ]


def test_only_the_token_operations_ask_for_no_token() -> None:
    assert [each["operationId"] for _, _, each in operations() if each.get("security") == []] == [
        "GetOAuth2AccessToken",
        "RefreshOAuth2AccessToken",
    ]
    assert written()["security"] == [{"bearerAuth": []}]
    assert "Authorization" not in ROOT.read_text().replace("the Authorization", "")


def test_every_component_is_referred_to() -> None:
    text = json.dumps(written())
    names = [f"#/components/{kind}/{name}" for kind, each in written()["components"].items() for name in each]
    assert [name for name in names if f'"{name}"' not in text and "securitySchemes" not in name] == []


def test_every_description_says_where_it_comes_from() -> None:
    for _, _, each in operations():
        assert each["summary"] and MARK.search(each["description"]), each["operationId"]
        for parameter in each.get("parameters", ()):
            assert MARK.search(parameter["description"]), parameter["name"]
        for status, response in each["responses"].items():
            assert MARK.search(response["description"]), (each["operationId"], status)


def test_what_is_answered_is_closed_and_what_is_sent_is_open() -> None:
    for name, schema in written()["components"]["schemas"].items():
        if schema["type"] == "object":
            assert ("additionalProperties" in schema) is not name.endswith("Request"), name
            assert schema.get("additionalProperties", False) is False


def test_every_example_is_valid() -> None:
    for _, _, each in operations():
        for media in each.get("requestBody", {}).get("content", {}).values():
            OAS30WriteValidator(media["schema"], format_checker=oas30_format_checker).validate(media["example"])
        for response in each["responses"].values():
            for media in response.get("content", {}).values():
                if "example" in media:
                    OAS30ReadValidator(media["schema"], format_checker=oas30_format_checker).validate(media["example"])
        for parameter in each.get("parameters", ()):
            examples = [case["value"] for case in parameter.get("examples", {}).values()] or [parameter["example"]]
            for example in examples:
                OAS30ReadValidator(parameter["schema"], format_checker=oas30_format_checker).validate(example)


def test_the_links_of_the_example_lead_forward() -> None:
    example = written()["paths"]["/v1/finance/accounts"]["get"]["responses"]["200"]["content"]["application/json"][
        "example"
    ]
    offsets = {name: int(each["href"].rpartition("=")[2]) for name, each in example["_links"].items()}
    assert offsets["prev"] < offsets["self"] == example["page"]["offset"] < offsets["next"]


@pytest.mark.parametrize(
    ("schema", "members"),
    [
        ("AccountList", "data page _links"),
        ("Account", "accountName accountNumber parentAccountNumber accountIbxs"),
        ("Page", "total limit offset"),
        ("Links", "prev self next"),
        (
            "AccountDetail",
            "accountNumber parentAccountNumber accountName billingFrequency currencyCode invoiceLanguage invoiceFormat "
            "invoices payments billingContact accountIbxs",
        ),
        ("BillingContact", "firstName lastName email"),
        ("Invoice", "invoiceId transactionNumber amount date type documents"),
        ("Document", "documentId fileType type"),
        ("Payment", "paymentId amount date type"),
        ("Errors", "errors ticketId"),
        ("Error", "code message fields messageParams"),
        ("TokenRequest", "client_id client_secret grant_type user_name user_password password_encoding"),
        ("RefreshRequest", "client_id client_secret refresh_token"),
        ("AccessToken", "access_token token_timeout user_name token_type refresh_token refresh_token_timeout"),
        ("TokenError", "error_domain error_title error_code developer_message error_message"),
    ],
)
def test_a_schema_has_the_members_of_the_vendor_s(schema: str, members: str) -> None:
    assert list(schemas()[schema]["properties"]) == members.split()


def test_only_what_the_vendor_marks_is_required_of_accounts() -> None:
    assert schemas()["AccountList"]["required"] == ["data", "_links"]
    for name in ("Account", "AccountDetail", "BillingContact", "Invoice", "Document", "Payment", "Page", "Links"):
        assert "required" not in schemas()[name], name


def test_the_parameters_have_the_vendor_s_bounds() -> None:
    [offset, limit, sorts] = resolved()["paths"]["/v1/finance/accounts"]["get"]["parameters"]
    assert (offset["schema"]["minimum"], offset["schema"]["default"]) == (0, 0)
    assert [limit["schema"][word] for word in ("minimum", "maximum", "default")] == [0, 100, 10]
    assert len(sorts["schema"]["enum"]) == 6 and sorts["schema"]["default"] == "ACCOUNT_NUMBER"
    _, months = resolved()["paths"]["/v1/finance/accounts/{accountNumber}"]["get"]["parameters"]
    assert (months["style"], months["explode"], months["schema"]["items"]["format"]) == ("form", False, "date")
    *_, document = resolved()["paths"]["/v1/finance/accounts/{accountNumber}/{invoiceId}"]["get"]["parameters"]
    assert document["required"] and document["schema"]["minLength"] == 1
