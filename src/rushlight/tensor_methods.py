"""The table that binds operations to Tensor as methods and operators.

Each operation module ends with ``METHODS``, the table of what it gives to Tensor; here they are bound, and a name that two
modules give is an error at import.
"""

from __future__ import annotations

from typing import Any, Final

from .autograd import differentiate, fused_operations, grad_mode
from .core.tensor import LEGACY_CONSTRUCTOR, Tensor
from .missing import MISSING_METHODS, MissingNameError
from .ops import (
    activations,
    bounds,
    comparison,
    complex_numbers,
    conversion,
    copies,
    decompositions,
    distances,
    dlpack,
    extrema,
    functions,
    hashing,
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
    python_elementwise,
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
    dlpack,
    memory,
    copies,
    movement,
    pointwise,
    fused_operations,
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
    hashing,
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
    python_elementwise,
)


class _MissingMethod:
    """In the place of a method that PyTorch's tensors have and these have not. (A ``__getattr__`` would make every access to
    a tensor's attributes slower.)"""

    is_missing = True  # for dir()

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, kind: Any) -> Any:
        raise MissingNameError("rushlight.Tensor", self.name, list(vars(Tensor)))


def _bind() -> None:
    bound: dict[str, str] = {}
    for module in TABLES:
        for name, function in module.METHODS.items():
            if name in bound:
                raise AssertionError(f"Tensor.{name} is given by both {bound[name]} and {module.__name__}")
            bound[name] = module.__name__
            setattr(Tensor, name, function)
    for name in MISSING_METHODS:
        if name not in bound:
            setattr(Tensor, name, _MissingMethod(name))
    LEGACY_CONSTRUCTOR.append(conversion.legacy_tensor)


_bind()
