"""The checks of the credits API alone, registered by importing them."""

from contracts.apis.credits import drafts, laws, links, stories, sums, tokens

__all__ = ["drafts", "laws", "links", "stories", "sums", "tokens"]
