"""The Kullback–Leibler divergence of two distributions, by the pair of their classes.

``kl_divergence(p, q)`` = E_p[log p(x) - log q(x)].
The formulas of the pairs are in ``kl_same_family`` and ``kl_across_families``.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Tensor]
_KL_REGISTRY: dict[tuple[type[Any], type[Any]], Formula] = {}
_found: dict[tuple[type[Any], type[Any]], Formula | None] = {}


def register_kl(type_p: type[Any], type_q: type[Any]) -> Callable[[Formula], Formula]:
    """A decorator: the function gives ``kl_divergence(p, q)`` for these classes and their subclasses.

    Of several that match the most specific one is taken, first by ``p``'s class; where ``q``'s class would choose
    another one, a ``RuntimeWarning`` says so.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.distributions import Normal, kl_divergence, register_kl
        >>> class Unit(Normal):
        ...     pass
        >>> @register_kl(Unit, Unit)
        ... def unit_unit(p, q):
        ...     return torch.tensor(0.0)
        >>> kl_divergence(Unit(0.0, 1.0), Unit(5.0, 1.0))
        tensor(0.)
    """

    for name, given in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(given, type):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {given}")

    def decorator(formula: Formula) -> Formula:
        _KL_REGISTRY[type_p, type_q] = formula
        _found.clear()
        return formula

    return decorator


def _formula_for(type_p: type[Any], type_q: type[Any]) -> Formula | None:
    known = (type_p, type_q)
    if known in _found:
        return _found[known]
    order_p, order_q = type_p.__mro__, type_q.__mro__
    matches = [(order_p.index(a), order_q.index(b)) for a, b in _KL_REGISTRY if a in order_p and b in order_q]
    if not matches:
        _found[known] = None
        return None
    by_p = min(matches)
    by_q = min(matches, key=lambda match: (match[1], match[0]))
    formula = _KL_REGISTRY[order_p[by_p[0]], order_q[by_p[1]]]
    if formula is not _KL_REGISTRY[order_p[by_q[0]], order_q[by_q[1]]]:
        import warnings

        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please register_kl("
            f"{order_p[by_p[0]].__name__}, {order_q[by_q[1]].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    _found[known] = formula
    return formula


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """E_p[log p(x) - log q(x)] in nats, of the batch's shape; infinite where ``p`` has values that ``q`` has not.

    Raises ``NotImplementedError`` where no formula is registered for the two classes.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.distributions import Exponential, kl_divergence
        >>> kl_divergence(Exponential(1.0), Exponential(1.0))
        tensor(0.)
    """
    formula = _formula_for(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} and q type {q.__class__.__name__}"
        )
    return formula(p, q)


from . import kl_across_families as kl_across_families, kl_same_family as kl_same_family  # noqa: E402 - they register here
from .kl_same_family import _kl_expfamily_expfamily as _kl_expfamily_expfamily  # noqa: E402 - for those who look for it here
