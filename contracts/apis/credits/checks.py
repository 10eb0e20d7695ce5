"""The checks of the credits API alone, registered by importing them."""

from contracts.apis.credits import laws, links, stories, sums

__all__ = ["laws", "links", "stories", "sums"]
