"""A wrong table is refused when it is read, in one line that names file, entry and mend."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
import yaml

from specs.documents import bundle
from specs.expand import page
from specs.tables import HERE, TableError, load, names, read

GARAGE = Path(__file__).parent / "apis/garage"


@dataclass(frozen=True)
class Wrong:
    """One thing broken in one file: `old` becomes `new`; without `old` the file becomes `new`, without both it goes.

    says: the message, from behind the folder of the API; `...` stands for any text
    api: the one that is broken; `garage` is a small one in this folder that has what billing has not
    """

    name: str
    file: str
    old: str | None
    new: str | bytes | None
    says: str
    api: str = "billing"


LIST = "  listJournals: {does: list, entity: Journal}\n"
SUBMIT = "submitJournal: {does: act, entity: Journal, event: submit}"
SELLER = "getJournalSeller: {does: read, entity: JournalSeller, below: Journal, who: [vendor, operations], source: CLI}"
STATE = '  - {check: state, status: 409, source: "DOC (Q1)"}\n'
J3 = '    - {id: J3, event: validated, from: [Validating], to: Validated, by: system, source: "CAN, DOC"}\n'
J6 = '    - {id: J6, event: enquire, from: [Review], to: Enquiring, source: "CAN, DOC"}\n'
K6 = "    - {id: K6, event: generationFailed, from: [Generating], to: Validated, by: system, source: INF}\n"
ROW = "deny,allow,allow\n"
FIRST = "Credit Memo,List credit memo lines,listCreditMemoLines,GET"

ACCESS = [
    ("an operation without a row", LIST, "", "access.yaml: no row for listJournals; add one..."),
    (
        "a row without an operation",
        LIST,
        LIST + LIST.replace("Journals", "Jurnals"),
        "access.yaml: listJurnals: the spec has no operation listJurnals; add it there or drop the row.",
    ),
    (
        "a capability of an operation that is not there",
        "at: listJournalCharges",
        "at: listJournalCharge",
        "access.yaml: getJournalChargesFile: the spec has no operation listJournalCharge; ...",
    ),
    (
        "a role that is not there",
        SELLER,
        SELLER.replace("vendor", "vendors"),
        "access.yaml: getJournalSeller: who: no 'vendors'; there are: client, vendor, operations.",
    ),
    (
        "an entry that is not there",
        SELLER,
        SELLER.replace("below", "under"),
        "access.yaml: operations.getJournalSeller: no 'under' belongs here; there are: does, entity, below, ...",
    ),
    (
        "a verb that is not there",
        SUBMIT,
        SUBMIT.replace("act", "acts"),
        "access.yaml: operations.submitJournal.does: no 'acts'; there are: list, read, ...",
    ),
    (
        "a row that is neither an operation nor a capability of one",
        SUBMIT,
        "submitJournal: {does: act, event: submit}",
        "access.yaml: operations.submitJournal: say either does and entity or at and media.",
    ),
    (
        "callers without a source",
        SELLER,
        SELLER.replace(", source: CLI", ""),
        "access.yaml: getJournalSeller: `who` without `source`; say where that comes from.",
    ),
    (
        "callers where the given matrix decides",
        SUBMIT,
        SUBMIT.replace("}", ", who: [vendor], source: INF}"),
        "access.yaml: submitJournal: the given matrix decides; drop `who`, or use an overlay.",
    ),
    (
        "callers nowhere",
        SELLER,
        SELLER.replace("who: [vendor, operations], ", ""),
        "access.yaml: getJournalSeller: not in the given matrix; say `who` may call it, and the `source`.",
    ),
    (
        "an event that the machine lacks",
        SUBMIT,
        SUBMIT.replace("event: submit", "event: sumbit"),
        "access.yaml: submitJournal: event: no 'sumbit'; there are: upload, submit, enquire, ...",
    ),
    (
        "an event of the system's",
        SUBMIT,
        SUBMIT.replace("event: submit", "event: validated"),
        "access.yaml: submitJournal: event: no 'validated'; there are: upload, submit, ...",
    ),
    (
        "an event of an entity without a machine",
        SELLER,
        SELLER.replace("does: read", "does: act, event: submit"),
        "access.yaml: getJournalSeller: JournalSeller has no machine; drop `event` or add one to machines.yaml.",
    ),
    (
        "an action without an event",
        SUBMIT,
        SUBMIT.replace(", event: submit", ""),
        "access.yaml: submitJournal: does act without an event; name the one of machines.yaml that it fires.",
    ),
    (
        "an event of an operation that only reads",
        LIST,
        LIST.replace("}", ", event: submit}"),
        "access.yaml: listJournals: list fires no event; drop `event`, or mend `does`.",
    ),
    (
        "an entity that is not there",
        LIST,
        LIST.replace("Journal}", "Jurnal}"),
        "visibility.yaml: no entry for Jurnal, which listJournals shows; add one.",
    ),
    (
        "an entity above that is not there",
        SELLER,
        SELLER.replace("below: Journal", "below: Jurnal"),
        "visibility.yaml: no entry for Jurnal, which getJournalSeller shows; add one.",
    ),
    ("a refusal that is left out", STATE, "", "access.yaml: refusals: 0 rows for 'state'; keep exactly one."),
    ("a refusal said twice", STATE, STATE + STATE, "access.yaml: refusals: 2 rows for 'state'; keep exactly one."),
    (
        "a refusal that blames the server",
        STATE,
        STATE.replace("409", "500"),
        "access.yaml: refusals.7.status: 500 is greater than the maximum of 499; mend it.",
    ),
    (
        "a refusal without a title",
        STATE,
        STATE.replace("409", "422"),
        "conventions.yaml: errors.titles: no title for 422; add it.",
    ),
    (
        "no roles",
        "roles: [client, vendor, operations]",
        "roles: []",
        "access.yaml: roles: [] has less than 1 item; mend it.",
    ),
    (
        "a role said twice",
        "roles: [client, vendor, operations]",
        "roles: [client, vendor, operations, client]",
        "access.yaml: roles: says one thing twice; drop one.",
    ),
    (
        "a role that the matrix has and the table lacks",
        "roles: [client, vendor, operations]",
        "roles: [client, vendor]",
        "role-matrix.csv: listCreditMemoLines: the column 'operations'; there are: ...",
    ),
    (
        "a matrix that is not there",
        "matrix: role-matrix.csv",
        "matrix: matrix.csv",
        "matrix.csv: no such file; access.yaml names it under `matrix`.",
    ),
    (
        "filters beside RQL",
        LIST,
        LIST.replace("}", ", filters: {a: name}}"),
        "access.yaml: listJournals: filters: a list is filtered by rql here; drop them.",
    ),
    (
        "needs of roles that are names",
        SELLER,
        SELLER.replace("who: [vendor, operations]", "needs: [a.b]"),
        "access.yaml: getJournalSeller: `needs`, but the roles are no sets of permissions; say `who`.",
    ),
    (
        "needs where the given matrix decides",
        LIST,
        LIST.replace("}", ", needs: [a.b], source: INF}"),
        "access.yaml: listJournals: the given matrix decides; drop `needs`, or use an overlay.",
    ),
    (
        "a rule of roles that are names",
        "matrix: role",
        "rule: any\nmatrix: role",
        "access.yaml: rule: the roles are no sets of permissions; make them such, or drop `rule`.",
    ),
    (
        "an object below one that is below another",
        SELLER,
        SELLER.replace("below: Journal", "below: Charge"),
        "visibility.yaml: Charge: rows: getJournalSeller is below it; name the roles that see it.",
    ),
]
MACHINES = [
    (
        "an entry that is not there",
        J6,
        J6.replace("source", "sources"),
        "machines.yaml: Journal.rows.4: no 'sources' belongs here; there are: id, event, from, ...",
    ),
    (
        "a row without a source",
        J6,
        J6.replace(', source: "CAN, DOC"', ""),
        "machines.yaml: Journal.rows.4: no 'source'; add it.",
    ),
    (
        "a row from nowhere",
        J6,
        J6.replace("[Review]", "[]"),
        "machines.yaml: Journal.rows.4.from: [] has less than 1 item; mend it.",
    ),
    (
        "one state where a list belongs",
        J6,
        J6.replace("[Review]", "Review"),
        "machines.yaml: Journal.rows.4.from: say a list.",
    ),
    (
        "a state that the schema lacks",
        J6,
        J6.replace("Enquiring", "Inquiring"),
        "machines.yaml: Journal: states: no 'Inquiring'; there are: Draft, ...",
    ),
    (
        "a state without a way out",
        "event: enable, from: [Disabled], to: Active",
        "event: enable, from: [Active], to: Active",
        'machines.yaml: ManualOverride: no way out of "Disabled"; add a row from it, or list it under final.',
    ),
    (
        "a state without a way in",
        "event: disable, from: [Active], to: Disabled",
        "event: disable, from: [Active], to: Active",
        'machines.yaml: ManualOverride: no way from "Active" to "Disabled"; add a row, or drop the state.',
    ),
    (
        "states that lead only to each other",
        "event: reset, from: [Generated, Accepted], to: Resetting",
        "event: reset, from: [Resetting], to: Resetting",
        'machines.yaml: Journal: no way from "Draft" to "Resetting"; add a row, or drop the state.',
    ),
    (
        "an end that nothing leads to",
        "initial: Issued\n  final: [Issued]",
        "initial: Issued\n  final: [Issued, Deleted]",
        'machines.yaml: CreditMemo: no way from "Issued" to "Deleted"; ...',
    ),
    (
        "a final state that is left",
        "initial: Draft\n  final: [Completed, Deleted]\n  rows:\n    - {id: J2",
        "initial: Draft\n  final: [Completed, Deleted, Review]\n  rows:\n    - {id: J2",
        'machines.yaml: Journal: J6 leaves "Review", which is final; drop one of the two.',
    ),
    (
        "an event torn between two ends",
        J6,
        J6 + J6.replace("J6", "J6b").replace("to: Enquiring", "to: Draft"),
        'machines.yaml: Journal: J6 and J6b both lead enquire from "Review"; keep one.',
    ),
    (
        "an event with a condition beside one without",
        "event: retry, from: [Error], to: Queued",
        "event: recalculate, from: [Error], to: Queued",
        'machines.yaml: Statement: S7 and S8 both lead recalculate from "Error"; keep one.',
    ),
    (
        "two rows of one name",
        J6,
        J6.replace("J6", "J5"),
        "machines.yaml: Journal: two rows called J5; rename one.",
    ),
    (
        "a condition on a member that the schema lacks",
        "when: {billingType: Manual}",
        "when: {billingKind: Manual}",
        "machines.yaml: Statement: S10: when: the schema has no member billingKind; mend the name.",
    ),
    (
        "a condition that can never hold",
        "when: {billingType: Manual}",
        "when: {billingType: Manuel}",
        "machines.yaml: Statement: S10: when: billingType: no 'Manuel'; there are: Automated, Manual, Consolidated.",
    ),
    (
        "a failure that is no event",
        "then: generateLedgers, else: generationFailed",
        "then: generateLedgers, else: generationFaild",
        "machines.yaml: Journal: J9: else: no 'generationFaild'; there are: generated, generationFailed.",
    ),
    (
        "a failure that does not leave the state in which the job runs",
        K6,
        K6.replace("[Generating]", "[Validated]"),
        "machines.yaml: CustomLedger: K4: else: no 'generationFailed'; there are: generated.",
    ),
    (
        "a failure of no job",
        "then: generateLedgers, else: generationFailed",
        "else: generationFailed",
        "machines.yaml: Journal: J9: `else` without `then`; name the job that may fail, or drop it.",
    ),
    (
        "an event that nobody fires",
        J3,
        J3.replace(", by: system", ""),
        "machines.yaml: Journal: J3: no operation fires 'validated'; say `by: system`, or mend access.yaml.",
    ),
    (
        "a state kept in a member that the schema lacks",
        "field: processing.status",
        "field: processing.state",
        "machines.yaml: Charge: the schema has no member processing.state; mend the name, here or in the spec.",
    ),
    (
        "a machine of an entity that the spec lacks",
        "ManualOverride:",
        "Override:",
        "machines.yaml: Override: the schema has no member status; mend the name, here or in the spec.",
    ),
    (
        "a bare date",
        "initial: Draft",
        "initial: 2024-01-01",
        "machines.yaml: the whole file: ...date...; put quotes round it.",
    ),
]
VISIBILITY = [
    (
        "no entry",
        "\nLedger:\n",
        "\nLegder:\n",
        "visibility.yaml: no entry for Ledger, which listLedgers shows; add one.",
    ),
    (
        "an entity that the spec lacks",
        "\nLedger:\n",
        "\nLegder: {rows: {}, omits: {list: [], read: []}, source: INF}\n\nLedger:\n",
        "visibility.yaml: Legder: the spec has no schema Legder; mend the name, here or there, or say `schema`.",
    ),
    (
        "rows of a role that is not there",
        "rows: {vendor: vendor.id, operations: all}",
        "rows: {vendors: vendor.id, operations: all}",
        "visibility.yaml: Journal: rows: no 'vendors'; there are: client, vendor, operations, *.",
    ),
    (
        "rows by a member that the schema lacks",
        "rows: {vendor: vendor.id, operations: all}",
        "rows: {vendor: vendor.ident, operations: all}",
        "visibility.yaml: Journal: the schema has no member vendor.ident; mend the name, here or in the spec.",
    ),
    (
        "rows by neither members nor the object above",
        "  rows: parent\n  only:",
        "  rows: above\n  only:",
        'visibility.yaml: Charge.rows: "above" does not match "^(parent|derived)$"; mend it.',
    ),
    (
        "rows by an object above that is not there",
        "rows: {vendor: vendor.id, operations: all}",
        "rows: parent",
        "visibility.yaml: Journal: rows: listJournals has no object above; name the roles.",
    ),
    (
        "a hidden member that the schema lacks",
        "price.totalBSP: [operations]",
        "price.totalBPS: [operations]",
        "visibility.yaml: Journal: the schema has no member price.totalBPS; ...",
    ),
    (
        "a member shown to a role that is not there",
        "price.totalBSP: [operations]",
        "price.totalBSP: [ops]",
        "visibility.yaml: Journal: roles: no 'ops'; there are: client, vendor, operations.",
    ),
    (
        "a view without a member that the schema lacks",
        "omits: {list: [audit], read: [audit]}",
        "omits: {list: [audits], read: [audit]}",
        "visibility.yaml: Journal: the schema has no member audits; ...",
    ),
    (
        "a view that is left out",
        "omits: {list: [audit], read: [audit]}",
        "omits: {list: [audit]}",
        "visibility.yaml: Journal.omits: no 'read'; add it.",
    ),
    (
        "a written member that the schema lacks",
        "    dueDate: [vendor, operations]",
        "    duedate: [vendor, operations]",
        "visibility.yaml: Journal: the schema has no member duedate; ...",
    ),
    (
        "an entry that is not there",
        "  omits: {list: [audit], read: [audit]}\n  writes:",
        "  omits: {list: [audit], read: [audit]}\n  write:",
        "visibility.yaml: Journal: no 'write' belongs here; there are: schema, rows, only, omits, writes, source.",
    ),
]
CONVENTIONS = [
    ("no money", "\nmoney:\n", "\nmonies:\n", "conventions.yaml: the whole file: no 'monies' belongs here; ..."),
    ("an id without a prefix", "prefix: BJO, ", "", "conventions.yaml: ids.Journal: no 'prefix'; add it."),
    (
        "ids that look alike",
        "prefix: BLE",
        "prefix: BJO",
        "conventions.yaml: ids: BJO begins ids of Journal and Ledger; tell them apart.",
    ),
    (
        "an entity that is made without an id",
        "\n  ManualOverride: {prefix",
        "\n  Override: {prefix",
        "conventions.yaml: ids: no entry for ManualOverride, which createManualOverride makes; add one.",
    ),
    (
        "a reference to what has no core",
        "  buyer: Buyer",
        "  buyer: Purchaser",
        "conventions.yaml: core: no entry for Purchaser; add its core members.",
    ),
    (
        "an upload of no operation",
        "  uploadCustomLedgerCharges:",
        "  uploadLedgerCharges:",
        "conventions.yaml: uploads: no entry for uploadCustomLedgerCharges; say which media it accepts.",
    ),
    (
        "a page larger than the largest",
        "default: 10 ",
        "default: 101 ",
        "conventions.yaml: paging: the default is larger than the cap; mend one of the two.",
    ),
    (
        "attachments that nothing is said of",
        "\nattachments:\n",
        "\nrules:\n",
        "conventions.yaml: no 'attachments', which createJournalAttachment takes; add limit, link and accepts.",
    ),
    (
        "sorts beside RQL",
        "\nmoney:\n",
        "\nsorts: {parameter: a, ties: id, members: {A: id}}\nmoney:\n",
        "conventions.yaml: sorts: a list is sorted by rql here; drop it.",
    ),
    ("a page of a few", "cap: 100 ", "cap: few ", "conventions.yaml: paging.cap: say a whole number."),
]
MATRIX = [
    (
        "another path",
        "billing/credit-memos/{creditMemoId}/lines,",
        "billing/credit-notes/{creditMemoId}/lines,",
        "role-matrix.csv: listCreditMemoLines: GET /public/v1/billing/credit-notes/{creditMemoId}/lines, but the spec "
        "has GET /public/v1/billing/credit-memos/{creditMemoId}/lines; mend one of the two.",
    ),
    (
        "another method",
        FIRST,
        FIRST.replace("GET", "POST"),
        "role-matrix.csv: listCreditMemoLines: POST ..., but the spec has GET ...; mend one of the two.",
    ),
    (
        "an operation that is not there",
        FIRST,
        FIRST.replace("listCredit", "showCredit"),
        "role-matrix.csv: showCreditMemoLines has no row in access.yaml; add one.",
    ),
    (
        "a cell that is neither",
        ROW,
        "deny,perhaps,allow\n",
        "role-matrix.csv: listJournals: vendor is 'perhaps'; say allow or deny.",
    ),
    ("a cell too few", ROW, "deny,allow\n", "role-matrix.csv: listJournals: operations is None; say allow or deny."),
    (
        "a cell too many",
        ROW,
        "deny,allow,allow,allow\n",
        "role-matrix.csv: listJournals: a cell beyond the last column; there are: api, ...",
    ),
    (
        "a column that is not there",
        ",operations\n",
        ",ops\n",
        "role-matrix.csv: listCreditMemoLines: the column 'ops'; there are: api, ..., client, vendor, operations.",
    ),
    (
        "a capability without a name",
        FIRST,
        FIRST.replace("List credit memo lines", ""),
        "role-matrix.csv: listCreditMemoLines: nothing under 'capability'; fill it in.",
    ),
]
SPEC = [
    (
        "paths/journals.yaml",
        "one operationId twice",
        "operationId: getJournal\n",
        "operationId: listJournals\n",
        "openapi.yaml: GET /journals/{id}: listJournals is the operationId of GET /journals too; give each its own.",
    ),
    (
        "paths/journals.yaml",
        "no operationId",
        "    operationId: getJournal\n",
        "",
        "openapi.yaml: GET /journals/{id}: no operationId; add it.",
    ),
    (
        "paths/journals.yaml",
        "no tag",
        "    operationId: getJournal\n    tags: [Journal]\n",
        "    operationId: getJournal\n",
        "openapi.yaml: GET /journals/{id}: no tags; add it.",
    ),
    (
        "paths/journals.yaml",
        "no success",
        "'200':",
        "'402':",
        "openapi.yaml: GET /journals: responses: no success; add the status below 400 that it answers.",
    ),
    (
        "paths/journals.yaml",
        "a status that says nothing",
        "'200':",
        "default:",
        "openapi.yaml: GET /journals: responses: 'default' is no status; name each one that it answers.",
    ),
    (
        "paths/journals.yaml",
        "a reference to no schema",
        "'#/components/schemas/Journal'",
        "'#/components/schemas/Jurnal'",
        "openapi.yaml: the reference #/components/schemas/Jurnal leads nowhere; mend it, or add what it names.",
    ),
    (
        "openapi.yaml",
        "a reference to no entry of a part",
        "paths/journals.yaml#/journals}",
        "paths/journals.yaml#/jurnals}",
        'openapi.yaml: Cannot resolve reference "paths/journals.yaml#/jurnals": ...; mend the reference.',
    ),
    (
        "openapi.yaml",
        "a reference to no part",
        "paths/journals.yaml#/journals}",
        "paths/jurnals.yaml#/journals}",
        "openapi.yaml: File not found: paths/jurnals.yaml; mend the reference.",
    ),
    (
        "openapi.yaml",
        "a reference to another site",
        "paths/journals.yaml#/journals}",
        "'http://127.0.0.1:9/x.yaml#/x'}",
        "openapi.yaml: the reference http://127.0.0.1:9/x.yaml#/x leads nowhere; mend it, or add what it names.",
    ),
    (
        "openapi.yaml",
        "another version of OpenAPI",
        "openapi: 3.0.3",
        "openapi: 3.1.0",
        'openapi.yaml: openapi: "3.1.0" does not match ...; mend it.',
    ),
    (
        "openapi.yaml",
        "a version that is a number",
        "  version: 4.0.0",
        "  version: 4.0",
        "openapi.yaml: info.version: say a text.",
    ),
    (
        "openapi.yaml",
        "no version",
        "  version: 4.0.0",
        "  x-version: 4.0.0",
        "openapi.yaml: info: no 'version'; add it.",
    ),
    (
        "openapi.yaml",
        "no server",
        "servers: [{url: /public/v1/billing}]",
        "servers: []",
        "openapi.yaml: no servers; an OpenAPI document needs them.",
    ),
    (
        "openapi.yaml",
        "a server without an address",
        "servers: [{url: /public/v1/billing}]",
        "servers: [{description: here}]",
        "openapi.yaml: servers: the first has no url; say what all paths begin with.",
    ),
    (
        "openapi.yaml",
        "a path without methods",
        "{$ref: paths/journals.yaml#/journals}",
        "none",
        "openapi.yaml: /journals: say which methods there are.",
    ),
    (
        "openapi.yaml",
        "a bracket that is not closed",
        "paths/journals.yaml#/journals}",
        "paths/journals.yaml#/journals",
        "openapi.yaml: line ..., column ...: not valid YAML: ...",
    ),
    (
        "paths/journals.yaml",
        "two colons in a line",
        "summary: Get a journal\n",
        "summary: Get: a journal\n",
        "paths/journals.yaml: line ..., column 17: not valid YAML: mapping values are not allowed in this context.",
    ),
]
LISTBAYS = "listBays: {does: list, entity: Bay, needs: [bays.read, bays.list], filters: {level: level}, source: M}"
GETBAY = "getBay: {does: read, entity: Bay, needs: [bays.read], source: M}"
OCCUPY = "occupyBay: {does: act, entity: Bay, event: occupy, needs: [], source: M}"
STAYS = "listStays: {does: list, entity: Stay, below: Bay, needs: [stays.list, bays.read], source: M}"
TOKEN = "createToken: {does: own, entity: Token, open: true, source: M}"
SCOPE = "scope: {grants: sites, entity: Site, parameter: siteId, kinds: type, empty: visitor}"
SCOPED = "  - {check: scope, status: 403, source: M}\n"
ASKED = "  - {check: query, status: 400, source: M}\n"
READ = "  - {check: body, status: 400, source: M}\n"
KIND = "  - {check: media, status: 415, source: M}\n"
FAULT = "body: {faults: [{text: $message, at: $fields}], kind: $code}"
PARKED_ACCESS = [
    (
        "a permission of no shape",
        "[bays.*]",
        '["*.write"]',
        "access.yaml: roles: warden: '*.write' is no permission; ...",
    ),
    ("a word for a permission", "[bays.*]", "[bays]", "access.yaml: roles: warden: 'bays' is no permission; say ..."),
    (
        "permissions without a rule",
        "rule: any\n",
        "",
        "access.yaml: no 'rule'; say whether `any` of the permissions ...",
    ),
    ("a rule that is neither", "rule: any", "rule: some", "access.yaml: rule: no 'some'; there are: any, all."),
    (
        "a need that is a wildcard",
        GETBAY,
        GETBAY.replace("bays.read", '"bays.*"'),
        "access.yaml: getBay: needs: 'bays.*' is no permission; say resource.action.",
    ),
    (
        "names beside needs",
        GETBAY,
        GETBAY.replace("source", "who: [owner], source"),
        "access.yaml: getBay: `who` and `needs` both say who may call it; keep one.",
    ),
    (
        "names in place of needs",
        GETBAY,
        GETBAY.replace("needs: [bays.read]", "who: [owner]"),
        "access.yaml: getBay: `who`, but the roles are sets of permissions; say `needs` ([]: any token will do).",
    ),
    (
        "neither needs nor names",
        GETBAY,
        GETBAY.replace("needs: [bays.read], ", ""),
        "access.yaml: getBay: nobody may call it; say what it `needs`, and the `source`.",
    ),
    (
        "needs without a source",
        GETBAY,
        GETBAY.replace(", source: M", ""),
        "access.yaml: getBay: `needs` without `source`; say where that comes from.",
    ),
    (
        "open where the spec asks for a token",
        GETBAY,
        GETBAY.replace("needs: [bays.read]", "open: true"),
        "access.yaml: getBay: `open`, but the spec asks for a token; say `security: []` there, or drop `open`.",
    ),
    (
        "closed where the spec asks for none",
        TOKEN,
        TOKEN.replace("open: true", "needs: []"),
        "access.yaml: createToken: the spec asks for no token; name its `security` there, or say `open: true` here.",
    ),
    (
        "open, but not quite",
        TOKEN,
        TOKEN.replace("true", "false"),
        "access.yaml: operations.createToken.open: say true, or leave it out.",
    ),
    (
        "open without a source",
        TOKEN,
        TOKEN.replace(", source: M", ""),
        "access.yaml: createToken: `open` without `source`; say where that comes from.",
    ),
    (
        "open and with needs",
        TOKEN,
        TOKEN.replace("open: true", "open: true, needs: []"),
        "access.yaml: createToken: `needs` and `open` both say who may call it; keep one.",
    ),
    (
        "a filter that is no parameter",
        LISTBAYS,
        LISTBAYS.replace("{level: level}", "{floor: level}"),
        "access.yaml: listBays: filters: no 'floor'; there are: from, size, sort, level.",
    ),
    (
        "a filter by no member",
        LISTBAYS,
        LISTBAYS.replace("{level: level}", "{level: floor}"),
        "access.yaml: listBays: filters: the schema has no member floor; mend the name, here or in the spec.",
    ),
    (
        "a filter of no list",
        GETBAY,
        GETBAY.replace("source", "filters: {level: level}, source"),
        "access.yaml: getBay: filters: read is no list; drop them.",
    ),
    (
        "one object without its id",
        LISTBAYS,
        "listBays: {does: read, entity: Bay, needs: [], source: M}",
        "access.yaml: listBays: GET /garage/v1/sites/{siteId}/bays names no Bay to read; mend the path, ...",
    ),
    (
        "one object below another without its id",
        STAYS,
        STAYS.replace("list,", "read,"),
        "access.yaml: listStays: GET ...stays names no Stay to read below one; mend the path, `below` or `does`.",
    ),
    (
        "a list of one object",
        GETBAY,
        GETBAY.replace("read,", "list,"),
        "access.yaml: getBay: GET /garage/v1/sites/{siteId}/bays/{id}: `list` has no use for {id}; mend `below`, ...",
    ),
    (
        "an object above without its id",
        LISTBAYS,
        LISTBAYS.replace("needs", "below: Bay, needs"),
        "access.yaml: listBays: GET /garage/v1/sites/{siteId}/bays names no Bay above; drop `below`, ...",
    ),
    (
        "a replacement that is no PUT",
        OCCUPY,
        "occupyBay: {does: replace, entity: Bay, needs: [], source: M}",
        "access.yaml: occupyBay: replace is a PUT, but the spec has POST ...; mend one of the two.",
    ),
    (
        "a file attached to nothing",
        "createBay: {does: create",
        "createBay: {does: attach",
        "access.yaml: createBay: attach without `below`; name the entity that it is attached to.",
    ),
    (
        "an event of a replacement",
        "replaceBay: {does: replace, entity: Bay",
        "replaceBay: {does: replace, entity: Bay, event: occupy",
        "access.yaml: replaceBay: replace fires no event; drop `event`, or mend `does`.",
    ),
    (
        "a scope that no path has",
        SCOPE,
        SCOPE.replace("siteId", "site"),
        "access.yaml: scope: no path has {site}; mend `parameter`, here or in the spec.",
    ),
    (
        "a scope of what has no ids",
        SCOPE,
        SCOPE.replace("Site,", "Place,"),
        "conventions.yaml: ids: no entry for Place, which the scope of access.yaml names; add one.",
    ),
    (
        "a scope that leaves a role that is not there",
        SCOPE,
        SCOPE.replace("visitor", "visitors"),
        "access.yaml: scope: empty: no 'visitors'; there are: owner, warden, visitor.",
    ),
    (
        "a scope unbound for a role that is not there",
        SCOPE,
        SCOPE.replace("empty: visitor", "unbound: visitors"),
        "access.yaml: scope: unbound: no 'visitors'; there are: owner, warden, visitor.",
    ),
    (
        "a scope of kinds that the entity has not",
        SCOPE,
        SCOPE.replace("entity: Site", "entity: Bay"),
        "access.yaml: scope: Bay has no member type; mend `kinds`, here or in the spec.",
    ),
    (
        "a scope of kinds of nothing",
        SCOPE,
        SCOPE.replace("parameter: siteId, ", ""),
        "access.yaml: scope: `kinds` without `parameter`; say which one is looked at, or drop `kinds`.",
    ),
    ("a scope that nothing checks", SCOPED, "", "access.yaml: refusals: 0 rows for 'scope'; keep exactly one."),
    (
        "a check of no scope",
        SCOPE,
        "",
        "access.yaml: refusals: 'scope', but no `scope` with a `parameter`; add it, or drop the row.",
    ),
    ("a query that nothing checks", ASKED, "", "access.yaml: refusals: 0 rows for 'query'; keep exactly one."),
    ("bodies that nothing reads", READ, "", "access.yaml: refusals: 0 rows for 'body'; keep exactly one."),
    ("bodies of a kind that nothing checks", KIND, "", "access.yaml: refusals: 0 rows for 'media'; keep exactly one."),
    ("a check made twice", SCOPED, SCOPED + SCOPED, "access.yaml: refusals: 2 rows for 'scope'; keep exactly one."),
    (
        "a body that is read before its kind is known",
        KIND + READ,
        READ + KIND,
        "access.yaml: refusals: 'body' can be checked only after 'media'; put it there.",
    ),
    (
        "a scope before anybody is known",
        "  - {check: token, status: 401, source: M}\n" + SCOPED,
        SCOPED + "  - {check: token, status: 401, source: M}\n",
        "access.yaml: refusals: 'scope' can be checked only after 'token'; put it there.",
    ),
    (
        "a status of an entity that is not there",
        "of: {Stay: 403}",
        "of: {Stays: 403}",
        "access.yaml: refusals: find: of: no 'Stays'; there are: Bay, Stay, Load, Token.",
    ),
    (
        "a status of an entity that blames the server",
        "of: {Stay: 403}",
        "of: {Stay: 503}",
        "access.yaml: refusals.4.of.Stay: 503 is greater than the maximum of 499; mend it.",
    ),
]
PARKED_VISIBILITY = [
    (
        "a schema that is not there",
        "schema: StayResponse",
        "schema: StayRequest",
        "visibility.yaml: Stay: the spec has no schema StayRequest; mend the name, here or there, or say `schema`.",
    ),
    (
        "a schema that is not said",
        "  schema: StayResponse\n",
        "",
        "visibility.yaml: Stay: the spec has no schema Stay; mend the name, here or there, or say `schema`.",
    ),
    (
        "rows by neither a member nor the scope",
        'rows: {"*": siteId}',
        'rows: {"*": site}',
        "visibility.yaml: Bay: the schema has no member site; mend the name, here or in the spec.",
    ),
    (
        "rows that are made and looked up",
        'rows: {"*": siteId}',
        "rows: derived",
        "visibility.yaml: Bay: rows: derived rows are not stored, so createBay finds nothing to create; ...",
    ),
    (
        "rows below those that are below others",
        'rows: {"*": siteId}',
        "rows: parent",
        "visibility.yaml: Bay: rows: listBays has no object above; name the roles.",
    ),
]
PARKED_CONVENTIONS = [
    (
        "one base below another",
        "/garage/v1/tokens]",
        "/garage/v1/sites/tokens, /garage/v1/tokens]",
        "conventions.yaml: bases: /garage/v1/sites/tokens lies below /garage/v1/sites; keep the shorter.",
    ),
    (
        "a path below no base",
        ", /garage/v1/tokens]",
        "]",
        "conventions.yaml: bases: none begins /garage/v1/tokens (createToken); add it, or mend `servers`.",
    ),
    (
        "a base that is none",
        "/garage/v1/tokens]",
        "garage/]",
        'conventions.yaml: bases.1: "garage/" does not match "^(/[^/\\s]+)+$"; mend it.',
    ),
    (
        "queries of no kind",
        "query: parameters",
        "query: odata",
        "conventions.yaml: query: no 'odata'; there are: rql, ...",
    ),
    ("lists without paging", "paging: {", "paged: {", "conventions.yaml: the whole file: no 'paged' belongs here; ..."),
    (
        "lists that are cut by nothing",
        "paging: {offset: from, limit: size, default: 20, cap: 50}\n",
        "",
        "conventions.yaml: no 'paging', which listBays is cut by; add offset, limit, default and cap.",
    ),
    (
        "a parameter of paging that is not there",
        "limit: size",
        "limit: count",
        "conventions.yaml: paging.limit: listBays declares no parameter count; add it, or mend the name.",
    ),
    (
        "another default than the spec's",
        "default: 20",
        "default: 10",
        "conventions.yaml: paging.default: listBays declares 20; mend one of the two.",
    ),
    (
        "a link by a parameter that is not there",
        "links: {parameters: [sort]}",
        "links: {parameters: [order]}",
        "conventions.yaml: links.parameters: no 'order'; there are: from, size, sort, level.",
    ),
    (
        "a link without links",
        "links: {parameters: [sort]}\n",
        "",
        "conventions.yaml: lists.envelope: $next, but no `links`; add ...",
    ),
    (
        "a value of lists that is not there",
        "{total: $total}",
        "{total: $count}",
        "conventions.yaml: lists.envelope: no $count; there are: $offset, $limit, $total, ...",
    ),
    (
        "an envelope that the spec has not",
        "envelope: {page:",
        "envelope: {pages:",
        "conventions.yaml: lists: the 200 of listBays has no member pages; mend the one or the other.",
    ),
    (
        "an envelope without what the spec requires",
        "page: {total: $total}, ",
        "",
        "conventions.yaml: lists: the 200 of listBays requires page; add it.",
    ),
    (
        "items under a name that the spec has not",
        "items: rows",
        "items: data",
        "conventions.yaml: lists: the 200 of listBays has no member data; mend the one or the other.",
    ),
    (
        "an order by a parameter that is not there",
        "{parameter: sort,",
        "{parameter: sorts,",
        "conventions.yaml: sorts.parameter: no 'sorts'; there are: from, size, sort, level.",
    ),
    (
        "an order that has no member",
        "NUMBER: id, ",
        "",
        "conventions.yaml: sorts: members: no 'NUMBER'; there are: LEVEL.",
    ),
    (
        "an order by no member of the schema",
        "LEVEL: level",
        "LEVEL: floor",
        "conventions.yaml: sorts: Bay has no member floor; mend the name, here or in the spec.",
    ),
    (
        "ties by no member of the schema",
        "ties: id",
        "ties: number",
        "conventions.yaml: sorts: Bay has no member number; mend the name, here or in the spec.",
    ),
    (
        "a value of refusals that is not there",
        FAULT,
        FAULT.replace("$code", "$kind"),
        "conventions.yaml: errors.body: no $kind; there are: $status, $title, $code, ...",
    ),
    (
        "a value of one fault outside the list of them",
        FAULT,
        FAULT.replace("$code", "$message"),
        "conventions.yaml: errors.body: $message is of one fault; put it into a list, which is filled for each.",
    ),
    (
        "a list of two faults",
        FAULT,
        FAULT.replace("}]", "}, {}]"),
        "conventions.yaml: errors.body: a list stands once for every fault; keep one element.",
    ),
    (
        "a status without a code",
        '"405": how, ',
        "",
        "conventions.yaml: errors.codes: no code for 405; add it.",
    ),
    (
        "a status without a title",
        FAULT,
        FAULT.replace("$code", "$title"),
        "conventions.yaml: errors.titles: no title for 400; add it.",
    ),
    (
        "a body of no operation",
        "createToken: {why",
        "createTokens: {why",
        "conventions.yaml: errors.bodies: no 'createTokens'; there are: listBays, ...",
    ),
    (
        "a body that the spec has not",
        FAULT,
        FAULT.replace("kind:", "sort:"),
        "conventions.yaml: errors.body: the 400 of listBays has no member sort; mend one of the two.",
    ),
    (
        "a body without what the spec requires",
        FAULT,
        "body: {kind: $code}",
        "conventions.yaml: errors.body: the 400 of listBays requires faults; add it.",
    ),
    (
        "a body of its own that the spec has not",
        "{why: $detail}",
        "{how: $detail}",
        "conventions.yaml: errors.bodies.createToken: the 400 of createToken has no member how; mend one of the two.",
    ),
    (
        "refusals of a medium that the spec has not",
        "media: application/json",
        "media: application/problem+json",
        "conventions.yaml: errors.body: the 400 of listBays is application/json in the spec, not ...",
    ),
    (
        "ids of no form",
        "form: ulid",
        "form: snowflake",
        "conventions.yaml: ids.Stay.form: no 'snowflake'; there are: ...",
    ),
    ("ids without a length", ", length: 3", "", "conventions.yaml: ids.Bay: no 'length'; add it."),
    (
        "ids that say too much",
        "form: ulid",
        "form: ulid, prefix: ST",
        "conventions.yaml: ids.Stay: 'prefix' is nothing to ids of form ulid; drop it.",
    ),
    (
        "an entity that is replaced without an id",
        "  Bay: {form: digits, length: 3, source: M}\n",
        "",
        "conventions.yaml: ids: no entry for Bay, which createBay makes; add one.",
    ),
]
PARKED_SPEC = [
    (
        "a parameter without a name",
        "- {name: from, in: query",
        "- {in: query",
        "openapi.yaml: paths./sites/{siteId}/bays.get.parameters.0: say either $ref or name and in.",
    ),
    (
        "a schema that is none",
        "schema: {type: integer, minimum: 0, default: 0}",
        "schema: integer",
        "openapi.yaml: paths./sites/{siteId}/bays.get.parameters.0.schema: say names and their values.",
    ),
    (
        "a member that is none",
        "plate: {type: string}",
        "plate: string",
        "openapi.yaml: components.schemas.StayResponse.properties.plate: say names and their values.",
    ),
    (
        "a reference to no name",
        "{$ref: '#/components/schemas/Bays'}",
        "{$ref: [Bays]}",
        "openapi.yaml: a $ref that is no text; name what it leads to.",
    ),
    (
        "a parameter in the path that is not declared",
        "{siteId}/load:\n    parameters: [{$ref: '#/components/parameters/siteId'}]",
        "{siteId}/load:",
        "openapi.yaml: GET /sites/{siteId}/load: no path parameter 'siteId' is declared; add it.",
    ),
    (
        "a parameter that the path has not",
        "{siteId}/bays/{bayId}/stays:",
        "{siteId}/stays:",
        "openapi.yaml: GET /sites/{siteId}/stays: the path parameter 'bayId' is declared and not in the path; ...",
    ),
]
WRONG = [
    *(
        Wrong(f"garage access: {name}", "access.yaml", old, new, says, "garage")
        for name, old, new, says in PARKED_ACCESS
    ),
    *(
        Wrong(f"garage visibility: {name}", "visibility.yaml", old, new, says, "garage")
        for name, old, new, says in PARKED_VISIBILITY
    ),
    *(
        Wrong(f"garage conventions: {name}", "conventions.yaml", old, new, says, "garage")
        for name, old, new, says in PARKED_CONVENTIONS
    ),
    *(Wrong(f"garage spec: {name}", "openapi.yaml", old, new, says, "garage") for name, old, new, says in PARKED_SPEC),
    *(Wrong(f"access: {name}", "access.yaml", old, new, says) for name, old, new, says in ACCESS),
    *(Wrong(f"machines: {name}", "machines.yaml", old, new, says) for name, old, new, says in MACHINES),
    *(Wrong(f"visibility: {name}", "visibility.yaml", old, new, says) for name, old, new, says in VISIBILITY),
    *(Wrong(f"conventions: {name}", "conventions.yaml", old, new, says) for name, old, new, says in CONVENTIONS),
    *(Wrong(f"matrix: {name}", "role-matrix.csv", old, new, says) for name, old, new, says in MATRIX),
    *(Wrong(f"spec: {name}", file, old, new, says) for file, name, old, new, says in SPEC),
    *(
        Wrong(f"{table}: gone", f"{table}.yaml", None, None, f"{table}.yaml: no such file.")
        for table in ("access", "machines", "visibility", "conventions")
    ),
    *(
        Wrong(
            f"{table}: empty", f"{table}.yaml", None, "", f"{table}.yaml: the whole file: say names and their values."
        )
        for table in ("access", "machines", "visibility", "conventions")
    ),
    Wrong("spec: empty", "openapi.yaml", None, "", "openapi.yaml: no servers; an OpenAPI document needs them."),
    Wrong("spec: a list", "openapi.yaml", None, "- 1\n", "openapi.yaml: no servers; an OpenAPI document needs them."),
    Wrong(
        "spec: a part gone",
        "headers.yaml",
        None,
        None,
        "openapi.yaml: File not found: headers.yaml; mend the reference.",
    ),
    Wrong(
        "spec: a bare status",
        "paths/journals.yaml",
        "'200':",
        "200:",
        "paths/journals.yaml: 200 is no name; put quotes round it.",
    ),
    Wrong(
        "access: a row said twice",
        "access.yaml",
        LIST,
        LIST + LIST,
        "access.yaml: line ..., column 3: not valid YAML: 'listJournals' stands here twice, keep one.",
    ),
    Wrong(
        "machines: holds itself",
        "machines.yaml",
        None,
        "Journal: &all {initial: Draft, more: [*all]}\n",
        "machines.yaml: holds itself through its aliases, or is nested too deep.",
    ),
    Wrong(
        "matrix: not UTF-8",
        "role-matrix.csv",
        None,
        b"\xff\xfe",
        "role-matrix.csv: not readable as CSV in UTF-8; save it as such.",
    ),
    Wrong(
        "matrix: no column for the operation",
        "role-matrix.csv",
        "operation_id",
        "operation",
        "role-matrix.csv: line 2: no operation_id; name the operation there.",
    ),
    Wrong(
        "matrix: a row said twice",
        "role-matrix.csv",
        FIRST,
        f"softwareone-billing,{FIRST},x,deny,deny,deny\nsoftwareone-billing,{FIRST}".removeprefix(
            "softwareone-billing,"
        ),
        "role-matrix.csv: line 3: listCreditMemoLines has a row already; keep one.",
    ),
    Wrong(
        "machines: not UTF-8",
        "machines.yaml",
        None,
        b"Journal: {initial: \xff}",
        "machines.yaml: not valid YAML: not readable as UTF-8 text.",
    ),
    Wrong("spec: a part not UTF-8", "headers.yaml", None, b"A: \xff", "headers.yaml: not valid YAML: ...UTF-8..."),
    Wrong(
        "machines: a tab",
        "machines.yaml",
        "  initial: Draft",
        "\tinitial: Draft",
        "machines.yaml: line 10, column 1: not valid YAML: found character that cannot start any token.",
    ),
    Wrong(
        "machines: two documents",
        "machines.yaml",
        "\nLedger:\n",
        "\n---\nLedger:\n",
        "machines.yaml: line ..., column 1: not valid YAML: but found another document.",
    ),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; what others keep stays as it is."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DOUBLEENTRY_CACHE", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the tables that a test may break."""
    shutil.copytree(HERE / "billing", tmp_path / "specs" / "billing")
    shutil.copytree(GARAGE, tmp_path / "specs" / "garage")
    return tmp_path / "specs"


