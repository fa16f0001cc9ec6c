"""``vmap``: a function of one example made a function of many.

The tensors that the function sees hold batches (``runtime.batched``) in the place of arrays: they have one example's
shape, and every operation computes for all of them at once (``ops.batching``). History goes through the boundary, so
that ``vmap`` and gradients nest in any order.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from ..core import random_streams
from ..core.device import OF_ARRAYS
from ..core.tensor import Tensor
from ..ops import random as random_operations
from ..ops.batching import ACTIVE, entered, left, levels_of, next_level
from ..ops.joining import cat
from ..runtime.batched import Batched, lined_up, stacked, wrap
from .trees import broadcast_prefix, flatten, unflatten


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """``func``, written for one example, as a function of many at once.

    Args:
        func: takes and returns tensors, alone or in tuples, lists and dicts.
        in_dims: for each argument the dimension that counts the examples; None for one that all share. One number for
            all arguments, or a structure like theirs.
        out_dims: where the examples go in each result; None for a result that is the same for all.
        randomness: what random operations in ``func`` do: ``"error"``, draw ``"same"`` numbers for all examples, or
            ``"different"`` ones.
        chunk_size: run at most that many examples at once, to save memory.

    Inside, a batched tensor has one example's shape. What needs its values in Python (``item()``, ``if x > 0``) raises
    ``RuntimeError``, and so does an operation whose result's shape depends on values (``nonzero``, a mask as an index), or
    one that writes batched values into a tensor that is not batched. ``ValueError`` for arguments and dimensions that do
    not fit.

    Example:
        >>> import rushlight as torch
        >>> dot = torch.vmap(torch.dot)
        >>> dot(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([[1., 1.], [1., 2.]]))
        tensor([ 3., 11.])
    """
    _check_randomness(randomness)
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, tree, size = _prepared(func, in_dims, args)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, dims, tree, kwargs, size, out_dims, randomness)
        return _in_chunks(func, leaves, dims, tree, kwargs, size, out_dims, randomness, chunk_size)

    return _like(wrapped, func)  # type: ignore[no-any-return]


def _like(wrapped: Any, func: Any) -> Any:
    """``wrapped`` with the name and the text of ``func``."""
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        if hasattr(func, attribute):
            setattr(wrapped, attribute, getattr(func, attribute))
    wrapped.__wrapped__ = func
    return wrapped


def _name(func: Any) -> str:
    return func.__name__ if hasattr(func, "__name__") else repr(func)


def _check_randomness(randomness: str) -> None:
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )


def _prepared(func: Any, in_dims: Any, args: tuple[Any, ...]) -> tuple[list[Any], list[int | None], Any, int]:
    name = _name(func)
    called = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, int | tuple):
        raise ValueError(
            f"{called}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs. The latter is unsupported."
        )
    leaves, tree = flatten(args)
    dims = broadcast_prefix(in_dims, tree)
    if dims is None:
        raise ValueError(
            f"{called}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{flatten(in_dims)[1]} but inputs has structure {tree}."
        )
    checked: list[int | None] = []
    sizes: list[int] = []
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                f"{called}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if dim is None:
            checked.append(None)
            continue
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{called}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        ndim = leaf._array.ndim
        if not -ndim <= dim < ndim:
            raise ValueError(
                f"{called}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {ndim} so expected "
                f"in_dim to satisfy -{ndim} <= in_dim < {ndim}."
            )
        checked.append(dim % ndim)
        sizes.append(leaf._array.shape[dim % ndim])
    if not sizes:
        raise ValueError(f"{called}: at least one input must have an in_dim that is not None")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped "
            "dimension"
        )
    return leaves, checked, tree, sizes[0]


def _run(
    func: Any,
    leaves: list[Any],
    dims: list[int | None],
    tree: Any,
    kwargs: dict[str, Any],
    size: int,
    out_dims: Any,
    randomness: str,
) -> Any:
    level = next_level()
    inside = [
        leaf if dim is None else entered(leaf, level, size, dim)
        for leaf, dim in zip(leaves, dims, strict=True)
    ]
    token = ACTIVE.set((*ACTIVE.get(), (level, size)))
    try:
        with _Drawing(level, size, randomness):
            outputs = func(*unflatten(inside, tree), **kwargs)
    finally:
        ACTIVE.reset(token)
    return _collected(func, outputs, level, size, out_dims)


def _collected(func: Any, outputs: Any, level: int, size: int, out_dims: Any) -> Any:
    name = _name(func)
    if not all(dim is None or type(dim) is int for dim in flatten(out_dims)[0]):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
            "representing where in the outputs the vmapped dimension should appear."
        )
    results, structure = flatten(outputs)
    dims = broadcast_prefix(out_dims, structure)
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1 and structure.kind is None:
        dims = [out_dims[0]]
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`. "
            f"out_dims has structure {flatten(out_dims)[1]} but outputs has structure {structure}."
        )
    placed = []
    for result, dim in zip(results, dims, strict=True):
        if dim is None:
            if isinstance(result, Tensor) and level in levels_of(result._array):
                raise ValueError(
                    f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
                )
            placed.append(result)
            continue
        if not isinstance(result, Tensor):
            raise ValueError(
                f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(result)}. Did you mean to set "
                "out_dims= to None for output?"
            )
        ndim = result._array.ndim + 1
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})"
            )
        placed.append(left(result, level, size, dim % ndim))
    return unflatten(placed, structure)


def _in_chunks(
    func: Any,
    leaves: list[Any],
    dims: list[int | None],
    tree: Any,
    kwargs: dict[str, Any],
    size: int,
    out_dims: Any,
    randomness: str,
    chunk_size: int,
) -> Any:
    parts = []
    for start in range(0, size, chunk_size):
        length = min(chunk_size, size - start)
        inside = [
            leaf if dim is None else leaf.narrow(dim, start, length)
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        parts.append(flatten(_run(func, inside, dims, tree, kwargs, length, out_dims, randomness)))
    structure = parts[0][1]
    places = broadcast_prefix(out_dims, structure) or []
    joined = [
        column[0] if dim is None else cat(column, dim)
        for dim, column in zip(places, zip(*[leaves for leaves, _ in parts], strict=True), strict=True)
    ]
    return unflatten(joined, structure)


# --- random numbers ---------------------------------------------------------------------------------------------------


_DRAWING: Final[ContextVar[tuple[_Drawing, ...]]] = ContextVar("drawing", default=())


class _Hook:
    """``ops.random.DRAW`` while any thread is inside of ``vmap``; the others draw as before."""

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._users = 0
        self._before: Any = None

    def install(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = random_operations.DRAW
                random_operations.DRAW = self

    def remove(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                random_operations.DRAW = self._before

    def __call__(self, function: Any, source: Any, args: Any, kwargs: Any) -> Any:
        return self.drawn(len(_DRAWING.get()), function, source, args, kwargs)

    def drawn(self, depth: int, function: Any, source: Any, args: Any, kwargs: Any) -> Any:
        """What the ``depth`` outermost levels of this thread make of drawing."""
        if depth:
            return _DRAWING.get()[depth - 1].draw(depth - 1, function, source, args, kwargs)
        if self._before is not None:
            return self._before(function, source, args, kwargs)
        if source.elsewhere:
            return source.draw(function, *args, **kwargs)
        return function(source, *args, **kwargs)


_HOOK: Final = _Hook()


class _Drawing:
    """A ``with`` block in which drawing does what ``vmap`` was told: ``randomness``, for ``size`` examples of ``level``."""

    def __init__(self, level: int, size: int, randomness: str) -> None:
        self.level = level
        self.size = size
        self.randomness = randomness

    def __enter__(self) -> None:
        _HOOK.install()
        self._token = _DRAWING.set((*_DRAWING.get(), self))

    def __exit__(self, *exc: object) -> None:
        _DRAWING.reset(self._token)
        _HOOK.remove()

    def draw(
        self, outer: int, function: Any, source: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The numbers; those that the ``outer`` levels around this one give are spread over its examples."""

        def drawn(*args: Any) -> Any:
            return _HOOK.drawn(outer, function, source, args, kwargs)

        if function.__name__ == "_seed":
            return drawn(*args)
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
                "randomness flags on vmap or perform the randomness operation out of vmap"
            )
        batched = [type(a) is Batched and a.level == self.level for a in args]
        if self.randomness == "same" and not any(batched):
            return drawn(*args)
        if function.__name__ in _OF_ARRAYS:
            return self._of_arrays(function, drawn, args)
        if not args or not isinstance(args[0], tuple):  # randperm
            rows = [drawn(*args) for _ in range(self.size)]
            return wrap(self.level, stacked(rows, function.__name__))
        shape = (self.size, *args[0])
        return wrap(self.level, drawn(shape, *args[1:]))

    def _of_arrays(self, function: Any, drawn: Any, args: tuple[Any, ...]) -> Any:
        if self.randomness == "same":
            raise RuntimeError(
                "Vmap does not currently support same randomness with a batched tensor input. Please file an issue with "
                "functorch"
            )
        arrays = [a for a in args if type(a) is Batched or _is_plain(a)]
        ndim = max([a.ndim for a in arrays])
        values = [lined_up(a, ndim) if type(a) is Batched and a.level == self.level else a for a in args]
        first = values[0]
        if not (type(args[0]) is Batched and args[0].level == self.level) and _is_plain(first):
            values[0] = np.broadcast_to(first, (self.size, *first.shape))
        if function is random_streams.multinomial and first.ndim > 2:
            flat = first.reshape(-1, first.shape[-1])
            return wrap(self.level, drawn(flat, *values[1:]).reshape(*first.shape[:-1], -1))
        return wrap(self.level, drawn(*values))


