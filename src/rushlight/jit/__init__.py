"""Compilation: ``compile`` and what goes with it."""
