"""Results with named parts: ``torch.return_types.max(values=…, indices=…)`` and its kind.

Each type is a tuple whose parts have names too. The classes are made when they are first asked for: a program uses few
of them, and ``import rushlight`` should cost nothing for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, Final


class NamedResult(tuple[Any, ...]):
    """A tuple of results whose parts can be read by name; made from a sequence of exactly as many parts.

    Example:
        >>> import rushlight as torch
        >>> found = torch.max(torch.tensor([[1, 3], [5, 2]]), dim=1)
        >>> found.values
        tensor([3, 5])
        >>> values, indices = found
        >>> indices
        tensor([1, 0])
    """

    __slots__ = ()
    n_fields = n_sequence_fields = 0
    n_unnamed_fields = 0

    def __new__(cls, parts: Any) -> NamedResult:
        made = tuple.__new__(cls, parts)
        if len(made) != cls.n_fields:
            raise TypeError(
                f"torch.return_types.{cls.__name__}() takes a {cls.n_fields}-sequence ({len(made)}-sequence given)"
            )
        return made

    def __repr__(self) -> str:
        fields: tuple[str, ...] = self.__match_args__  # type: ignore[attr-defined]
        parts = ",\n".join([f"{name}={part!r}" for name, part in zip(fields, self, strict=True)])
        return f"torch.return_types.{self.__class__.__name__}(\n{parts})"

    def __reduce__(self) -> tuple[Any, tuple[tuple[Any, ...]]]:
        return (self.__class__, (tuple(self),))


FIELDS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk"),
        ("values", "indices"),
    ),
    "aminmax": ("min", "max"),
    "frexp": ("mantissa", "exponent"),
    "geqrf": ("a", "tau"),
    "histogram": ("hist", "bin_edges"),
    "histogramdd": ("hist", "bin_edges"),
    "linalg_cholesky_ex": ("L", "info"),
    "linalg_eig": ("eigenvalues", "eigenvectors"),
    "linalg_eigh": ("eigenvalues", "eigenvectors"),
    "linalg_inv_ex": ("inverse", "info"),
    "linalg_ldl_factor": ("LD", "pivots"),
    "linalg_ldl_factor_ex": ("LD", "pivots", "info"),
    "linalg_lstsq": ("solution", "residuals", "rank", "singular_values"),
    "linalg_lu": ("P", "L", "U"),
    "linalg_lu_factor": ("LU", "pivots"),
    "linalg_lu_factor_ex": ("LU", "pivots", "info"),
    "linalg_qr": ("Q", "R"),
    "linalg_slogdet": ("sign", "logabsdet"),
    "linalg_solve_ex": ("result", "info"),
    "linalg_svd": ("U", "S", "Vh"),
    "lu_unpack": ("P", "L", "U"),
    "qr": ("Q", "R"),
    "slogdet": ("sign", "logabsdet"),
    "svd": ("U", "S", "V"),
    "triangular_solve": ("solution", "cloned_coefficient"),
}


def return_type(name: str) -> type[NamedResult]:
    """The type of the results of the function ``name``; ``AttributeError`` if it returns no such tuple."""
    made = globals().get(name)
    if made is None:
        fields = FIELDS.get(name)
        if fields is None:
            raise AttributeError(f"torch.return_types has no type {name!r}; there are {', '.join(FIELDS)}")
        made = type(
            name,
            (NamedResult,),
            {
                "__slots__": (),
                "__module__": __name__,
                "__doc__": f"What ``{name}`` returns: ``({', '.join(fields)})``.",
                "__match_args__": fields,
                "n_fields": len(fields),
                "n_sequence_fields": len(fields),
                **{field: property(itemgetter(i), doc=f"Part {i}.") for i, field in enumerate(fields)},
            },
        )
        globals()[name] = made
    return made


def maker(name: str) -> Callable[[tuple[Any, ...]], Any]:
    """What makes a result of ``name`` from a tuple of the right length, without checking it (for the operations)."""
    return partial(tuple.__new__, return_type(name))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return return_type(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *FIELDS})
