"""Functions from functions, and modules as functions."""

from __future__ import annotations

from .module_state import functional_call as functional_call, stack_module_state as stack_module_state
