"""The checks of the credits API alone, registered by importing them; what holds anyway before what moves money."""

from contracts.apis.credits import balances, drafts, edits, laws, links, stories, tells, tokens

__all__ = ["balances", "drafts", "edits", "laws", "links", "stories", "tells", "tokens"]
