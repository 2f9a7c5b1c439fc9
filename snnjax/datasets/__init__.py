"""Data to train on."""

from snnjax.datasets.digits import Split, digits

__all__ = ["Split", "digits"]