def _is_plain(value: Any) -> bool:
    return isinstance(value, np.ndarray) or type(value) in OF_ARRAYS


def randomness_of(level: int) -> str:
    """What random operations do in the vmap of ``level``."""
    return next((drawing.randomness for drawing in _DRAWING.get() if drawing.level == level), "error")


class outside_of:
    """A ``with`` block that runs as if the vmap of ``level``, and those inside of it, had not begun."""

    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> None:
        self._active = ACTIVE.set(tuple([entry for entry in ACTIVE.get() if entry[0] < self.level]))
        self._drawing = _DRAWING.set(
            tuple([drawing for drawing in _DRAWING.get() if drawing.level < self.level])
        )

    def __exit__(self, *exc: object) -> None:
        ACTIVE.reset(self._active)
        _DRAWING.reset(self._drawing)


_OF_ARRAYS: Final = frozenset(
    (
        "normal_from_arrays",
        "bernoulli_from_array",
        "poisson",
        "multinomial",
        "standard_gamma",
        "dirichlet",
        "binomial",
    )
)


def drawing_refused(randomness: str) -> Any:
    """A ``with`` block in which random operations raise, if ``randomness`` is ``"error"``."""
    _check_randomness(randomness)
    return _Drawing(0, 1, "error") if randomness == "error" else nullcontext()