def broken(root: Path, wrong: Wrong) -> None:
    """Break the copy as the case says."""
    path = root / wrong.api / wrong.file
    if wrong.new is None:
        path.unlink()
    elif isinstance(wrong.new, bytes):
        path.write_bytes(wrong.new)
    elif wrong.old is None:
        path.write_text(wrong.new, encoding="utf-8")
    else:
        text = path.read_bytes().decode()
        assert wrong.old in text, f"{wrong.file} no longer says {wrong.old!r}; mend the case."
        path.write_bytes(text.replace(wrong.old, wrong.new, 1).encode())


def refusal(root: Path, api: str = "billing") -> str:
    """The message that refuses the copy, with the place of the copy named as the place of the original."""
    with pytest.raises(TableError) as refused:
        load(api, root=root)
    return str(refused.value).replace(str(root.resolve()), "specs").replace(str(root), "specs")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_table_is_refused_in_one_line_with_its_place(root: Path, wrong: Wrong) -> None:
    broken(root, wrong)
    message = refusal(root, wrong.api)
    pattern = re.escape(f"specs/{wrong.api}/{wrong.says}").replace(re.escape("..."), ".*")
    assert re.fullmatch(pattern, message), message
    assert not re.search(r"Traceback|\w+Error\b", message)
    # The cache refuses it in the same words; kept as JSON, a bare date is a text, and no state either.
    assert refusal(root, wrong.api) == message or "date" in message


