"""The checks of the accounts API alone, registered by importing them."""

from contracts.apis.accounts import documents, summaries, tokens

__all__ = ["documents", "summaries", "tokens"]
