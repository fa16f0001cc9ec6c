"""``tf.TensorArray``: a list of tensors that loops fill and read.

While a graph runs it is a tuple of tensors (None for what was not written), which no operation changes: a write gives a
new one. So gradients go through it as through any other value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from . import dtypes, errors
from .conversion import CONVERSIONS, convert_to_tensor, known_extent
from .dtypes import as_dtype
from .graph import Tensor, name_scope, node
from .tensor_shape import SCALAR, UNKNOWN, TensorShape, as_shape

Elements = tuple[Any, ...]


class _Facts:
    """What is known of an array, shared by all states of it."""

    def __init__(self, dtype: Any, infer_shape: bool, shape: TensorShape, grows: bool, name: str) -> None:
        self.dtype, self.infers, self.shape, self.grows, self.name = dtype, infer_shape, shape, grows, name

    def learn(self, shape: TensorShape) -> None:
        """Take note of an element's shape; ``ValueError`` if it contradicts the others'."""
        if not self.infers:
            return
        if not self.shape.is_compatible_with(shape):
            raise ValueError(
                f"Inconsistent shapes: saw {shape} but expected {self.shape} (and infer_shape=True)"
            )
        self.shape = self.shape.merge_with(shape)


class TensorArray:
    """A list of tensors of one type. Every write gives a new ``TensorArray``, to be used from then on.

    Args:
        dtype: the elements' type.
        size: how many elements there are, a number or a tensor.
        dynamic_size: let writes behind the end make the array longer.
        element_shape: the elements' shape, as far as it is known.
        infer_shape: let all elements have one shape.

    Raises:
        tf.errors.InvalidArgumentError: when it runs, for an index that is out of range.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     squares = tf.TensorArray(tf.float32, size=3)
        ...     _, squares = tf.while_loop(
        ...         lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, tf.cast(i * i, tf.float32))), (0, squares))
        ...     print(session.run(squares.stack()))
        [0. 1. 4.]
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if size is None and flow is None:
            raise ValueError("Size must be provided if handle is not provided")
        kind = as_dtype(dtype)
        self._facts = _Facts(
            kind, infer_shape, as_shape(element_shape), bool(dynamic_size), tensor_array_name or "TensorArray"
        )
        if flow is not None:
            self._flow: Tensor = flow
            return
        count = convert_to_tensor(size, dtypes.int32)

        def kernel(number: Any) -> Elements:
            return (None,) * int(number.item())

        self._flow = node("TensorArrayV3", kernel, [count], dtypes.float32, SCALAR, name or "TensorArray")

    def _with_value(self, flow: Tensor) -> TensorArray:
        """The same array in another state: what stands in a structure of loop variables for it."""
        made = object.__new__(TensorArray)
        made._facts, made._flow = self._facts, flow
        return made

    @property
    def flow(self) -> Tensor:
        """The tensor that stands for this state of the array."""
        return self._flow

    handle = flow

    @property
    def dtype(self) -> Any:
        """The elements' type."""
        return self._facts.dtype

    @property
    def element_shape(self) -> TensorShape:
        """What is known of the elements' shape."""
        return self._facts.shape

    @property
    def dynamic_size(self) -> bool:
        """Whether the array grows."""
        return self._facts.grows

    def identity(self) -> TensorArray:
        """The same array: an operation that control dependencies can hold back."""
        return self._with_value(node("Identity", lambda state: state, [self._flow], dtypes.float32, SCALAR))

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements."""
        return node(
            "TensorArraySizeV3",
            lambda state: rl.tensor(len(state), dtype=rl.int32),
            [self._flow],
            dtypes.int32,
            SCALAR,
            name,
        )

    def _element(self, state: Elements, index: int) -> Any:
        if not 0 <= index < len(state):
            raise errors.InvalidArgumentError(
                None, None, f"Tried to read from index {index} but array size is: {len(state)}"
            )
        found = state[index]
        if found is None:
            shape = next((item.shape for item in state if item is not None), None)
            if self._facts.shape.is_fully_defined():
                shape = self._facts.shape.as_list()
            if shape is None:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"TensorArray {self._facts.name}: Could not read index {index}: it was not written, and the elements' "
                    "shape is not known",
                )
            found = rl.zeros(tuple(shape), dtype=self._facts.dtype.rushlight)
        return found

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at ``index``; zeros if it was not written and the shape is known."""
        at = convert_to_tensor(index, dtypes.int32)

        def kernel(state: Elements, i: Any) -> Any:
            found = self._element(state, int(i.item()))
            return found.view_as(found) if isinstance(found, rl.Tensor) else found

        return node("TensorArrayReadV3", kernel, [self._flow, at], self.dtype, self._facts.shape, name)

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with ``value`` at ``index``."""
        at, element = convert_to_tensor(index, dtypes.int32), convert_to_tensor(value, self.dtype)
        self._facts.learn(element.shape)
        grows = self._facts.grows

        def kernel(state: Elements, i: Any, item: Any) -> Elements:
            place = int(i.item())
            if place < 0 or (place >= len(state) and not grows):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"Tried to write to index {place} but array is not resizeable and size is: {len(state)}",
                )
            longer = state + (None,) * (place + 1 - len(state))
            return (*longer[:place], item, *longer[place + 1 :])

        return self._with_value(
            node("TensorArrayWriteV3", kernel, [self._flow, at, element], dtypes.float32, SCALAR, name)
        )

    def stack(self, name: str | None = None) -> Tensor:
        """All elements along a new first axis."""

        def kernel(state: Elements) -> Any:
            if not state:
                shape = [extent or 0 for extent in self._facts.shape.extents or ()]
                return rl.zeros((0, *shape), dtype=self.dtype.rushlight)
            return rl.stack([self._element(state, i) for i in range(len(state))])

        return node(
            "TensorArrayGatherV3",
            kernel,
            [self._flow],
            self.dtype,
            TensorShape([None]).concatenate(self._facts.shape),
            name or "TensorArrayStack",
        )

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements at ``indices`` along a new first axis."""
        places = convert_to_tensor(indices, dtypes.int32)
        extents = places.shape.extents

        def kernel(state: Elements, chosen: Any) -> Any:
            return rl.stack([self._element(state, i) for i in chosen.tolist()])

        return node(
            "TensorArrayGatherV3",
            kernel,
            [self._flow, places],
            self.dtype,
            TensorShape([extents[0] if extents else None]).concatenate(self._facts.shape),
            name,
        )

    def concat(self, name: str | None = None) -> Tensor:
        """All elements, joined along their first axis."""

        def kernel(state: Elements) -> Any:
            return rl.cat([self._element(state, i) for i in range(len(state))])

        extents = self._facts.shape.extents
        shape = UNKNOWN if extents is None else TensorShape([None, *extents[1:]])
        return node("TensorArrayConcatV3", kernel, [self._flow], self.dtype, shape, name)

    def _filled(
        self,
        kind: str,
        operands: Sequence[Tensor],
        parts: Callable[..., list[tuple[int, Any]]],
        name: str | None,
    ) -> TensorArray:
        grows = self._facts.grows

        def kernel(state: Elements, *values: Any) -> Elements:
            new = list(state)
            for place, item in parts(*values):
                if place < 0 or (place >= len(new) and not grows):
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"Tried to write to index {place} but array is not resizeable and size is: {len(new)}",
                    )
                new += [None] * (place + 1 - len(new))
                new[place] = item
            return tuple(new)

        return self._with_value(node(kind, kernel, [self._flow, *operands], dtypes.float32, SCALAR, name))

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array with the slices of ``value`` along its first axis as elements."""
        whole = convert_to_tensor(value, self.dtype)
        if whole.shape.extents is not None:
            self._facts.learn(TensorShape(whole.shape.extents[1:]))
        return self._filled("TensorArrayScatterV3", [whole], lambda v: list(enumerate(rl.unbind(v, 0))), name)

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with the slices of ``value`` at ``indices``."""
        places, whole = convert_to_tensor(indices, dtypes.int32), convert_to_tensor(value, self.dtype)
        if whole.shape.extents is not None:
            self._facts.learn(TensorShape(whole.shape.extents[1:]))
        return self._filled(
            "TensorArrayScatterV3",
            [places, whole],
            lambda at, v: list(zip(at.tolist(), rl.unbind(v, 0), strict=True)),
            name,
        )

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array with parts of ``value``, of these lengths along its first axis, as elements."""
        whole, sizes = convert_to_tensor(value, self.dtype), convert_to_tensor(lengths, dtypes.int32)
        self._facts.infers = False
        return self._filled(
            "TensorArraySplitV3",
            [whole, sizes],
            lambda v, n: list(enumerate(rl.split(v, n.tolist()))),
            name,
        )

    def close(self, name: str | None = None) -> Any:
        """An operation without effect: nothing outlives a run."""
        from .control_flow import no_op

        return no_op(name)


CONVERSIONS.append((TensorArray, lambda array: array.flow))


def unstacked(value: Tensor, name: str) -> TensorArray:
    """A tensor's slices along its first axis as a ``TensorArray``."""
    from .ops_array import shape

    with name_scope(name):
        count = known_extent(value.shape[0]) if value.shape.extents else None
        size = shape(value)[0] if count is None else count
        return TensorArray(value.dtype, size, tensor_array_name=name).unstack(value)
