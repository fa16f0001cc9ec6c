"""Functions from functions, and modules as functions."""

from __future__ import annotations

from ..missing import lazily as _lazily
from . import custom_functions as _custom_functions  # noqa: F401 - says what vmap makes of Functions
from .batch_norm import replace_all_batch_norm_modules_ as replace_all_batch_norm_modules_
from .differential import (
    debug_unwrap as debug_unwrap,
    functionalize as functionalize,
    grad as grad,
    grad_and_value as grad_and_value,
    hessian as hessian,
    jacfwd as jacfwd,
    jacrev as jacrev,
    jvp as jvp,
    linearize as linearize,
    vjp as vjp,
)
from .module_state import functional_call as functional_call, stack_module_state as stack_module_state
from .rearranging import rearrange as rearrange
from .vectorize import vmap as vmap

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
