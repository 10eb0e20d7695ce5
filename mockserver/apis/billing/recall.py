"""What was worked out lately, kept because a file of charges says the same few things over and over."""

from __future__ import annotations

from typing import TypeVar

MOST = 4_096
"""Entries of one recall: a file may as well say something new in each of its lines."""
K = TypeVar("K")
V = TypeVar("V")


class Recall(dict[K, V]):
    """Results by what they follow from alone; all are forgotten when there are too many."""

    def keep(self, key: K, value: V) -> V:
        """Keep a result, and give it back."""
        if len(self) >= MOST:
            self.clear()
        self[key] = value
        return value