def test_every_table_and_the_spec_are_broken_in_some_case() -> None:
    assert len({wrong.name for wrong in WRONG}) == len(WRONG) >= 35
    assert {wrong.file for wrong in WRONG} >= {path.name for path in (HERE / "billing").glob("*.csv")} | {
        "access.yaml",
        "machines.yaml",
        "visibility.yaml",
        "conventions.yaml",
        "openapi.yaml",
    }


def test_the_tables_as_they_are_can_be_read_from_anywhere(root: Path) -> None:
    moved, here = load("billing", root=root), load("billing")
    # The document is the same too: no part knows where it lies.
    assert moved == here
    assert str(root) not in orjson.dumps(moved.document).decode()


@pytest.mark.parametrize("name", ["bills", "", "..", "billing/paths"])
def test_an_unknown_api_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(TableError, match=rf"^no API .*; there are: {', '.join(names())}\.$"):
        load(name)


def test_an_api_can_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GARAGE, tmp_path / "lot")
    monkeypatch.chdir(tmp_path)
    api = load("./lot/")
    assert (api.name, api.home) == ("lot", "./lot")
    assert api.operations == load(str(GARAGE)).operations
    (tmp_path / "lot" / "access.yaml").write_text("roles: []\n")
    with pytest.raises(TableError, match=r"^\./lot/access\.yaml: "):
        load("./lot")


