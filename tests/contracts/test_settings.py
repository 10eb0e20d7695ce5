"""What a run is asked for: contracts.toml, environment and command line together; every mistake is one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts import acceptance, application, config
from contracts.acceptance import Accepted
from contracts.asking import Asked, divided, is_loopback, settle
from contracts.callers import given
from contracts.config import rate, read
from contracts.findings import Finding
from contracts.mistakes import Mistake, near
from contracts.nameable import mistakes
from contracts.selectors import refuse_unknown
from contracts.settings import Mode
from specs.tables import load

HERE = "http://127.0.0.1:8000"
THERE = "https://billing.example.org"
VENDOR = '[[callers]]\nname = "acme"\napi = "billing"\nrole = "vendor"\ntoken = "env:ACME"\n'
ACCEPTED = "[[accepted]]\ncode = 'A102'\nreason = 'x'\nuntil = 2099-01-01\n"
ENVIRON = {"ACME": "t-acme"}


def told(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "contracts.toml"
    path.write_text(text, encoding="utf-8")
    return path


def asked(path: Path | None = None, *, named: bool = False, tokens: tuple[str, ...] = (), **given_: Any) -> Asked:
    return settle(given_, environ=ENVIRON, tokens=[given(each, ENVIRON) for each in tokens], path=path, named=named)


def mistake(*arguments: Any, **more: Any) -> str:
    with pytest.raises(Mistake) as caught:
        asked(*arguments, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The file


def test_everything_that_the_file_can_say(tmp_path: Path) -> None:
    path = told(
        tmp_path,
        f"""
