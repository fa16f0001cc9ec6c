"""``gather``, ``scatter`` and their relatives: an index of the operand's rank that names a place along one dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arguments import check_flag
from ..core.dtypes import FLOATS, I64
from ..core.history import Node, known_as
from ..core.shapes import broadcast_shape, wrap_dim
from ..core.tensor import Tensor, make_tensor, storage_of
from ..runtime.batched import Batched, bottom, whole
from ..runtime.large import run_large
from ..runtime.pending import Pending
from .accumulation import positions_along, update_at
from .comparison import eq, logical_and, where
from .define import Primitive
from .dispatch import apply, arrays_of, is_number, run, type_name, write_out
from .index_tensors import INDEX_TYPES, check_range, recorded, write_in_place
from .inplace import overwrite
from .linalg import write_exact
from .memory_overlap import check_apart
from .movement import SLICE_BACKWARD, cast, expand, reshape
from .numpy_names import numpy_names
from .overwriting import element_array
from .placement import tensor_beside

# --- checks -----------------------------------------------------------------------------------------------------------


def _checked(self: Tensor, dim: int, index: Any, src: Tensor | None, name: str) -> int:
    """``dim`` counted from the front, once ``index`` and ``src`` are known to fit; ``RuntimeError`` where they do not."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    shape, at = self._array.shape or (1,), index._array.shape or (1,)
    dim = wrap_dim(dim, len(self._array.shape))
    if index._array.dtype is not I64 and index._array.dtype not in INDEX_TYPES and index._array.size:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if src is not None and src._array.dtype != self._array.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not index._array.size:
        return dim
    if at != shape:
        other = "self" if name != "gather" else "input"
        if len(shape) != len(at):
            raise RuntimeError(f"Index tensor must have the same number of dimensions as {other} tensor")
        for i, extent in enumerate(at):
            if extent > shape[i] and i != dim:
                raise RuntimeError(
                    f"{name}: Expected index {list(at)} to be no larger than {other} {list(shape)} apart from dimension {dim}"
                )
    if src is not None and src._array.shape != at:
        given = src._array.shape or (1,)
        if len(given) != len(at):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
        if any([have > limit for have, limit in zip(at, given, strict=True)]):
            raise RuntimeError(
                f"{name}: Expected index {list(at)} to be no larger than self {list(shape)} apart from dimension {dim} and to "
                f"be no larger size than src {list(given)}"
            )
    check_range(
        index,
        shape[dim],
        RuntimeError,
        f"index {{bad}} is out of bounds for dimension {dim} with size {shape[dim]}",
    )
    return dim


def _places(shape: tuple[int, ...], dim: int, index: Any) -> Any:
    if index.ndim:
        return positions_along(shape, dim, index)
    return positions_along(shape or (1,), dim, index.reshape(1)).reshape(())


def _corner(values: Any, shape: tuple[int, ...]) -> Any:
    """The part of ``values`` that an index of ``shape`` reaches."""
    if not values.ndim or values.shape == shape:
        return values.reshape(shape) if values.size == 1 and values.shape != shape else values
    return values[tuple([slice(0, extent) for extent in shape])]


# --- gather -----------------------------------------------------------------------------------------------------------


def _gather_impl(x: Any, index: Any, dim: int) -> Any:
    if not index.size:
        return np.empty(index.shape, x.dtype)
    return x.reshape(-1).take(_places(x.shape, dim, index))


def _gather_vjp(g: Tensor, node: Node) -> Any:
    (index,) = node.unpack()
    edge = node.edges[0]
    assert edge is not None
    return (_scattered(None, g, index, node.attrs["dim"], True, edge.shape), None)


GATHER = Primitive("gather", _gather_impl, _gather_vjp)
_LARGE = 4096  # numbers of an index from which on the kernel is faster, the reading of the index included


