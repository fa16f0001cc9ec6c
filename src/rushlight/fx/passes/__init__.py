"""Passes over graphs."""

from . import shape_prop as shape_prop, split_module as split_module
