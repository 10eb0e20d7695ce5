"""Names come from Faker as it gives them itself, though not by its own way in."""

from __future__ import annotations

import pytest
from faker import Faker

from mockserver import fakes
from mockserver.making import LOCALES

ASKED = ("name", "first_name", "last_name", "company", "city", "street_address", "postcode")


@pytest.mark.parametrize("locale", [*LOCALES.values(), "en_BD", "ja_JP", "zh_CN", "az_AZ"])
def test_a_locale_says_what_faker_itself_says(locale: str) -> None:
    own, given = Faker(locale, providers=list(fakes.PROVIDERS)), fakes.fake(locale, "7")
    own.seed_instance("7")
    for name in ASKED * 20:
        assert getattr(given, name)() == getattr(own, name)()


def test_a_locale_that_other_providers_alone_know_is_none_the_less_one() -> None:
    assert fakes.fake("it_CH", "7").name()


def test_a_locale_that_there_is_not_is_refused() -> None:
    with pytest.raises(AttributeError, match="zz_ZZ"):
        fakes.fake("zz_ZZ", "7")