def gathered(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """``gather`` with an index that is known to fit."""
    attrs = {"dim": dim}
    if type(x._array) is np.ndarray is type(index._array) and index._array.size < _LARGE:
        taken = np.asarray(_gather_impl(x._array, index._array, dim))
        if x._node is None:
            return make_tensor(taken)
        return recorded(GATHER, (x, index), attrs, taken, (index,))
    arrays = arrays_of((x, index))
    if (
        index._array.size >= _LARGE
        and type(arrays[0]) is np.ndarray is type(arrays[1])
        and arrays[0].dtype in FLOATS
    ):
        taken = run_large(GATHER, arrays, attrs)
    else:
        taken = run(GATHER, arrays, attrs)
    return recorded(GATHER, (x, index), attrs, taken, (index,))


@numpy_names
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """The elements of ``input`` that ``index`` (int32 or int64, of the same rank) names along ``dim``.

    For three dimensions and ``dim=1``: ``out[i, j, k] = input[i, index[i, j, k], k]``. The result has ``index``'s shape.
    With ``sparse_grad`` backward gives ``input`` a sparse gradient.
    Raises ``RuntimeError`` for an index out of range and for shapes that do not fit.

    Example:
        >>> import rushlight as torch
        >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    result = gathered(input, index, _checked(input, dim, index, None, "gather"))
    if sparse_grad and result._node is not None and input._array.ndim:
        from .sparse_records import gathered_with_sparse_gradient  # only who has sparse gradients needs it

        result = gathered_with_sparse_gradient(result, input, index, dim % input._array.ndim)
    if isinstance(out, Tensor) and out._array.dtype != result._array.dtype:
        raise RuntimeError(f"Expected out tensor to have dtype {result.dtype}, but got {out.dtype} instead")
    if out is not None:
        check_apart(out, result._array.shape, input._array, index._array)
        return write_out(out, result, "gather")
    return result


@numpy_names
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``gather`` with broadcasting between ``input`` and ``indices`` (int64); without ``dim``, of the flattened input.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([[3, 1], [2, 4]])
        >>> torch.take_along_dim(x, torch.tensor([[1], [0]]), 1)
        tensor([[1],
                [2]])
    """
    if indices._array.dtype != I64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {type_name(indices._array.dtype)}"
        )
    if dim is None:
        result = gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    else:
        shape, at = input._array.shape, indices._array.shape
        if len(shape) != len(at):
            raise RuntimeError(
                "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
                f"{len(shape)} dimensions for input, and {len(at)} dimensions for indices"
            )
        dim = wrap_dim(dim, len(shape))
        if shape:
            common = broadcast_shape((*shape[:dim], 1, *shape[dim + 1 :]), (*at[:dim], 1, *at[dim + 1 :]))
            input = expand(input, (*common[:dim], shape[dim], *common[dim + 1 :]))
            indices = expand(indices, (*common[:dim], at[dim], *common[dim + 1 :]))
        extent = shape[dim] if shape else 1
        if indices._array.size and int(whole(indices._array).min()) < 0:
            # PyTorch counts negative numbers from the end here, though not in gather and not without `dim`.
            indices = where(indices < 0, indices + extent, indices)
        result = gather(input, dim, indices)
    return result if out is None else write_out(out, result, "take_along_dim")


# --- scatter ----------------------------------------------------------------------------------------------------------


def _scatter_write(target: Any, src: Any, index: Any, dim: int, accumulate: bool, shape: Any = None) -> None:
    if not index.size:
        return
    whole = target if target.flags.c_contiguous else np.ascontiguousarray(target)
    places = _places(whole.shape, dim, index)
    values = _corner(src, index.shape) if src.ndim else src
    if accumulate:
        update_at(whole, places, values)
    else:
        whole.reshape(-1)[places] = values
    if whole is not target:
        target[...] = whole


def _scatter_impl(x: Any, src: Any, index: Any, dim: int, accumulate: bool, shape: Any = None) -> Any:
    result = np.zeros(shape, src.dtype) if x is None else np.array(x, order="C", copy=True)
    _scatter_write(result, src, index, dim, accumulate)
    return result


def _scatter_vjp(g: Tensor, node: Node) -> Any:
    (index,) = node.unpack()
    old, src, _ = node.edges
    dim, accumulate = node.attrs["dim"], node.attrs["accumulate"]
    kept = taken = None
    if old is not None:
        kept = (
            g
            if accumulate
            else _scattered(g, tensor_beside(g, np.zeros((), g._array.dtype)), index, dim, False)
        )
    if src is not None and not index._array.size:
        taken = tensor_beside(g, np.zeros(src.shape, g._array.dtype))
    elif src is not None:
        taken = gathered(g, index, dim)
        if src.shape != taken._array.shape:
            # Only a corner of the source was read.
            corner = tuple([slice(0, extent) for extent in taken._array.shape])
            taken = apply(SLICE_BACKWARD, (taken,), {"shape": src.shape, "index": corner})
    return (kept, taken, None)


SCATTER = Primitive("scatter", _scatter_impl, _scatter_vjp)


def _scattered(
    x: Tensor | None, src: Tensor, index: Tensor, dim: int, accumulate: bool, shape: Any = None
) -> Tensor:
    attrs = {"dim": dim, "accumulate": accumulate, "shape": shape}
    result = run(SCATTER, arrays_of((x, src, index)), attrs)
    return recorded(SCATTER, (x, src, index), attrs, result, (index,))


