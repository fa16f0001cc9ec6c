"""The functions of ``torch._utils`` that libraries call: flat copies of lists of tensors, device numbers, rebuilding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from .core.tensor import Tensor
from .ops.joining import cat
from .ops.movement import reshape

__all__: Final = ("ExceptionWrapper", "classproperty", "is_compiling")


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """One contiguous one-dimensional tensor with the elements of all ``tensors``, which have one dtype.

    Example:
        >>> import rushlight as torch
        >>> _flatten_dense_tensors([torch.ones(2), torch.zeros(1, 2)])
        tensor([1., 1., 0., 0.])
    """
    return cat([reshape(tensor, (-1,)) for tensor in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Views of ``flat`` in the shapes of ``tensors``: the inverse of ``_flatten_dense_tensors``."""
    found, start = [], 0
    for tensor in tensors:
        count = tensor.numel()
        found.append(flat[start : start + count].view(tensor.shape))
        start += count
    return tuple(found)


def _take_tensors(tensors: Sequence[Tensor], size_limit: int) -> Iterator[list[Tensor]]:
    """``tensors`` in groups of one dtype and of at most ``size_limit`` bytes (single larger ones alone)."""
    groups: dict[Any, tuple[list[Tensor], int]] = {}
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        group, taken = groups.get(tensor.dtype, ([], 0))
        if group and taken + size > size_limit:
            yield group
            group, taken = [], 0
        groups[tensor.dtype] = ([*group, tensor], taken + size)
    for group, _ in groups.values():
        if group:
            yield group


def _element_size(dtype: Any) -> int:
    """Bytes of one element."""
    return int(dtype.itemsize)


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a device, given as a number, a name or a device. ``ValueError`` for one without a number, unless
    ``optional``, which means the current one."""
    from .core.device import device as device_class

    if isinstance(device, str):
        device = device_class(device)
    if isinstance(device, device_class):
        if device.type == "cpu":
            if allow_cpu:
                return -1
            raise ValueError(f"Expected a non cpu device, but got: {device}")
        device = device.index
    if isinstance(device, int):
        return device
    if not optional:
        raise ValueError(
            "Expected a torch.device with a specified index or an integer, but got:" + str(device)
        )
    return 0


def _rebuild_tensor(storage: Any, storage_offset: int, size: Any, stride: Any) -> Tensor:
    """A tensor that looks into ``storage``."""
    if hasattr(storage, "elements"):  # from a file
        import numpy as np

        from .core.tensor import make_tensor

        elements = storage.elements(None)
        steps = [step * elements.itemsize for step in stride]
        return make_tensor(np.lib.stride_tricks.as_strided(elements[storage_offset:], size, steps))
    empty = Tensor.new_empty(Tensor(), (0,), dtype=storage.dtype)  # type: ignore[attr-defined]
    return empty.set_(storage, storage_offset, size, stride)  # type: ignore[no-any-return]


def _rebuild_tensor_v2(
    storage: Any, storage_offset: int, size: Any, stride: Any, requires_grad: bool, backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor that looks into ``storage``, with or without gradients."""
    made = _rebuild_tensor(storage, storage_offset, size, stride)
    made.requires_grad = requires_grad
    return made


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    """A parameter of ``data``."""
    from .nn.parameter import Parameter

    return Parameter(data, requires_grad)


class ExceptionWrapper:
    """An exception with its traceback as text, to be raised again elsewhere: another process or thread.

    Example:
        >>> try:
        ...     1 / 0
        ... except ZeroDivisionError:
        ...     caught = ExceptionWrapper(where="in a worker")
        >>> try:
        ...     caught.reraise()
        ... except ZeroDivisionError as error:
        ...     print(str(error).splitlines()[0])
        Caught ZeroDivisionError in a worker.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        import sys
        import traceback

        kind, error, place = exc_info or sys.exc_info()
        self.exc_type: Any = kind
        self.exc_msg = "".join(traceback.format_exception(kind, error, place))
        self.where = where

    def reraise(self) -> None:
        """Raise an exception of the same type, whose message holds the traceback."""
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        try:
            error = self.exc_type(message)
        except Exception:
            raise RuntimeError(message) from None
        raise error


class classproperty:
    """A property of a class itself."""

    def __init__(self, func: Any) -> None:
        self.func = func

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self.func(owner)


def is_compiling() -> bool:
    """Whether a function is being compiled now."""
    from .jit.compile import is_compiling

    return is_compiling()
