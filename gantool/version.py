"""The version, for any floor to import."""

__version__ = "0.1.0"