def _source(self: Tensor, src: Any, name: str) -> tuple[Tensor, Tensor | None]:
    """The values to write as a tensor, and the same as far as its shape must be checked."""
    if isinstance(src, Tensor):
        return src, src
    if not is_number(src):
        raise TypeError(f"{name}(): argument 'src' must be Tensor or number, not {type(src).__name__}")
    return make_tensor(element_array(src, self._array.dtype)), None


_OLD_REDUCTIONS = {"add": "sum", "multiply": "prod"}


def _old_reduction(reduce: str, src: Any) -> str:
    if reduce not in _OLD_REDUCTIONS:
        raise RuntimeError("reduce argument must be either add or multiply.")
    if isinstance(src, Tensor):
        import warnings

        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch "
            "release. Use torch.scatter_reduce instead for more reduction options.",
            UserWarning,
            stacklevel=4,
        )
    return _OLD_REDUCTIONS[reduce]


@numpy_names
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of ``input`` with ``src`` (a tensor or a number) written at the places that ``index`` names along ``dim``.

    For two dimensions and ``dim=0``: ``out[index[i, j], j] = src[i, j]``. ``reduce`` may be ``"add"`` or ``"multiply"``.
    Where ``index`` names a place twice, the last value stays.

    Example:
        >>> import rushlight as torch
        >>> torch.scatter(torch.zeros(2, 3), 1, torch.tensor([[0], [2]]), 1.0)
        tensor([[1., 0., 0.],
                [0., 0., 1.]])
    """
    source, shaped = _source(input, src if value is None else value, "scatter")
    if reduce is not None:
        kind = _old_reduction(reduce, shaped)
        values = source if shaped is not None else expand(source, index._array.shape)
        result = scatter_reduce(input, dim, index, values, kind)
    else:
        result = _scattered(input, source, index, _checked(input, dim, index, shaped, "scatter"), False)
    return result if out is None else write_out(out, result, "scatter")


@numpy_names
def scatter_(
    self: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """In-place form of ``scatter``."""
    source, shaped = _source(self, src if value is None else value, "scatter")
    if reduce is not None:
        kind = _old_reduction(reduce, shaped)
        values = source if shaped is not None else expand(source, index._array.shape)
        return overwrite(self, scatter_reduce, (dim, index, values, kind), {}, "scatter_")
    attrs = {"dim": _checked(self, dim, index, shaped, "scatter"), "accumulate": False}
    return write_in_place(self, SCATTER, (source, index), attrs, (index,), _scatter_write, "scatter_")


@numpy_names
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As ``scatter``, but the values are added, each of them where ``index`` names a place several times.

    Example:
        >>> import rushlight as torch
        >>> torch.scatter_add(torch.zeros(3), 0, torch.tensor([0, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
        tensor([3., 0., 3.])
    """
    _require_tensor(src, "scatter_add")
    result = _scattered(input, src, index, _checked(input, dim, index, src, "scatter"), True)
    return known_as(result, "ScatterAddBackward0") if out is None else write_out(out, result, "scatter_add")


@numpy_names
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """In-place form of ``scatter_add``."""
    _require_tensor(src, "scatter_add_")
    attrs = {"dim": _checked(self, dim, index, src, "scatter"), "accumulate": True}
    return write_in_place(self, SCATTER, (src, index), attrs, (index,), _scatter_write, "scatter_add_")


def _require_tensor(src: Any, name: str) -> None:
    if not isinstance(src, Tensor):
        raise TypeError(f"{name}(): argument 'src' must be Tensor, not {type(src).__name__}")


# --- scatter_reduce ---------------------------------------------------------------------------------------------------

_UFUNCS: dict[str, Any] = {
    "sum": np.add,
    "mean": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
}


def _identity(reduce: str, dtype: Any) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min if reduce == "amax" else limits.max
    if dtype.kind == "b":
        return reduce == "amin"
    return -np.inf if reduce == "amax" else np.inf


def _reduce_impl(x: Any, src: Any, index: Any, dim: int, reduce: str, include_self: bool) -> Any:
    result = np.array(x, order="C", copy=True)
    if not index.size:
        return result
    places = _places(result.shape, dim, index)
    flat = result.reshape(-1)
    if not include_self:
        flat[places] = _identity(reduce, x.dtype)
    update_at(result, places, _corner(src, index.shape), _UFUNCS[reduce])
    if reduce == "mean":
        counts = np.bincount(places.reshape(-1), minlength=flat.size)
        if include_self:
            counts = counts + 1
        counts = np.maximum(counts, 1).reshape(result.shape)
        if x.dtype.kind in "iub":
            return np.floor_divide(result, counts).astype(x.dtype)
        return (result / counts.astype(x.dtype)).astype(x.dtype)
    return result