target = "{THERE}"
apis = ["billing"]
mode = "read-only"
rate = "300/m"
budget = 900
timeout = 5
patience = 2.5
seed = 0
only = ["check:access.*"]
skip = "operation:createJournal"
strict = true
shuffle = true
allow_hosts = ["billing.example.org"]
overlays = ["overlay.yaml"]
journal = "kept"
wire = "wire.jsonl"
ca = "ca.pem"
{VENDOR}
[known.billing.acme.own]
Journal = ["BJO-1"]
[known.billing.acme.foreign]
Journal = "BJO-2"
[lend.credits]
Invoice = ["01"]
[values.billing]
authorization = "AUT-1"
[base]
billing = "/gateway/v1/billing/"
[reports]
junit = "report.xml"
[[accepted]]
code = "A102"
reason = "fixed in May"
until = 2026-05-31
""",
    )
    found = read(path, ENVIRON)
    assert found.options["rate"] == 5.0
    assert found.options["overlays"] == (tmp_path / "overlay.yaml",)
    assert found.options["reports"] == {"junit": tmp_path / "report.xml"}
    assert found.options["seed"] == 0
    assert found.known == {"billing": {"acme": {"own": {"Journal": ("BJO-1",)}, "foreign": {"Journal": ("BJO-2",)}}}}
    assert found.lend == {"credits": {"Invoice": ("01",)}}
    assert found.values == {"billing": {"authorization": "AUT-1"}}
    assert found.bases == {"billing": "/gateway/v1/billing"}
    assert found.accepted[0].until == date(2026, 5, 31)
    assert found.callers[0].token == "t-acme"
    assert set(config.OPTIONS) <= {*found.options, "app", "callers_file"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tarket = 'x'", "contracts.toml: tarket: no such key; did you mean target?"),
        ("target = ''", "contracts.toml: target: ''; say an address: \"https://billing.example.org\"."),
        ("mode = 'all'", "contracts.toml: mode: 'all'; say one of read-only, own, full."),
        ("rate = 0", "contracts.toml: rate: 0; say calls a second"),
        ("rate = true", "contracts.toml: rate: True; say calls a second"),
        ("budget = 0", "contracts.toml: budget: 0; say how many calls may be sent: a whole number above 0."),
        ("timeout = 'x'", "contracts.toml: timeout: 'x'; say seconds that a call may take"),
        ("patience = -1", "contracts.toml: patience: -1; say seconds"),
        ("seed = 1.5", "contracts.toml: seed: 1.5; say a whole number"),
        ("strict = 'yes'", "contracts.toml: strict: 'yes'; say true or false."),
        ("apis = [1]", "contracts.toml: apis: [1]; say names or folders"),
        ("known = 1", "contracts.toml: known: 1 is no table; begin it with [known]."),
        (
            "[known.billing.acme]\nowned = {}",
            "contracts.toml: known.billing.acme.owned: no such key; did you mean own?",
        ),
        ("[lend.billing]\nJournal = 7", "contracts.toml: lend.billing.Journal: 7; say a list of ids"),
        ("[lend]\nbilling = 7", "contracts.toml: lend.billing: 7 is no table; begin it with [lend.billing]."),
        ("[base]\nbilling = 'v1'", "contracts.toml: base.billing: 'v1'; say the path that its own begin with"),
        ("[reports]\njunit = 1", "contracts.toml: reports.junit: 1; say a file"),
        ("accepted = 1", "contracts.toml: accepted: no list; begin each entry with [[accepted]]."),
        (
            "[[accepted]]\ncode = 'A102'\nuntil = 2026-01-01",
            "contracts.toml: accepted[0]: no 'reason'; whoever accepts",
        ),
        (
            "[[accepted]]\ncode = 'A999'\nreason = 'x'\nuntil = 2026-01-01",
            "contracts.toml: accepted[0].code: no code 'A999'",
        ),
        (
            "[[accepted]]\ncode = 'A102'\nreason = 'x'\nuntil = '2026-01-01'",
            "contracts.toml: accepted[0].until: '2026-01-01'; say a day, without quotes",
        ),
        ("[[accepted]]\ncod = 'A102'", "contracts.toml: accepted[0].cod: no such key; did you mean code?"),
        ("callers = 7", "contracts.toml: callers: no list of callers"),
        ("[[callers]]\nname = 'a'", "contracts.toml: callers[0]: no 'api'; add it."),
        ("= 1", "contracts.toml: not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_names_file_key_and_mend(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Mistake) as caught:
        read(told(tmp_path, text), {})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[lend.biling]\nJournal = ['x']", "lend.biling: no such API; did you mean billing?"),
        ("[values.biling]\nx = 'y'", "values.biling: no such API; did you mean billing?"),
        ("[base]\nbiling = '/x'", "base.biling: no such API; did you mean billing?"),
        ("[lend.billing]\nJurnal = ['x']", "lend.billing.Jurnal: no such entity; did you mean Journal"),
        ("[known.billing.akme.own]\nJournal = ['x']", "known.billing.akme: no such caller; did you mean acme?"),
        ("[known.billing.acme.own]\nJurnal = ['x']", "known.billing.acme.own.Jurnal: no such entity"),
        (
            "[values.billing]\nauthorisation = 'x'",
            "values.billing.authorisation: no such value; did you mean authorization? there are:",
        ),
        (
            "[values.billing]\nuser = 7",
            'values.billing.user: 7 is not of type "string"; it is somebody who can be given work, "USR-1234-5678".',
        ),
        (
            "[values.billing]\nlines = [{ asset = 'x' }]\nauthorization = 'x'",
            'values.billing.lines.0: "item" is a required property; it is what the vendor may charge for under it',
        ),
        ("[values.billing]\nlines = []", 'values.billing: "authorization" is a required property.'),
        (
            ACCEPTED + "api = 'billing'\noperation = 'acceptJournals'",
            "accepted[0].operation: no such operation; did you mean acceptJournal",
        ),
        (
            VENDOR.replace('"vendor"', '"vendr"').replace("acme", "b"),
            "caller b: billing has no role 'vendr'; did you mean",
        ),
        (VENDOR.replace('"billing"', '"biling"').replace("acme", "b"), "caller b: no API 'biling' here; did you mean"),
    ],
)
def test_names_that_the_apis_do_not_have_are_told(tmp_path: Path, text: str, says: str) -> None:
    assert says in mistake(told(tmp_path, VENDOR + text), target=HERE)


def test_values_of_every_kind_are_read_and_found_right(tmp_path: Path) -> None:
    path = told(tmp_path, "[values.accounts]\ntoday = 2026-03-16\ninvoices.7001 = { 81 = '2026-03-16' }\n")
    assert asked(path, target=HERE, apis=("accounts",), tokens=("holder=t",)).settings.values["accounts"]["invoices"]
    for text, says in {
        "[values.accounts]\ntoday = 'Monday'": 'values.accounts.today: "Monday" is not a "date"; it is the day',
        "[values.credits]\ntolerances = { USD = inf }": "values.credits.tolerances.USD: null is not of type",
        "[values.credits]\ndeclining = { account = 'x' }": '.declining: "instrument" is a required property',
        "[values.credits]\ntenants = 5": 'values.credits.tenants: 5 is not of type "object"',
    }.items():
        assert says in mistake(told(tmp_path, text), target=HERE, apis=("accounts", "credits"))


def test_of_an_api_without_values_the_parameter_of_its_scope_can_be_said(tmp_path: Path) -> None:
    parking = f"{Path(__file__).parents[1]}/apis/parking"
    api = load(parking)
    known = [api.scope.parameter] if api.scope is not None and api.scope.parameter is not None else []
    assert list(mistakes(api, dict.fromkeys(known, "x"))) == []
    assert [each.partition(";")[0] for each in mistakes(api, {"other": 1})] == [".other: no such value"]


def test_an_acceptance_of_an_api_that_is_not_looked_at_is_taken_at_its_word(tmp_path: Path) -> None:
    path = told(tmp_path, VENDOR + ACCEPTED + "operation = 'fetchCredits'")
    assert asked(path, target=HERE).settings.accepted[0].operation == "fetchCredits"


def test_the_tenants_of_an_api_may_be_lent(tmp_path: Path) -> None:
    path = told(tmp_path, '[lend.credits]\nInvoice = ["x"]\nTenant = ["y"]\n')
    assert asked(path, target=HERE, apis=("credits",), tokens=("admin=t",)).settings.lend["credits"]["Tenant"] == ("y",)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in mistake(tmp_path / "none.toml", target=HERE)


def test_the_file_of_the_working_directory_is_read_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(tmp_path, f'target = "{HERE}"\nseed = 5\n{VENDOR}')
    monkeypatch.chdir(tmp_path)
    assert asked().settings.seed == 5


def test_what_is_said_beside_the_file_goes_first(tmp_path: Path) -> None:
    path = told(tmp_path, f'app = "nowhere:app"\nseed = 5\nbudget = 9\n{VENDOR}')
    settings = asked(path, target=HERE + "/", seed=6, tokens=("acme=t-new",)).settings
    assert (settings.target, settings.app, settings.seed, settings.budget) == (HERE, None, 6, 9)
    assert settings.callers[0].token == "t-new"


# Where to


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_this_machine_needs_no_permission(host: str) -> None:
    assert is_loopback(f"http://{host}:8000")


@pytest.mark.parametrize("host", ["localhost.example.org", "127.0.0.1.example.org", "0.0.0.0", "10.0.0.1", "[::]"])
def test_all_else_is_another_machine(host: str) -> None:
    assert not is_loopback(f"http://{host}:8000")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("billing.example.org", "is no address; say https://HOST"),
        ("ftp://x", "is no address"),
        ("http://:80", "is no address"),
        ("http://x:99999", "is no address"),
        ("https://me:secret@billing.example.org", "no name or password in it"),
        ("https://billing.example.org/v1", "say so under [base]"),
        ("https://billing.example.org?a=b", "scheme, host and port alone"),
        ("", "no target; say --target"),
    ],
)
def test_what_is_no_address_is_told(target: str, says: str) -> None:
    found = mistake(target=target, tokens=("vendor=t",))
    assert says in found
    assert "secret" not in found


def test_another_machine_must_be_named_as_one_to_be_called() -> None:
    assert "--allow-host billing.example.org" in mistake(target=THERE, tokens=("vendor=t",))
    assert "not this machine" in mistake(target=THERE, tokens=("vendor=t",), allow_hosts=("example.org",))
    found = asked(target=THERE, tokens=("vendor=t",), allow_hosts=("Billing.Example.org",))
    assert found.settings.target == THERE


@pytest.mark.parametrize("mode", [Mode.OWN, Mode.FULL])
def test_writes_on_another_machine_must_be_asked_for_on_the_command_line(mode: Mode) -> None:
    more: Mapping[str, Any] = {"tokens": ("vendor=t",), "allow_hosts": ("billing.example.org",), "mode": mode}
    assert f"must be said on the command line: --mode {mode}." in mistake(target=THERE, **more)
    assert asked(target=THERE, named=True, **more).settings.mode is mode
    assert asked(target=HERE, **more).settings.mode is mode


def test_a_run_is_read_only_unless_asked() -> None:
    assert asked(target=HERE, tokens=("vendor=t",)).settings.mode is Mode.READ_ONLY


def test_tokens_that_travel_or_lie_open_are_told_of(tmp_path: Path) -> None:
    path = told(tmp_path, VENDOR.replace("env:ACME", "t-1"))
    open_ = "http://billing.example.org"
    notes = asked(path, target=open_, allow_hosts=("billing.example.org",)).notes
    assert [re.sub("^.*/", "", note) for note in notes] == [
        "billing.example.org: without TLS, tokens can be read on the way.",
        "contracts.toml: callers[0].token: the token itself stands in the file; say env:VARIABLE instead.",
    ]
    assert asked(path, target=HERE).notes == ()


# Which APIs, and who


def test_the_apis_are_those_that_somebody_calls() -> None:
    assert asked(target=HERE, tokens=("billing-clerk=t",)).settings.apis == ("credits",)
    assert asked(target=HERE).settings.apis == ("accounts", "billing", "credits")
    assert asked(target=HERE, apis=("all",), tokens=("vendor=t",)).settings.apis == ("accounts", "billing", "credits")
    assert asked(target=HERE, apis=("accounts",)).settings.callers == ()


def test_an_api_of_one_s_own_is_named_by_its_folder() -> None:
    parking = f"{Path(__file__).parents[1]}/apis/parking"
    settings = asked(target=HERE, apis=(parking,)).settings
    assert settings.apis == (parking,)
    assert "two of one name" in mistake(target=HERE, apis=(parking, parking + "/"))


def test_all_stands_alone() -> None:
    assert "name it alone" in mistake(target=HERE, apis=("all", "billing"))


def test_a_caller_without_a_token_is_told_with_the_mend(tmp_path: Path) -> None:
    path = told(tmp_path, VENDOR.replace('token = "env:ACME"\n', ""))
    assert mistake(path, target=HERE) == (
        "no token for acme; say --caller acme=env:VARIABLE, or set CONTRACTS_TOKEN_ACME."
    )


def test_a_variable_for_another_api_is_no_mistake_and_a_misspelt_one_is() -> None:
    said = {"target": HERE, "apis": ("billing",)}
    settled = settle(said, environ={"CONTRACTS_TOKEN_TREASURY": "t", "CONTRACTS_TOKEN_VENDOR": "v"})
    assert [each.name for each in settled.settings.callers] == ["vendor"]
    with pytest.raises(Mistake, match="CONTRACTS_TOKEN_VENDR: no caller and no role"):
        settle(said, environ={"CONTRACTS_TOKEN_VENDR": "t"})


# Selectors


@pytest.mark.parametrize(
    "selector",
    [
        "check:access.*",
        "operation:createJournal",
        "operation:getJournalChargesFile",
        "operation:*Journal*",
        "cell:createJournal/client",
        "cell:*/nobody",
        "source:RM",
        "entity:Journal",
        "code:A101",
        "code:W4*",
    ],
)
def test_selectors_that_name_something(selector: str) -> None:
    refuse_unknown([selector], [load("billing")])


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        ("createJournal", "say KIND:NAME"),
        ("check:", "say KIND:NAME"),
        ("operations:createJournal", "no kind 'operations'; did you mean operation?"),
        ("operation:createJurnal", "did you mean createJournal"),
        ("cell:createJournal", "no cell of that name (CAPABILITY/ROLE); did you mean createJournal/"),
        ("cell:createJournal/vender", "did you mean createJournal/vendor"),
        ("entity:Jurnal", "did you mean Journal"),
        ("code:A1", "no code of that name"),
        ("check:acess.matrix", "did you mean access.matrix"),
        ("source:ZZ", "no source of that name"),
    ],
)
def test_selectors_that_name_nothing_are_told_with_near_ones(selector: str, says: str) -> None:
    assert says in mistake(target=HERE, apis=("billing",), only=(selector,))
    assert says in mistake(target=HERE, apis=("billing",), skip=(selector,))


# Applications


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules named apps_... are imported from."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [each for each in sys.modules if each.startswith("apps_")]:
        del sys.modules[name]


APPS = """
async def app(scope, receive, send): ...
class Made:
    async def __call__(self, scope, receive, send): ...
