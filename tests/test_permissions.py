"""Permissions: what holds one, what suffices, and that more rights never mean less access."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specs.permissions import holds, is_permission, is_right, suffices

# Few words, so that rights and needs meet.
PERMISSIONS = st.builds("{}.{}".format, st.sampled_from("abc"), st.sampled_from(["read", "list", "write"]))
RIGHTS = st.frozensets(PERMISSIONS | st.builds("{}.*".format, st.sampled_from("abc")) | st.just("*.*"), max_size=4)
NEEDS = st.lists(PERMISSIONS, unique=True, max_size=3)
RULES = st.sampled_from(["any", "all"])


@pytest.mark.parametrize(
    ("rights", "permission", "held"),
    [
        (["credits.read"], "credits.read", True),
        (["credits.list"], "credits.read", False),
        (["credits.*"], "credits.read", True),
        (["credits.*"], "shortfall-credits.read", False),
        (["shortfall-credits.*"], "credits.read", False),
        (["*.*"], "credits.read", True),
        (["*.read"], "credits.read", False),
        ([], "credits.read", False),
    ],
)
def test_a_permission_is_held_by_name_or_by_one_of_two_wildcards(
    rights: list[str], permission: str, held: bool
) -> None:
    assert holds(rights, permission) is held


@pytest.mark.parametrize(
    ("rights", "by_any", "by_all"),
    [
        (["credits.read", "credits.list"], True, True),
        (["credits.read"], True, False),
        (["credits.list"], True, False),
        (["credits.*"], True, True),
        (["invoices.*"], False, False),
        ([], False, False),
    ],
)
def test_any_of_two_needs_or_all_of_them(rights: list[str], by_any: bool, by_all: bool) -> None:
    needs = ("credits.read", "credits.list")
    assert (suffices(rights, needs, "any"), suffices(rights, needs, "all")) == (by_any, by_all)


@given(RIGHTS, RIGHTS, NEEDS, RULES)
def test_adding_rights_never_takes_access_away(
    rights: frozenset[str], more: frozenset[str], needs: list[str], rule: str
) -> None:
    assert suffices(rights | more, needs, rule) >= suffices(rights, needs, rule)


@given(RIGHTS, NEEDS)
@example(frozenset(), [])
def test_what_suffices_for_all_suffices_for_any(rights: frozenset[str], needs: list[str]) -> None:
    assert suffices(rights, needs, "any") >= suffices(rights, needs, "all")


@given(RIGHTS, NEEDS)
def test_for_one_need_both_rules_are_the_same(rights: frozenset[str], needs: list[str]) -> None:
    for need in needs:
        assert suffices(rights, [need], "any") == suffices(rights, [need], "all") == holds(rights, need)


@given(RIGHTS, PERMISSIONS)
def test_a_wildcard_holds_what_every_action_of_it_would(rights: frozenset[str], permission: str) -> None:
    resource = permission.partition(".")[0]
    spelled = rights - {f"{resource}.*"} | {f"{resource}.{action}" for action in ("read", "list", "write")}
    assert holds(rights | {f"{resource}.*"}, permission) and holds(spelled, permission)


@given(RULES, RIGHTS)
def test_where_nothing_is_needed_any_rights_suffice(rule: str, rights: frozenset[str]) -> None:
    assert suffices(rights, (), rule)


@given(NEEDS, RULES)
def test_everything_suffices_for_everything(needs: list[str], rule: str) -> None:
    assert suffices(["*.*"], needs, rule)


@given(PERMISSIONS)
def test_a_permission_is_a_right_and_a_wildcard_is_no_permission(permission: str) -> None:
    resource = permission.partition(".")[0]
    assert is_permission(permission) and is_right(permission)
    assert is_right(f"{resource}.*") and not is_permission(f"{resource}.*")


@pytest.mark.parametrize(
    "text",
    ["*.write", "*", "", "credits", "credits.", ".read", "credits.read.all", "credits read", "a.b\n", "credits*.*"],
)
def test_what_has_another_shape_is_no_right(text: str) -> None:
    assert not is_right(text)
    assert not is_permission(text)
