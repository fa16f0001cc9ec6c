"""The table that binds operations to Tensor as methods and operators.

Each operation module ends with ``METHODS``, the table of what it gives to Tensor; here they are bound, and a name that two
modules give is an error at import.
"""

from __future__ import annotations

from typing import Final

from .autograd import differentiate, grad_mode
from .core.tensor import LEGACY_CONSTRUCTOR, Tensor
from .ops import (
    activations,
    bounds,
    comparison,
    complex_numbers,
    conversion,
    copies,
    decompositions,
    distances,
    extrema,
    functions,
    indexing,
    joining,
    linalg,
    linear,
    masking,
    matrix_functions,
    memory,
    movement,
    normal_distribution,
    order_statistics,
    overwriting,
    pointwise,
    powers,
    products,
    random,
    rearranging,
    reductions,
    reflections,
    scans,
    scattering,
    searching,
    shape_in_place,
    short_time_fourier,
    sorting,
    sparse_methods,
    special_functions,
    spectra,
    splitting,
    statistics,
    strided,
    subscript,
    triangular,
    uniqueness,
    updates,
    views,
)

TABLES: Final = (
    overwriting,
    updates,
    differentiate,
    grad_mode,
    random,
    conversion,
    memory,
    copies,
    movement,
    pointwise,
    comparison,
    complex_numbers,
    powers,
    functions,
    bounds,
    normal_distribution,
    special_functions,
    short_time_fourier,
    activations,
    reductions,
    extrema,
    statistics,
    sorting,
    order_statistics,
    uniqueness,
    scans,
    distances,
    linalg,
    linear,
    products,
    decompositions,
    spectra,
    triangular,
    matrix_functions,
    reflections,
    indexing,
    joining,
    splitting,
    masking,
    rearranging,
    scattering,
    searching,
    subscript,
    views,
    shape_in_place,
    strided,
    sparse_methods,
)


def _bind() -> None:
    bound: dict[str, str] = {}
    for module in TABLES:
        for name, function in module.METHODS.items():
            if name in bound:
                raise AssertionError(f"Tensor.{name} is given by both {bound[name]} and {module.__name__}")
            bound[name] = module.__name__
            setattr(Tensor, name, function)
    LEGACY_CONSTRUCTOR.append(conversion.legacy_tensor)


_bind()
