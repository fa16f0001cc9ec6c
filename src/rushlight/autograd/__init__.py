"""Automatic differentiation: see ``engine`` for backward itself."""
