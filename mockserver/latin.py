"""Text as the built-in fonts of PDF files can show it."""

from __future__ import annotations

import unicodedata
from typing import Any

# What Latin-1, all that the built-in fonts know, cannot show and NFKD does not take apart.
SPELLINGS: dict[int, str] = {
    **dict.fromkeys(range(0x2010, 0x2016), "-"),  # hyphens and dashes
    **dict.fromkeys(range(0x2018, 0x201C), "'"),
    **dict.fromkeys(range(0x201C, 0x2020), '"'),
    0x2212: "-",  # the minus sign
    0x0131: "i",  # without its dot
    **str.maketrans({"€": "EUR", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Œ": "OE", "œ": "oe", "•": "-"}),
}


def latin(text: Any) -> str:
    """Text as the built-in fonts can show it: accents dropped where need be, "?" for what has no Latin spelling."""
    shown = []
    for one in str(text).translate(SPELLINGS):
        if one.isspace() or unicodedata.category(one).startswith("C"):
            shown.append(" ")
        elif ord(one) < 256:
            shown.append(one)
        else:
            parts = [part for part in unicodedata.normalize("NFKD", one) if not unicodedata.combining(part)]
            # A mark on its own belongs to the letter before it.
            shown.append("".join(part if " " <= part <= "ÿ" else "?" for part in parts))
    return " ".join("".join(shown).split())