def test_a_folder_whose_name_is_no_name_is_refused(tmp_path: Path) -> None:
    shutil.copytree(GARAGE, tmp_path / "my lot")
    with pytest.raises(TableError, match=r"^no API .*/my lot': its folder gives it its name; take letters, .*\.$"):
        load(str(tmp_path / "my lot"))


# What is read of the forms that billing has not.


def test_an_operation_knows_which_parameter_names_what() -> None:
    operations = load(str(GARAGE)).operations
    assert [(each.id, each.parent, each.key) for each in operations.values()] == [
        ("listBays", None, None),
        ("createBay", None, None),
        ("getBay", None, "id"),
        ("replaceBay", None, "id"),
        ("occupyBay", None, "id"),
        ("leaveBay", None, "id"),
        ("listStays", "bayId", None),
        ("getLoad", None, None),
        ("createToken", None, None),
    ]
    assert [each.id for each in operations.values() if each.open] == ["createToken"]
    assert operations["listBays"].filters == {"level": "level"}


def test_a_status_may_be_that_of_one_entity_alone() -> None:
    api = load(str(GARAGE))
    assert [api.status("find", entity) for entity in (None, "Bay", "Stay")] == [404, 404, 403]
    # No row: what HTTP says of it.
    assert api.status("accept") == 406


