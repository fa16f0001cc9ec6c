"""Utilities: data loading, checkpointing."""

from . import checkpoint as checkpoint, data as data
