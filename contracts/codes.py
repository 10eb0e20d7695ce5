"""Every code that a finding can have: what it says is wrong, why that matters, and where to look. Never renumbered.

A access, R rows and visibility, S shapes, W workflows, Q queries and pages, M money and links, F files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Code:
    """What one kind of finding means.

    title: what is wrong, in a few words
    why: what it costs the users of the deployment
    mend: where whoever runs the deployment looks first
    """

    id: str
    title: str
    why: str
    mend: str


def _codes(*rows: tuple[str, str, str, str]) -> Mapping[str, Code]:
    return MappingProxyType({row[0]: Code(*row) for row in rows})


CODES = _codes(
    # Access
    (
        "A101",
        "a caller who may is refused",
        "Work that the role exists for cannot be done.",
        "The operation's row in access.yaml, or in the role matrix, names the role; the deployment's rights do not.",
    ),
    (
        "A102",
        "a caller who may not is let through",
        "Somebody reads or changes what their role must not reach.",
        "The check of the role is missing, or comes after the work; it must come before anything is looked up.",
    ),
    (
        "A103",
        "a caller who may not is refused with another status",
        "Clients tell a missing right from a missing object by the status.",
        "The status of `role` in access.yaml.",
    ),
    (
        "A104",
        "a request without a token is not refused as such",
        "Whoever finds the address gets in, or a client cannot tell that it has to sign in.",
        "The check of the token must come first, for every operation that is not open.",
    ),
    (
        "A105",
        "a token that nobody issued is not refused as such",
        "Any text opens the door.",
        "The deployment must look the token up, and refuse what it does not find.",
    ),
    (
        "A106",
        "an expired token is not refused as such",
        "A token that leaked is good for ever.",
        "The expiry of a token must be compared with the clock at every call.",
    ),
    (
        "A107",
        "of two faults the wrong one is answered",
        "The order of refusals keeps those without rights from learning what there is.",
        "The order of `refusals` in access.yaml.",
    ),
    (
        "A108",
        "rights in one scope reach another, or are not honoured in their own",
        "A tenant's data is open to the users of another.",
        "The check of `scope` in access.yaml: what the caller was granted, before the role's rights.",
    ),
    (
        "A109",
        "another's object is reached",
        "Customers see or change each other's data.",
        "The decision about rows (visibility.yaml) must be made wherever an object is found, by id as in lists.",
    ),
    (
        "A110",
        "another's object is told apart from one that is not there",
        "Whoever tries ids learns which exist.",
        "Both must get the same status and body; `find` in access.yaml.",
    ),
    (
        "A111",
        "an object that is not there is not answered as such",
        "Clients cannot tell what happened.",
        "The status of `find` in access.yaml.",
    ),
    # Rows and visibility
    (
        "R201",
        "a list shows a row of another",
        "Customers see each other's data.",
        "The filter of rows in visibility.yaml must be a part of every list, before paging.",
    ),
    (
        "R202",
        "a list leaves out a row of the caller's own",
        "Objects seem to be lost.",
        "The filter of rows takes away too much, or the list is read from a stale copy.",
    ),
    (
        "R203",
        "a total disagrees with the rows",
        "It tells of rows that are hidden, and pages come out wrong.",
        "The total must be counted after the rows are filtered.",
    ),
    (
        "R204",
        "a hidden member is shown in a body",
        "Prices, margins or notes that one party must not see are seen.",
        "`only` in visibility.yaml, for answers by id and those of writes.",
    ),
    (
        "R205",
        "a hidden member is shown in a list",
        "Prices, margins or notes that one party must not see are seen.",
        "`only` in visibility.yaml, for the rows of lists, expanded references among them.",
    ),
    (
        "R206",
        "a hidden member can be asked about",
        "A filter or an order over a hidden member tells its value row by row.",
        "What a caller may not see must be unknown to filters and orders, too.",
    ),
    (
        "R207",
        "a hidden member is shown in a file",
        "An export gives away what the list does not show.",
        "Columns of exports follow visibility.yaml as bodies do.",
    ),
    (
        "R208",
        "a member that the caller may see is missing",
        "Clients that read it break.",
        "visibility.yaml hides it from others only.",
    ),
    (
        "R209",
        "a view holds what it leaves out until it is selected, or the other way round",
        "Answers grow or shrink unexpectedly.",
        "`omits` in visibility.yaml, and what the answer says it left out.",
    ),
    (
        "R210",
        "a member is written by who may not",
        "One party changes what belongs to another.",
        "`writes` in visibility.yaml: what a role may not write is left as it is.",
    ),
    (
        "R211",
        "a member that the caller may write is not written",
        "Changes are lost without an error.",
        "`writes` in visibility.yaml.",
    ),
    (
        "R212",
        "a list and a reading by id differ",
        "Two clients see two truths.",
        "Both must be made from the same record and the same view.",
    ),
    # Shapes
    (
        "S301",
        "a status that the spec does not have",
        "Clients generated from the spec cannot handle it.",
        "The responses of the operation in openapi.yaml.",
    ),
    (
        "S302",
        "a content type that the spec does not have",
        "Clients cannot read the body.",
        "The content of the response in openapi.yaml.",
    ),
    (
        "S303",
        "a header that the spec requires is missing",
        "Clients rely on it.",
        "The headers of the response in openapi.yaml.",
    ),
    (
        "S304",
        "a body that breaks its schema",
        "Clients generated from the spec fail on it, or read it wrongly.",
        "The schema of the response in openapi.yaml.",
    ),
    (
        "S305",
        "the server fails",
        "A 5xx is never a right answer: whatever was sent, it can be refused clearly.",
        "The log of the deployment at the time of the request.",
    ),
    (
        "S306",
        "what breaks the spec is accepted",
        "Wrong data gets in and breaks something later.",
        "The schema of the parameter or body in openapi.yaml; validate before anything is done.",
    ),
    (
        "S307",
        "what fits the spec is refused",
        "Clients that follow the spec cannot work.",
        "The schema of the parameter or body in openapi.yaml is wider than the deployment.",
    ),
    (
        "S308",
        "a method that is not there is not refused as such",
        "405 with Allow tells clients what there is.",
        "The methods of the path in openapi.yaml.",
    ),
    (
        "S309",
        "a refusal is not told in the API's own words",
        "Clients read the error body.",
        "`errors` in conventions.yaml.",
    ),
    (
        "S310",
        "an id is not of its form",
        "Clients and other systems tell kinds of objects by their ids.",
        "`ids` in conventions.yaml.",
    ),
    # Workflows
    (
        "W401",
        "a declared transition is refused",
        "The work stops in that state.",
        "The row of the machine in machines.yaml.",
    ),
    (
        "W402",
        "a transition arrives elsewhere",
        "What follows works on a wrong state.",
        "The row of the machine in machines.yaml: `to`.",
    ),
    (
        "W403",
        "a transition that is not declared is accepted",
        "Steps are skipped or repeated: approved without review, billed twice.",
        "machines.yaml has no such row; the state must be checked before the event.",
    ),
    (
        "W404",
        "a transition that is not declared is refused otherwise",
        "Clients tell a wrong state from a wrong request by the status.",
        "The status of `state` in access.yaml.",
    ),
    (
        "W405",
        "a refusal changed something",
        "A client that was told no believes that nothing happened.",
        "All of a request's effects must be one unit of work, committed last.",
    ),
    (
        "W406",
        "a side effect is missing",
        "Objects that should follow from a step do not.",
        "What the step does besides moving the state.",
    ),
    (
        "W407",
        "a side effect happened more than once",
        "Documents and amounts are doubled.",
        "The step must be safe to repeat, and run once.",
    ),
    (
        "W408",
        "a change is not seen by the next reading",
        "Clients act upon what was.",
        "Reads come from a copy that lags behind; the answer of a write must be visible to its caller at once.",
    ),
    (
        "W409",
        "the audit does not tell what happened",
        "Nobody can tell who did what, and when.",
        "`audit` of the machine in machines.yaml: the entry named after the state that was entered.",
    ),
    (
        "W410",
        "of two changes at once one is lost",
        "Work disappears without an error.",
        "Changes to one object must follow each other, each on what the last one left.",
    ),
    (
        "W411",
        "the same step at the same time happens twice",
        "Documents and amounts are doubled.",
        "The state must be checked and moved in one step.",
    ),
    (
        "W412",
        "a sequence of calls ends elsewhere than the rules say",
        "Work done in another order than usual goes wrong.",
        "The steps of the finding; the last of them shows it.",
    ),
    (
        "W413",
        "what was created is not as it was asked for",
        "Clients create an object and work with another.",
        "The body of the request, the initial state in machines.yaml, and what the facts say is taken over.",
    ),
    (
        "W414",
        "what was deleted is still there",
        "Deleted data is seen, and used.",
        "Reads and lists must leave out what was deleted.",
    ),
    (
        "W415",
        "an update is not kept, or changes what it does not name",
        "Data is lost or changed silently.",
        "What a body leaves out stays as it is.",
    ),
    # Queries and pages
    (
        "Q501",
        "pages overlap, or leave rows out",
        "Clients that read a list page by page miss rows or count them twice.",
        "One order for all pages of a list, ties broken by id.",
    ),
    (
        "Q502",
        "a total is not the number of rows",
        "Clients stop too early, or ask for pages that are not there.",
        "Count what the list without a limit would hold.",
    ),
    (
        "Q503",
        "the order is not the one asked for",
        "The newest is not first, the dearest not on top.",
        "The comparison of the member; unset values, numbers as numbers, dates as dates.",
    ),
    ("Q504", "the same question is answered in another order", "Pages mix.", "Break ties by id."),
    (
        "Q505",
        "a filter lets rows through that do not fit",
        "Clients act on the wrong rows.",
        "The operator named in the finding.",
    ),
    (
        "Q506",
        "a filter leaves rows out that fit",
        "Clients do not find what is there.",
        "The operator named in the finding.",
    ),
    (
        "Q507",
        "a filter and its negation do not make the whole",
        "Rows are in both, or in neither.",
        "The logical operators, and what is unset.",
    ),
    (
        "Q508",
        "a selection does not add what it names",
        "Clients do not get what they ask for.",
        "The projection of the member.",
    ),
    (
        "Q509",
        "a selection does not remove what it names",
        "Clients get what they did not ask for.",
        "The projection of the member.",
    ),
    (
        "Q510",
        "a limit of 0 is not honoured",
        "Clients that only count read whole pages.",
        "`paging` in conventions.yaml, and the parameter in openapi.yaml.",
    ),
    (
        "Q511",
        "a limit is not kept, or not capped as told",
        "Pages are too long for those who read them, or shorter than they count on.",
        "`paging` in conventions.yaml: the default and the cap.",
    ),
    (
        "Q512",
        "a wrong page parameter is not answered as told",
        "Clients with a mistake get a page that they did not ask for, or an error where there should be none.",
        "`paging` in conventions.yaml, and the parameter in openapi.yaml.",
    ),
    (
        "Q513",
        "a wrong question is answered as if it were right",
        "A misspelt filter gives all rows, and clients act on them.",
        "What cannot be read, and members that are not there, must be refused as the facts say.",
    ),
    (
        "Q514",
        "a link does not lead to where it says",
        "Clients that follow links miss rows.",
        "`links` in conventions.yaml.",
    ),
    # Money and links
    (
        "M601",
        "a sum is not the sum of its parts",
        "Somebody pays too much or too little.",
        "Sums are exact and made of what the list of parts shows.",
    ),
    (
        "M602",
        "a ratio does not follow from its amounts",
        "Markups and margins that are told are not those that are billed.",
        "The formula named in the finding.",
    ),
    (
        "M603",
        "an amount is rounded otherwise",
        "Cents go missing, and totals do not agree between systems.",
        "`money` in conventions.yaml: places, and half away from zero, once, at the end.",
    ),
    (
        "M604",
        "an amount is not converted by its rate",
        "Somebody pays in the wrong currency.",
        "The rate and the direction of the conversion.",
    ),
    (
        "M605",
        "balances and movements disagree",
        "Money appears or vanishes.",
        "Every movement has two sides; a balance is their sum.",
    ),
    (
        "M606",
        "a reference does not lead to what it says",
        "Documents cannot be followed to what they were made from.",
        "Both ends of the link.",
    ),
    (
        "M607",
        "a window of dates is not kept",
        "Old documents are shown, or recent ones are not.",
        "The first and the last day, both included, on the deployment's own clock.",
    ),
    # Files
    ("F701", "a file does not come back as it was sent", "Evidence is damaged.", "Store and send bytes, not text."),
    (
        "F702",
        "the name, type or length of a file is wrong",
        "Clients save it under a wrong name or cut it off.",
        "Content-Disposition, Content-Type and Content-Length, and the metadata beside them.",
    ),
    (
        "F703",
        "charges that went in are not those that came out",
        "Usage is billed wrongly, or not at all.",
        "One charge a line, with the line's own values.",
    ),
    ("F704", "a document is not of its type", "It cannot be opened.", "The bytes must be what the content type says."),
    (
        "F705",
        "an export and the list disagree",
        "Two people see two truths.",
        "Both must be made from the same rows and the same view.",
    ),
    (
        "F706",
        "a file that does not fit is accepted",
        "Wrong usage is billed.",
        "Files are checked for type, size and form before they are kept.",
    ),
    (
        "F707",
        "a file that fits is refused",
        "Usage cannot be handed in.",
        "The types and sizes that the spec and conventions.yaml have.",
    ),
)
