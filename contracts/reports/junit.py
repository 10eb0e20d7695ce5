"""A run as JUnit XML: a suite for each check of an API, a case for each of its cases. Questions do not fail one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from contracts.findings import CheckResult, Finding, Result, Unchecked
from contracts.reports import telling
from contracts.reports.coverage import coverage

# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Key = tuple[str, str]


def write(result: Result) -> str:
    """The XML text."""
    suites = [_Suite(key, result) for key in _keys(result)]
    root = Element(
        "testsuites",
        name=f"contracts {result.target}",
        tests=str(sum(each.tests for each in suites)),
        failures=str(sum(each.failures for each in suites)),
        errors=str(sum(each.errors for each in suites)),
        time=f"{result.seconds:.3f}",
    )
    root.extend([each.element for each in suites])
    if suites:
        _properties(suites[0].element, result)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _keys(result: Result) -> list[Key]:
    """API and check of every suite: those that ran, in their order, and those that only say something."""
    ran = [(each.api, each.check) for each in result.checks]
    said = [(each.api, each.check) for each in result.findings]
    said += [(each.api, each.check) for each in result.unchecked]
    return list(dict.fromkeys([*ran, *sorted(said)]))


class _Suite:
    """The suite of one check of one API."""

    def __init__(self, key: Key, result: Result) -> None:
        self.result = result
        api, check = key
        ran = [each for each in result.checks if (each.api, each.check) == key]
        self.element = Element("testsuite", name=f"{api}.{check}")
        for case, findings, unchecked in _cases(key, ran, result):
            self._case(f"{api}.{check}", case, findings, unchecked)
        self.tests = len(self.element.findall("testcase"))
        self.failures = len(self.element.findall("testcase/failure"))
        self.errors = len(self.element.findall("testcase/error"))
        self.element.attrib |= {
            "tests": str(self.tests),
            "failures": str(self.failures),
            "errors": str(self.errors),
            "skipped": str(len(self.element.findall("testcase/skipped"))),
            "time": f"{sum(each.seconds for each in ran):.3f}",
        }

    def _case(self, home: str, case: str, findings: Sequence[Finding], unchecked: Sequence[Unchecked]) -> None:
        element = SubElement(self.element, "testcase", name=_text(case), classname=home)
        failing = [each for each in findings if each in self.result.failing]
        if failing:
            first = failing[0]
            message = f"{first.code} {telling.about(first)}: expected {first.expected}, got {first.came}"
            more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
            failure = SubElement(element, "failure", type=first.code, message=_text(telling.plain(message) + more))
            failure.text = _text("\n\n".join(_told(each, self.result) for each in failing))
        elif fatal := [each for each in unchecked if each.fatal]:
            SubElement(element, "error", type="unchecked", message=_text(telling.plain(fatal[0].reason)))
        elif unchecked:
            SubElement(element, "skipped", message=_text(telling.plain(unchecked[0].reason)))
        if others := [each for each in findings if each not in failing]:
            SubElement(element, "system-out").text = _text(
                "\n\n".join(
                    f"{'accepted: ' + each.accepted if each.accepted else 'question'}\n{_told(each, self.result)}"
                    for each in others
                )
            )


def _cases(
    key: Key, ran: Sequence[CheckResult], result: Result
) -> Iterator[tuple[str, list[Finding], list[Unchecked]]]:
    """Name, findings and reasons of each case; what belongs to no case that ran is a case of its own."""
    findings = [each for each in result.findings if (each.api, each.check) == key]
    unchecked = [each for each in result.unchecked if (each.api, each.check) == key]
    names = list(dict.fromkeys(name for each in ran for name in each.names))
    names += sorted({each.case for each in unchecked} - set(names))
    for name in names:
        mine = [each for each in findings if each.case == name and ran]
        yield name or "all", mine, [each for each in unchecked if each.case == name]
    stray = [each for each in findings if each.case not in names or not ran]
    told = Counter[str]()
    for each in stray:
        name = f"{each.code} {telling.about(each)}"
        told[name] += 1
        yield name if told[name] == 1 else f"{name} ({told[name]})", [each], []


def _told(finding: Finding, result: Result) -> str:
    """A finding as the text of a failure."""
    rows = [
        f"{finding.code} {telling.plain(telling.about(finding))}: {telling.code(finding).title}",
        f"expected {telling.plain(finding.expected)} ({telling.source(finding)})",
        f"got      {telling.plain(finding.came)}",
        *(f"step {number}   {telling.plain(telling.step(each))}" for number, each in enumerate(finding.steps, 1)),
    ]
    again = telling.last(finding, result)
    return "\n".join([*rows, f"again    {again}"] if again else rows)


def _properties(suite: Element, result: Result) -> None:
    """What holds for the whole run; the form has a place for it in suites only, so it is in the first."""
    found = Element("properties")
    said = {"target": result.target, "mode": result.mode, "seed": result.seed, "verdict": telling.verdict(result)}
    said["again"] = telling.again(result)
    for one in coverage(result):
        said |= {f"coverage {one.api} {part.title}": f"{part.done} of {part.whole}" for part in one.parts}
    for name, value in said.items():
        SubElement(found, "property", name=name, value=_text(str(value)))
    suite.insert(0, found)


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
