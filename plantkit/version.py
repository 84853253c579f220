"""The version of plantkit, which runs and bundles record."""

__version__ = "0.2.0"
