"""What accounts of a country have: currency, language, and the data centres that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """metros: the letters that codes of its data centres begin with"""

    currency: str
    language: str
    metros: tuple[str, ...]


COUNTRIES: Mapping[str, Country] = {
    "GB": Country("GBP", "English", ("LD", "MA")),
    "IE": Country("EUR", "English", ("DB",)),
    "NL": Country("EUR", "Dutch", ("AM",)),
    "BE": Country("EUR", "Dutch", ("AM",)),
    "DE": Country("EUR", "German", ("FR", "MU", "DU")),
    "AT": Country("EUR", "German", ("FR", "MU")),
    "CH": Country("CHF", "German", ("ZH", "GV")),
    "FR": Country("EUR", "French", ("PA", "BX")),
    "ES": Country("EUR", "Spanish", ("MD", "BA")),
    "PT": Country("EUR", "Portuguese", ("LS",)),
    "IT": Country("EUR", "English", ("ML",)),
    "SE": Country("SEK", "English", ("SK",)),
    "FI": Country("EUR", "English", ("HE",)),
    "PL": Country("PLN", "English", ("WA",)),
    "BR": Country("BRL", "Portuguese", ("SP", "RJ")),
    "US": Country("USD", "English", ("DC", "NY", "SV", "CH")),
    "CA": Country("CAD", "English", ("TR", "MT")),
    "AU": Country("AUD", "English", ("SY", "ME")),
}
ELSEWHERE = COUNTRIES["US"]