def test_permissions_make_the_roles_of_an_operation() -> None:
    api = load(str(GARAGE))
    assert api.permissions["warden"] == {"bays.*"}
    assert {id: each.roles for id, each in api.operations.items()} == {
        "listBays": {"owner", "warden", "visitor"},
        "createBay": {"owner", "warden"},
        "getBay": {"owner", "warden", "visitor"},
        "replaceBay": {"owner", "warden"},
        "occupyBay": {"owner", "warden", "visitor"},
        "leaveBay": {"owner", "warden", "visitor"},
        "listStays": {"owner", "warden", "visitor"},
        "getLoad": {"owner", "visitor"},
        "createToken": {"owner", "warden", "visitor"},
    }


def test_under_all_every_permission_is_needed(root: Path) -> None:
    broken(root, Wrong("", "access.yaml", "rule: any", "rule: all", "", "garage"))
    api = load("garage", root=root)
    assert api.operations["listBays"].roles == {"owner", "warden"}
    assert api.operations["replaceBay"].roles == api.operations["listStays"].roles == {"owner"}
    assert api.operations["occupyBay"].roles == {"owner", "warden", "visitor"}


@pytest.mark.parametrize(
    ("row", "good", "bad"),
    [
        ("form: digits, length: 3", ["007"], ["7", "0070", "a07", "٠٠٧"]),
        (
            "form: ulid",
            ["01JZ8Q4T6M2W9K3B7XH5D0RCPA"],
            ["81JZ8Q4T6M2W9K3B7XH5D0RCPA", "01JZ8Q4T6M2W9K3B7XH5D0RCPU", "01JZ"],
        ),
        ("form: uuid", ["9c1b7f0e-3c0f-4c5e-8f0b-0d9c3f1f2a77"], ["9c1b7f0e3c0f4c5e8f0b0d9c3f1f2a77", "x"]),
        ("prefix: B.Y, groups: [2, 3]", ["B.Y-01-234"], ["BXY-01-234", "B.Y-01-23", "B.Y-0-1234"]),
    ],
)
def test_a_form_of_ids_has_a_pattern(root: Path, row: str, good: list[str], bad: list[str]) -> None:
    broken(root, Wrong("", "conventions.yaml", "form: digits, length: 3", row, "", "garage"))
    pattern = load("garage", root=root).conventions.ids["Bay"].pattern
    assert [each for each in (*good, *bad) if re.fullmatch(pattern, each)] == good


