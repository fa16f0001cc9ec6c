"""``tf.py_func``: a function of the program, on NumPy arrays, as an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from . import errors
from .conversion import as_runtime, convert_to_tensor, make_array
from .dtypes import as_dtype
from .graph import get_default_graph
from .tensor_shape import UNKNOWN


def py_func(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """``func`` of the values of ``inp``, as NumPy arrays, whenever the graph runs.

    Args:
        func: it gives an array for each type in ``Tout``.
        inp: tensors.
        Tout: a type, or a list of types; with a list the result is a list. An empty one gives an operation.

    An exception in ``func`` becomes a ``tf.errors.UnknownError`` (``InvalidArgumentError`` for ValueError and TypeError).
    No gradient goes through. A result of another type than announced is an ``InvalidArgumentError``.
    """
    inputs = [convert_to_tensor(value) for value in inp]
    several = isinstance(Tout, list | tuple)
    kinds = [as_dtype(kind) for kind in (Tout if several else [Tout])]

    def kernel(*values: Any) -> tuple[Any, ...]:
        # Copies: the function may keep or change what it is given.
        arrays = [
            value.detach().numpy().copy() if isinstance(value, rl.Tensor) else value for value in values
        ]
        try:
            returned = func(*arrays)
        except errors.OpError:
            raise
        except Exception as error:
            kind = (
                errors.InvalidArgumentError
                if isinstance(error, ValueError | TypeError)
                else errors.UnknownError
            )
            raise kind(None, None, f"{type(error).__name__}: {error}") from error
        results = list(returned) if isinstance(returned, list | tuple) and len(kinds) != 1 else [returned]
        if len(kinds) == 1 and isinstance(returned, list | tuple) and several and len(returned) == 1:
            results = list(returned)
        if not kinds:
            return ()
        if len(results) != len(kinds):
            raise errors.InvalidArgumentError(
                None, None, f"pyfunc returned {len(results)} values, but expects to see {len(kinds)}"
            )
        made = []
        for i, (result, wanted) in enumerate(zip(results, kinds, strict=True)):
            if wanted.rushlight is None:
                made.append(make_array(result, wanted))
                continue
            array = np.asarray(result)
            if array.dtype != wanted.numpy:
                # Python numbers and lists have no type of their own to insist on.
                if isinstance(result, np.ndarray | np.generic):
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"{i}-th value returned by pyfunc_0 is {array.dtype}, but expects {wanted.name}",
                    )
                array = array.astype(wanted.numpy)
            made.append(as_runtime(np.array(array)))
        return tuple(made)

    graph = inputs[0].graph if inputs else get_default_graph()
    op = graph.create_op(
        "PyFunc", inputs, [(kind, UNKNOWN) for kind in kinds], kernel, name=name, attributes={"many": True}
    )
    if not kinds:
        return op
    return op.outputs if several else op.outputs[0]


def numpy_function(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """See :func:`py_func`."""
    return py_func(func, inp, Tout, stateful, name)


class _Value(np.ndarray[Any, Any]):
    """An array with the method that eager tensors have."""

    def numpy(self) -> Any:
        """The array itself."""
        return np.asarray(self)


def py_function(func: Callable[..., Any], inp: Sequence[Any], Tout: Any, name: str | None = None) -> Any:
    """Like :func:`py_func`; the arrays that ``func`` gets have a method ``numpy()``, and results are cast to ``Tout``."""
    several = isinstance(Tout, list | tuple)
    kinds = [as_dtype(kind) for kind in (Tout if several else [Tout])]

    def call(*arrays: Any) -> Any:
        returned = func(*[np.asarray(array).view(_Value) for array in arrays])
        results = list(returned) if several else [returned]
        made = [make_array(item, kind) for item, kind in zip(results, kinds, strict=True)]
        return made if several else made[0]

    return py_func(call, inp, Tout, name=name)


def read_file(filename: Any, name: str | None = None) -> Any:
    """The bytes of a file, as a string tensor, read whenever the graph runs; ``NotFoundError`` if there is none."""

    def read(path: bytes) -> Any:
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise errors.NotFoundError(None, None, f"{path.decode()}; No such file or directory") from None

    result = py_func(lambda path: read(_text(path)), [filename], "string", name=name)
    result.set_shape([])
    return result


def write_file(filename: Any, contents: Any, name: str | None = None) -> Any:
    """An operation that writes a file."""

    def write(path: Any, data: Any) -> None:
        with open(_text(path), "wb") as file:
            file.write(_text(data))

    return py_func(write, [filename, contents], [], name=name)


def _text(value: Any) -> bytes:
    found: bytes = np.asarray(value, dtype=object).item()
    return found