def _reduce_vjp(g: Tensor, node: Node) -> Any:
    at = _Sample(node)
    old, source, _ = node.edges
    gx: Tensor | None
    gs: Tensor | None
    gx, gs = _REDUCE_GRADIENTS[node.attrs["reduce"]](g, at)
    if old is None:
        gx = None
    elif not at.include_self:
        gx = _scattered(gx, tensor_beside(g, np.zeros((), g._array.dtype)), at.index, at.dim, False)
    if source is None:
        gs = None
    elif source.shape != gs._array.shape:
        corner = tuple([slice(0, extent) for extent in gs._array.shape])
        gs = apply(SLICE_BACKWARD, (gs,), {"shape": source.shape, "index": corner})
    return (gx, gs, None)


class _Sample:
    """What the gradients of ``scatter_reduce`` are computed from; ``src`` is as far as the index reaches."""

    __slots__ = ("dim", "include_self", "index", "result", "src", "x")

    def __init__(self, node: Node) -> None:
        self.x, src, self.index, self.result = node.unpack()
        self.dim, self.include_self = node.attrs["dim"], node.attrs["include_self"]
        shape = self.index._array.shape
        self.src = src if src._array.shape == shape else src[tuple([slice(0, extent) for extent in shape])]

    def gathered(self, values: Tensor) -> Tensor:
        return gathered(values, self.index, self.dim)

    def times_reached(self, weights: Tensor, own: Tensor) -> Tensor:
        """``own`` plus all weights that reach each place, but at least one (where nothing does, it is not needed)."""
        if not self.include_self:
            zero = tensor_beside(own, np.zeros((), own._array.dtype))
            own = _scattered(own, zero, self.index, self.dim, False)
        total = _scattered(own, weights, self.index, self.dim, True)
        return where(eq(total, 0), 1, total)  # type: ignore[no-any-return]