def test_what_a_small_api_leaves_out_is_empty(root: Path) -> None:
    found = load("garage", root=root).conventions
    assert (found.base, found.stamps, found.rules) == ("/garage/v1/sites", False, {"hours": 12})
    assert not any((found.references, found.core, found.public, found.money, found.uploads, found.attachments))


def test_every_message_is_one_line_even_where_a_name_is_not(root: Path) -> None:
    broken(root, Wrong("", "access.yaml", LIST, LIST + '  "list\\nMore": {does: list, entity: Journal, size: 3}\n', ""))
    assert len(refusal(root).splitlines()) == 1


def entries(content: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every entry of parsed YAML."""
    if at:
        yield at
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, each in inner:
        yield from entries(each, (*at, step))


@pytest.mark.parametrize("table", ["access", "machines", "visibility", "conventions"])
@pytest.mark.parametrize("instead", [None, "$zzz", {}], ids=["gone", "another text", "empty"])
def test_whatever_entry_is_wrong_nothing_but_a_table_error_comes_of_it(root: Path, table: str, instead: object) -> None:
    file = root / "garage" / f"{table}.yaml"
    content = yaml.safe_load(file.read_bytes())
    refused = []
    for *above, last in list(entries(content)):
        spoilt = copy.deepcopy(content)
        owner = spoilt
        for step in above:
            owner = owner[step]
        if instead is None:
            del owner[last]
        else:
            owner[last] = instead
        file.write_text(yaml.safe_dump(spoilt), encoding="utf-8")
        try:
            page(load("garage", root=root))
        except TableError as error:
            refused.append(str(error))
    assert refused
    assert [each for each in refused if len(each.splitlines()) != 1 or not each.endswith(".")] == []


# The cache.


def test_a_changed_part_gives_a_new_document(root: Path, cache: Path) -> None:
    before = bundle(root / "billing")
    broken(root, Wrong("", "paths/journals.yaml", "summary: Get a journal\n", "summary: One journal\n", ""))
    after = bundle(root / "billing")
    assert before["document"]["paths"]["/journals/{id}"]["get"]["summary"] == "Get a journal"
    assert after["document"]["paths"]["/journals/{id}"]["get"]["summary"] == "One journal"
    # What the old parts made is of no more use.
    assert len(list(cache.iterdir())) == 1


def test_what_is_kept_is_what_was_made(root: Path) -> None:
    assert bundle(root / "billing") == bundle(root / "billing")


def test_a_kept_document_is_read_instead_of_made(root: Path, cache: Path) -> None:
    bundle(root / "billing")
    (kept,) = cache.iterdir()
    content = orjson.loads(kept.read_bytes())
    kept.write_bytes(orjson.dumps(content | {"mark": "kept"}))
    assert bundle(root / "billing")["mark"] == "kept"


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: kept.write_bytes(kept.read_bytes()[:-1]),
        lambda kept: kept.write_bytes(kept.read_bytes()[: len(kept.read_bytes()) // 2]),
        lambda kept: kept.write_bytes(b""),
        lambda kept: kept.write_bytes(b"\xff\x00"),
        lambda kept: (kept.unlink(), kept.mkdir()),
    ],
    ids=["a byte short", "half", "empty", "not JSON", "a folder"],
)
def test_a_spoilt_cache_file_is_ignored(root: Path, cache: Path, spoil: Spoil) -> None:
    made = bundle(root / "billing")
    (kept,) = cache.iterdir()
    spoil(kept)
    assert bundle(root / "billing") == made


@pytest.mark.parametrize("above", ["file", "null"])
def test_a_cache_folder_that_cannot_be_written_is_no_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DOUBLEENTRY_CACHE", str(tmp_path / "file" / "cache") if above == "file" else "/dev/null/cache")
    assert load("billing", root=root) == load("billing")


def test_without_its_own_variable_the_cache_lies_in_the_users(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOUBLEENTRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    bundle(root / "billing")
    assert [path.suffix for path in (tmp_path / "xdg" / "doubleentry").iterdir()] == [".json"]


def test_two_processes_at_once_do_each_other_no_harm(root: Path, cache: Path) -> None:
    code = """
import pathlib, sys
from specs.tables import load
print(len(load("billing", root=pathlib.Path(sys.argv[1])).operations))
"""
    command = [sys.executable, "-c", code, str(root)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
        for _ in range(3)
    ]
    said = [each.communicate(timeout=60) for each in running]
    assert said == [(f"{len(load('billing').operations)}\n", "")] * 3
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".mark"]


def test_tables_that_were_found_right_are_not_checked_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load("billing", root=root)
    for name in ("shapes", "operations", "whole"):
        monkeypatch.setattr(f"specs.checks.{name}", None)
    assert load("billing", root=root) == found


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("", "access.yaml", LIST, "", "access.yaml: no row for listJournals; add one..."),
        Wrong("", "role-matrix.csv", FIRST, FIRST.replace("listCredit", "listDebit"), "..."),
        Wrong("", "paths/journals.yaml", "operationId: getJournal\n", "operationId: listJournals\n", "..."),
    ],
    ids=["a table", "the given matrix", "the spec"],
)
def test_what_has_become_wrong_is_refused_every_time(root: Path, wrong: Wrong) -> None:
    load("billing", root=root)
    broken(root, wrong)
    for _ in range(2):
        with pytest.raises(TableError):
            load("billing", root=root)


@pytest.mark.parametrize(
    "text",
    [
        "one: &one {a: 1, b: [x, {}]}\ntwo: {<<: *one, b: 2}\nthree: *one\n",
        "200: ok\nyes: 1.5\n~: 2024-01-01\n'no': ''\n",
        "!!set {a, b}\n",
        "? a\n: ? b\n  : !!binary aGk=\n",
        "- - x\n- {y: !!str 3}\n",
        "",
    ],
)
def test_what_is_rare_in_yaml_is_read_as_pyyaml_reads_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(text)
    assert read(file) == yaml.safe_load(text)
