"""What fixtures/charges/README.md says of the files is what the code reads."""

from __future__ import annotations

import re
from dataclasses import asdict

from mockserver.apis.billing import charge_files, custom_ledger_files
from mockserver.apis.billing.limits import LIMITS
from mockserver.apis.billing.sheets import letter
from tests.billing_world import Small
from tests.make_files import FOLDER

README = (FOLDER / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))
FORMS = {"text": "text", "source": "text", "segment": "text", "decimal": "number", "instant": "date or date-time"}
# What the small world of the tests holds.
KNOWN = {
    "source": {"type": "Subscription", "criteria": "externalIds.vendor", "value": "sub-plain"},
    "item": {"criteria": "externalIds.vendor", "value": "sku-1"},
}


def rows(section: str) -> list[list[str]]:
    """The cells of the section's table, without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_journal_table_names_every_column() -> None:
    assert [row[:4] for row in rows("Journal")] == [
        [f"{letter(place)} {field.header}", f"`{field.path}`", FORMS[field.form], "yes" if field.required else "no"]
        for place, field in enumerate(charge_files.FIELDS)
    ]


def test_the_custom_ledger_table_names_every_column() -> None:
    assert [row[:4] for row in rows("Custom ledger")] == [
        [field.column, field.header, field.hint, "yes" if field.required else "no"]
        for field in custom_ledger_files.FIELDS
    ]


def test_the_limits_are_those_that_hold() -> None:
    assert sorted(int(row[1].replace(",", "")) for row in rows("Limits")) == sorted(asdict(LIMITS).values())


def test_the_least_line_is_read_without_fault_and_nothing_of_it_can_be_left_out() -> None:
    (example,) = re.findall(r"^```json\n(.*?)```$", README, re.MULTILINE | re.DOTALL)
    (line,) = charge_files.read_lines(example.encode(), "jsonl")
    assert line.errors == ()
    given = {field.path for field in charge_files.FIELDS if charge_files.member(line.data, field.path) is not None}
    assert given == {field.path for field in charge_files.FIELDS if field.required}


def test_what_is_not_checked_is_taken() -> None:
    (example,) = re.findall(r"^```json\n(.*?)```$", README, re.MULTILINE | re.DOTALL)
    (line,) = charge_files.read_lines(example.encode(), "jsonl")
    odd = {**line.data, "quantity": 0, "search": KNOWN}
    small = Small()
    id = small.journal()
    small.upload(id, [odd, odd])
    assert small.statuses(id) == ["Ready", "Ready"]