def _ones(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return tensor_beside(like, np.ones(shape, like._array.dtype))


def _sum_gradients(g: Tensor, at: _Sample) -> tuple[Tensor, Tensor]:
    return g, at.gathered(g)


def _mean_gradients(g: Tensor, at: _Sample) -> tuple[Tensor, Tensor]:
    shared = g / at.times_reached(_ones(at.index._array.shape, g), _ones(g._array.shape, g))
    return shared, at.gathered(shared)


def _extreme_gradients(g: Tensor, at: _Sample) -> tuple[Tensor, Tensor]:
    # Ties share the gradient evenly.
    dtype = g._array.dtype
    source_wins = cast(eq(at.src, at.gathered(at.result)), dtype)
    self_wins = cast(eq(at.x, at.result), dtype)
    shared = g / at.times_reached(source_wins, self_wins)
    return shared * self_wins, at.gathered(shared) * source_wins


def _product_gradients(g: Tensor, at: _Sample) -> tuple[Tensor, Tensor]:
    def product(values: Tensor, source: Tensor) -> Tensor:
        return scatter_reduce(values, at.dim, at.index, source, "prod", include_self=at.include_self)

    x_filled = where(eq(at.x, 0), 1, at.x)
    gx = g * product(x_filled, at.src) / x_filled
    zero = eq(at.src, 0)
    zeros = at.gathered(
        _scattered(
            tensor_beside(at.x, np.zeros(at.x._array.shape, np.int64)),
            cast(zero, I64),
            at.index,
            at.dim,
            True,
        )
    )
    single = logical_and(zero, eq(zeros, 1))
    # Where exactly one factor is zero its gradient is the product of the others; elsewhere result / factor.
    from_others = at.gathered(g * product(at.x, where(single, 1, at.src)))
    from_result = at.gathered(g * at.result) / where(zero, 1, at.src)
    return gx, where(single, from_others, from_result)


_REDUCE_GRADIENTS: dict[str, Callable[[Tensor, _Sample], tuple[Tensor, Tensor]]] = {
    "sum": _sum_gradients,
    "mean": _mean_gradients,
    "amax": _extreme_gradients,
    "amin": _extreme_gradients,
    "prod": _product_gradients,
}
SCATTER_REDUCE = Primitive("scatter_reduce", _reduce_impl, _reduce_vjp)


@numpy_names
def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """As ``scatter_add`` with another way to combine: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.

    ``include_self``: the old value takes part; otherwise only the values of ``src`` that reach a place.

    Example:
        >>> import rushlight as torch
        >>> index = torch.tensor([0, 0, 1])
        >>> torch.scatter_reduce(torch.zeros(2), 0, index, torch.tensor([1.0, 3.0, 2.0]), "mean", include_self=False)
        tensor([2., 2.])
    """
    _require_tensor(src, "scatter_reduce")
    if reduce not in _UFUNCS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim = _checked(input, dim, index, src, "scatter")
    attrs = {"dim": dim, "reduce": reduce, "include_self": include_self}
    array = run(SCATTER_REDUCE, arrays_of((input, src, index)), attrs)
    result = recorded(SCATTER_REDUCE, (input, src, index), attrs, array, (input, src, index))
    if result._node is not None:
        result._node.output = (array, storage_of(result), 0)
    return result if out is None else write_out(out, result, "scatter_reduce")


def scatter_reduce_(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """In-place form of ``scatter_reduce``."""
    return overwrite(
        self, scatter_reduce, (dim, index, src, reduce), {"include_self": include_self}, "scatter_reduce_"
    )


# --- index_reduce -----------------------------------------------------------------------------------------------------


def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """As ``index_add`` with another way to combine: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.

    Example:
        >>> import rushlight as torch
        >>> x, index = torch.ones(2), torch.tensor([0, 0])
        >>> torch.index_reduce(x, 0, index, torch.tensor([3.0, 5.0]), "prod")
        tensor([15.,  1.])
    """
    check_flag("index_reduce", "include_self", include_self)
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    if index._array.dtype not in INDEX_TYPES:
        raise RuntimeError(
            f"index_reduce_(): Expected dtype int32/int64 for index but got: {type_name(index._array.dtype)}"
        )
    if index._array.ndim > 1:
        raise IndexError(
            f"index_reduce_(): Index is supposed to be a vector, but got dim: {index._array.ndim} with type: "
            f"{type_name(index._array.dtype)}"
        )
    if input._array.dtype != source._array.dtype:
        raise RuntimeError("index_reduce_(): self and source must have the same scalar type")
    dim = wrap_dim(dim, input._array.ndim)
    length = source._array.shape[dim] if source._array.ndim else 1
    if index._array.size != length:
        raise RuntimeError(
            f"index_reduce_(): Number of indices ({index._array.size}) should be equal to source.size(dim) ({length})"
        )
    check_range(
        index, input._array.shape[dim] if input._array.ndim else 1, IndexError, "index out of range in self"
    )
    shape = source._array.shape
    spread = (
        reshape(index, tuple([length if i == dim else 1 for i in range(len(shape))]))
        if shape
        else reshape(index, ())
    )
    result = scatter_reduce(input, dim, expand(spread, shape), source, reduce, include_self=include_self)
    return (
        known_as(result, "IndexReduceBackward0") if out is None else write_exact(out, result, "index_reduce")
    )


def index_reduce_(
    self: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """In-place form of ``index_reduce``."""
    return overwrite(
        self, index_reduce, (dim, index, source, reduce), {"include_self": include_self}, "index_reduce_"
    )


# --- one_hot ----------------------------------------------------------------------------------------------------------


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """For each class number a row of zeros with a one at it: int64, shape ``(*tensor.shape, num_classes)``.

    Without ``num_classes`` there is one class more than the largest number. Raises ``RuntimeError`` for a number that is
    negative or too large, and for a tensor that is not int64.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))  # doctest: +SKIP
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    array = input._array
    if array.dtype != I64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not array.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    # What a recording holds, scatter checks when it runs.
    elif num_classes < 1 or type(bottom(array)) is not Pending:
        if int(whole(array).min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        if num_classes == -1:
            if type(array) is Batched:
                raise RuntimeError(
                    "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive num_classes argument."
                )
            num_classes = int(array.max()) + 1
        elif num_classes < 1:
            raise RuntimeError("num_classes should be positive")
        elif int(whole(array).max()) >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    if type(array) is np.ndarray:
        ones = np.zeros((array.size, num_classes), I64)
        ones[np.arange(array.size), array.reshape(-1)] = 1
        return make_tensor(ones.reshape(*array.shape, num_classes))
    zeros = tensor_beside(input, np.zeros((*array.shape, num_classes), np.int64))
    return scatter(zeros, -1, reshape(input, (*array.shape, 1)), 1)


METHODS: dict[str, Any] = {
    "gather": gather,
    "take_along_dim": take_along_dim,
    "scatter": scatter,
    "scatter_": scatter_,
    "scatter_add": scatter_add,
    "scatter_add_": scatter_add_,
    "scatter_reduce": scatter_reduce,
    "scatter_reduce_": scatter_reduce_,
    "index_reduce": index_reduce,
    "index_reduce_": index_reduce_,
}
