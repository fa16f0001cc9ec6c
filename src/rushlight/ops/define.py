"""What a primitive operation is: one record that says everything about it.

A record names the operation, computes it on NumPy arrays (``impl``: the reference, and what eager mode runs), says how
operands' dtypes combine (``rule``), what backward needs (``saves``, ``saves_output``) and how it differentiates
(``vjp``, written in the public operations on tensors, so that it can be differentiated and recorded again), and gives
sample and error inputs from which the tests are generated. Everything else (functions, methods, in-place forms,
``out=``) is derived from the record in ``dispatch``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

from ..core.history import NamedByNode, grad_name_of
from ..runtime.large import LARGE_FROM, NEVER


class Rule(Enum):
    """How the operands' dtypes become the dtype that the operation computes in."""

    KEEP = "operands are taken as they are"
    PROMOTE = "operands are brought to their common dtype"
    PROMOTE_FLOAT = "as PROMOTE; integers and bools become the default float dtype"


class Primitive:
    """One operation. See the module's description for the fields.

    ``saves`` lists the inputs that backward needs as ``(input, for_edges)``: input number ``input`` is kept if any of the
    inputs ``for_edges`` needs a gradient. ``vjp(gradient, node)`` returns one gradient for each tensor input (None where
    there is none); ``node.unpack()`` gives what was saved, ``node.attrs`` the parameters. Gradients may have the
    broadcast shape and the computed dtype: the engine sums and casts them to the input's.
    ``refuses``: the kinds of dtypes (NumPy's letters) that the operation does not take, of its first operand once promoted.
    ``check`` is called with the operands first on the general path, to raise for those that it does not take.
    For an operation with several results, ``gradient`` is a tuple with None for the results that nothing used, and
    ``saves_output`` may list the numbers of those to keep: ``node.unpack()`` gives them, without their histories, last.
    ``differentiable`` says how many of them, from the first on, gradients flow to (None: all of inexact dtypes).
    """

    __slots__ = (
        "check", "differentiable", "errors", "function", "grad_name", "impl", "inplace", "large", "method", "name", "refuses",
        "rule", "samples", "saves", "saves_output", "value_dependent", "vjp",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        vjp: Callable[..., Any] | None = None,
        *,
        rule: Rule = Rule.KEEP,
        saves: tuple[tuple[int, tuple[int, ...]], ...] = (),
        saves_output: bool | tuple[int, ...] = False,
        samples: Callable[[], Iterable[tuple[Any, ...]]] | None = None,
        errors: Callable[[], Iterable[tuple[type[Exception], tuple[Any, ...]]]] | None = None,
        value_dependent: bool = False,
        grad_name: str | Callable[[Any], str] | NamedByNode | None = None,
        refuses: str = "",
        check: Callable[..., None] | None = None,
        differentiable: int | None = None,
    ) -> None:
        if name in PRIMITIVES:
            raise AssertionError(f"primitive {name!r} is defined twice")
        self.name: Final = name
        self.impl: Final = impl
        self.vjp = vjp
        self.rule: Final = rule
        self.saves: Final = saves
        self.saves_output: Final = saves_output
        self.samples = samples
        self.errors = errors
        self.value_dependent: Final = value_dependent
        self.grad_name: Final = grad_name or grad_name_of(name)
        self.refuses: Final = refuses
        self.check: Final = check
        self.differentiable: Final = differentiable
        self.large: Final = LARGE_FROM.get(
            name, NEVER
        )  # elements: from here on eager mode asks for a compiled kernel
        self.function: Any = None
        self.method: Any = None
        self.inplace: Any = None
        PRIMITIVES[name] = self

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


PRIMITIVES: Final[dict[str, Primitive]] = {}
