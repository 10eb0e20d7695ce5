"""A run as one HTML page that needs nothing else: verdict, the matrix as a heat map, findings, what was looked at."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from contracts.findings import Finding, Result
from contracts.reports import telling
from contracts.reports.coverage import Coverage, Missing, Part, coverage, documented
from contracts.reports.grids import Links, cell_links, machine, matrix
from contracts.reports.markup import Markup, element
from contracts.wire import Exchange, curl
from specs.tables import Api

_KINDS = {"kept": "kept", "broken": "broken", "could not check": "unknown"}


def write(result: Result) -> str:
    """The text of the page."""
    sort = telling.findings(result)
    numbered = [
        (f"finding-{number}", each) for number, each in enumerate((*sort.defects, *sort.questions, *sort.accepted), 1)
    ]
    main = element(
        "main",
        _coverage(result),
        [
            _matrix(result.documents[name], result, cell_links(numbered))
            for name in result.apis
            if name in result.documents
        ],
        _findings(numbered, result),
        [_seen(result.documents[one.api], one, result) for one in coverage(result)],
        _unchecked(result),
        _left(result),
        _checks(result),
    )
    footer = element("footer", element("p", "Again: ", element("code", telling.again(result))))
    body = element("body", _header(result), main, footer, _script())
    return f"<!doctype html>\n{element('html', _head(result), body, lang='en')}\n"


def _head(result: Result) -> Markup:
    # Nothing is loaded, and no script runs but the page's own, whatever an implementation answered.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_hash(_beside('page.js'))}'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Contract {telling.word(result)}: {result.target}"),
        element("style", Markup(_beside("page.css"))),
    )


def _script() -> Markup:
    return element("script", Markup(_beside("page.js")))


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _header(result: Result) -> Markup:
    word = telling.word(result)
    links = [("#looked-at", "Looked at"), *((f"#matrix-{name}", f"Matrix of {name}") for name in result.documents)]
    links += [("#findings", "Findings")] * bool(result.findings)
    links += [(f"#seen-{name}", f"Operations and states of {name}") for name in result.documents]
    links += [("#unchecked", "Not checked")] * bool(result.unchecked)
    said = [telling.verdict(result), f"mode {result.mode}, seed {result.seed}"]
    said += filter(None, [telling.unserved(result)])
    return element(
        "header",
        element("h1", "Contract of ", element("code", result.target), f" ({', '.join(result.apis)})"),
        element("div", [element("p", line) for line in said], class_=f"verdict {_KINDS[word]}"),
        element("nav", [element("a", name, href=link) for link, name in links]),
    )


def _coverage(result: Result) -> Iterator[Markup]:
    yield element("h2", "Looked at", id="looked-at")
    figures = [_figure(one.api, part) for one in coverage(result) for part in one.parts if part.whole]
    yield element("div", figures, class_="figures")


def _figure(api: str, part: Part) -> Markup:
    return element(
        "div",
        element("div", element("strong", api), f" {part.title}"),
        element("progress", max=part.whole, value=part.done, aria_label=f"{api} {part.title}"),
        element("div", f"{part.done} of {part.whole}", class_="soft"),
        class_="figure",
    )


def _matrix(api: Api, result: Result, links: Links) -> Iterator[Markup]:
    yield element("h2", f"Matrix of {api.name}", id=f"matrix-{api.name}")
    yield matrix(api, result, links)


def _findings(numbered: Sequence[tuple[str, Finding]], result: Result) -> Iterator[Markup]:
    yield element("h2", "Findings", id="findings")
    if not numbered:
        yield element("p", "None.")
        return
    yield element(
        "p",
        element("button", "Open all", id="open", type="button"),
        " ",
        element("button", "Close all", id="close", type="button"),
    )
    for title, kind in (("Defects", "defect"), ("Questions", "question"), ("Accepted", "accepted")):
        some = [(id, each) for id, each in numbered if _kind(each) == kind]
        if some:
            yield element("h3", f"{title}: {len(some)}")
            if kind == "question":
                yield element("p", "The vendor says nothing about these; the project filled them in.", class_="soft")
            yield from (_finding(id, each, kind, result) for id, each in some)


def _kind(finding: Finding) -> str:
    return "accepted" if finding.accepted else str(finding.severity)


def _finding(id: str, finding: Finding, kind: str, result: Result) -> Markup:
    meaning = telling.code(finding)
    rows: list[tuple[str, str | Markup]] = [
        ("Expected", finding.expected),
        ("Came", finding.came),
        ("Says so", telling.source(finding)),
        ("Accepted", finding.accepted),
        ("Found by", " ".join(filter(None, [finding.check, finding.case]))),
        ("Seen", f"{telling.counted(finding.also, 'time')} more" if finding.also else ""),
        ("Why it matters", meaning.why),
        ("Where to look", meaning.mend),
    ]
    told = [(element("dt", name), element("dd", text)) for name, text in rows if text]
    steps = [element("li", _step(each, result)) for each in finding.steps]
    return element(
        "details",
        element(
            "summary",
            element("span", finding.code, class_="code"),
            f"{finding.api}: {telling.about(finding)}: {meaning.title}",
        ),
        element("dl", told),
        element("ol", steps, class_="steps") if steps else "",
        _following(finding, result),
        id=id,
        class_=f"finding {kind}",
    )


def _following(finding: Finding, result: Result) -> Markup | str:
    lines = telling.followers(finding, result)
    if not lines:
        return ""
    return element(
        "details",
        element("summary", f"What follows from it: {len(lines)}"),
        element("ul", [element("li", line) for line in lines]),
    )


def _step(step: Exchange, result: Result) -> Iterator[Markup]:
    role = f" ({step.caller.role})" if step.caller.role not in ("", step.caller.name) else ""
    yield element(
        "div",
        element("strong", f"{step.caller.name}{role}"),
        " ",
        element("code", f"{step.request.method} {step.request.target}"),
    )
    if sent := telling.body(step.request.content):
        yield element("pre", sent)
    media = f" {step.answer.media}" if step.answer.media else ""
    yield element("div", "answered ", element("code", f"{step.status}{media}"))
    if came := telling.body(step.answer.content):
        yield element("pre", came)
    yield element("details", element("summary", "Again, with curl"), element("pre", curl(step, result.target)))


def _seen(api: Api, one: Coverage, result: Result) -> Iterator[Markup]:
    """Operations and their statuses, states and events, and what is missing, by name."""
    yield element("h2", f"Operations and states of {api.name}", id=f"seen-{api.name}")
    yield element("details", element("summary", "Statuses of each operation"), _statuses(api, result))
    for entity in api.machines.values():
        if any(each.entity == entity.entity and each.event for each in api.operations.values()):
            yield element("h3", entity.entity)
            yield machine(api, entity, result)
    for part in one.parts:
        if part.missing:
            title = f"Not seen: {len(part.missing)} of {part.whole} {part.title}"
            names = [element("li", _missing(each)) for each in part.missing]
            yield element("details", element("summary", title), element("ul", names, class_="names"))


def _missing(each: Missing) -> str:
    return " ".join(filter(None, [each.group, each.name, f"({each.why})" if each.why else ""]))


def _statuses(api: Api, result: Result) -> Markup:
    known = documented(api)
    rows = []
    for operation in api.operations.values():
        seen = result.statuses.get((api.name, operation.id), {})
        chips = []
        for status in sorted({*known[operation.id], *seen}):
            kind = "untried" if status not in seen else "allowed" if status in known[operation.id] else "leak"
            told = f"{status} × {seen[status]}" if status in seen else f"{status}"
            tip = {"untried": "not seen", "allowed": "documented and seen", "leak": "seen, not documented"}[kind]
            chips.append(element("span", told, class_=f"chip {kind}", title=tip))
        where = element("div", element("code", f"{operation.method} {operation.path}"), class_="wide soft")
        rows.append(
            element(
                "tr",
                element("td", element("code", operation.id), where),
                element("td", element("div", chips, class_="chips")),
            )
        )
    head = element(
        "thead", element("tr", element("th", "Operation"), element("th", "Status × how often; dashed: not seen"))
    )
    return element("div", element("table", head, element("tbody", rows)), class_="scroll")


def _unchecked(result: Result) -> Iterator[Markup]:
    if not result.unchecked:
        return
    yield element("h2", f"Not checked: {len(result.unchecked)}", id="unchecked")
    for (reason, fatal), cases in telling.reasons(result.unchecked).items():
        title = f"{'could not' if fatal else 'skipped'}: {reason}: {telling.counted(len(cases), 'case')}"
        yield element(
            "details",
            element("summary", title),
            element("ul", [element("li", telling.case(each)) for each in cases], class_="names"),
        )


def _left(result: Result) -> Iterator[Markup]:
    if result.left:
        yield element("h2", f"Left on the deployment: {len(result.left)}")
        yield element("ul", [element("li", line) for line in result.left])
        yield element("p", element("code", "contracts clean"), " tries again.")


def _checks(result: Result) -> Iterator[Markup]:
    yield element("h2", "Checks")
    names = ("Check", "API", "Cases", "Requests", "Seconds", "Findings")
    head = [element("th", name, class_="number" if place > 1 else "") for place, name in enumerate(names)]
    rows = []
    for each in result.checks:
        numbers = [f"{each.cases:,}", f"{each.requests:,}", f"{each.seconds:.1f}", f"{each.findings:,}"]
        cells = [
            element("td", element("code", each.check)),
            element("td", each.api),
            *(element("td", text, class_="number") for text in numbers),
        ]
        rows.append(element("tr", cells))
    yield element(
        "div", element("table", element("thead", element("tr", head)), element("tbody", rows)), class_="scroll"
    )
