"""The checks that only billing has; each module registers its own."""

from contracts.apis.billing import arithmetic, driven, effects, files, tenancy

__all__ = ["arithmetic", "driven", "effects", "files", "tenancy"]