def make(one=1, *, two=2): return Made()
made = Made()
number = 7
def broken(): raise RuntimeError("no world\\nat all")
def wrong(): return 7
class Space: inner = made
"""


@pytest.mark.parametrize("attribute", ["app", "Made", "make", "made", "Space.inner"])
def test_an_application_or_what_makes_one(modules: Path, attribute: str) -> None:
    (modules / "apps_right.py").write_text(APPS)
    assert callable(application.load(f"apps_right:{attribute}"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("apps_wrong", "say module:attribute"),
        ("apps_wrong:", "say module:attribute"),
        ("apps_none:app", "no module 'apps_none'; install it, or call from its folder."),
        ("apps_wrong:ap", "no 'ap' there; did you mean app?"),
        ("apps_wrong:number", "neither an ASGI application nor a callable"),
        ("apps_wrong:wrong", "neither an ASGI application nor a callable"),
        ("apps_wrong:broken", "making it failed: RuntimeError: no world at all."),
        ("apps_bad:app", "importing apps_bad failed: ZeroDivisionError"),
    ],
)
def test_what_is_no_application_is_told(modules: Path, name: str, says: str) -> None:
    (modules / "apps_wrong.py").write_text(APPS)
    (modules / "apps_bad.py").write_text("1 / 0")
    with pytest.raises(Mistake) as caught:
        application.load(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_our_own_server_brings_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = asked(app="mockserver:create_app").settings
    assert settings.apis == ("accounts", "billing", "credits")
    assert settings.journal is None
    assert settings.lend["credits"]["Invoice"]


def test_a_package_brings_a_file_in_it_or_in_its_fixtures(modules: Path) -> None:
    (modules / "apps_pack" / "fixtures").mkdir(parents=True)
    (modules / "apps_pack" / "__init__.py").write_text("")
    assert application.config("apps_pack:app") is None
    (modules / "apps_pack" / "fixtures" / "contracts.toml").write_text("")
    assert application.config("apps_pack:app") == modules / "apps_pack" / "fixtures" / "contracts.toml"
    assert application.config("apps_nowhere:app") is None


def test_a_target_and_an_app_together_are_refused() -> None:
    assert "keep one of them" in mistake(target=HERE, app="mockserver:create_app")


# Shares


def test_workers_share_rate_and_budget_and_keep_journals_apart() -> None:
    settings = asked(target=HERE, rate=6.0, budget=100, tokens=("vendor=t",)).settings
    share = divided(settings, 3, "gw1")
    assert (share.rate, share.budget, share.journal) == (2.0, 33, Path(".contracts/gw1"))
    assert divided(asked(target=HERE).settings, 3, "gw1").rate is None


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("5", 5),
        ("5/s", 5),
        ("300/m", 5),
        ("7200 / h", 2),
        (0.5, 0.5),
        ("0", None),
        ("x", None),
        ("5/d", None),
        ("nan", None),
        ("inf", None),
        ("-1/s", None),
    ],
)
def test_rates_are_read_as_people_write_them(text: object, calls: float | None) -> None:
    assert rate(text) == calls


# Acceptances

FINDING = Finding("A102", "billing", "createJournal", "createJournal/client", "403", "201", "RM", "access.yaml", "x")
MAY = date(2026, 5, 31)


@pytest.mark.parametrize(
    ("row", "covers"),
    [
        ({}, True),
        ({"api": "billing", "operation": "createJournal", "subject": "*/client"}, True),
        ({"operation": "create*"}, True),
        ({"subject": "*/vendor"}, False),
        ({"api": "credits"}, False),
        ({"code": "A101"}, False),
    ],
)
def test_an_acceptance_covers_what_it_names(row: dict[str, str], covers: bool) -> None:
    accepted = Accepted(**{"code": "A102", **row}, reason="known", until=MAY)
    (finding,) = acceptance.apply([FINDING], [accepted], MAY)
    assert finding.accepted == ("known" if covers else "")


def test_an_acceptance_that_is_over_counts_again_and_is_told() -> None:
    accepted = Accepted("A102", "known", MAY, place="contracts.toml: accepted[0]")
    june = date(2026, 6, 1)
    (finding,) = acceptance.apply([FINDING], [accepted], june)
    assert finding.accepted == ""
    assert acceptance.notes([FINDING], [accepted], june, whole=True) == [
        "contracts.toml: accepted[0]: A102 was accepted until 2026-05-31; 1 finding counts again; "
        "mend it, or say why longer."
    ]
    assert acceptance.notes([FINDING], [accepted], MAY, whole=True) == []


def test_an_acceptance_that_nothing_was_found_for_is_told_by_a_whole_run_alone() -> None:
    accepted = Accepted("A102", "known", MAY, place="contracts.toml: accepted[0]")
    assert acceptance.notes([], [accepted], MAY, whole=True) == [
        "contracts.toml: accepted[0]: A102 was accepted, and not found; take the entry out."
    ]
    assert acceptance.notes([], [accepted], MAY, whole=False) == []


def test_near_names_are_told_and_few_are_listed() -> None:
    assert near("vendr", ["client", "vendor"]) == "did you mean vendor? there are: client, vendor."
    assert near("x", []) == "there are none."
    assert near("zzz", [f"name{each}" for each in range(40)]) == "none of the 40 there are is like it."
