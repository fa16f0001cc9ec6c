"""Utilities: data loading."""

from . import data as data
