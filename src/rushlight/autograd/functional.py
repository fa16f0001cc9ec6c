"""Derivatives of functions: Jacobians, Hessians, and their products with vectors.

All of it is backward. A product of the Jacobian with a vector from the right (``jvp``) takes two: the vector-Jacobian
product is linear in its vector, and its derivative by that vector is the transposed map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..core.dtypes import COMPLEXES
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..ops.batching import TRANSFORMED
from ..ops.joining import stack
from ..ops.placement import tensor_beside
from .differentiate import grad
from .function import TRANSPOSING
from .grad_mode import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]
Function = Callable[..., Any]


def jacobian(
    func: Function,
    inputs: Tensor | Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func`` at ``inputs``.

    Args:
        func: from tensors to a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        create_graph: record the computation, so that the result can be differentiated.
        strict: raise ``RuntimeError`` where an output does not depend on an input instead of giving zeros.
        vectorize: compute all rows at once, by the rules of ``vmap``, which takes more memory.
        strategy: ``"reverse-mode"``, row by row, or (with ``vectorize``) ``"forward-mode"``, column by column; the result is
            the same.

    Returns a tensor of shape ``output.shape + input.shape``; where there are several outputs a tuple with an entry for each,
    and where there are several inputs a tuple of those.

    Example:
        >>> import rushlight as torch
        >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than '
            'inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for `vectorize=True`."
        )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please "
            "either set `strict=False` or `vectorize=False`."
        )
    if vectorize and strategy == "forward-mode" and create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported together '
            '(yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    if vectorize:
        return _vectorized(func, inputs, create_graph, strategy == "forward-mode")
    with enable_grad():
        several_inputs, xs = _prepared(inputs, "jacobian", create_graph)
        several_outputs, outputs = _called(func, xs, "jacobian", strict)
        rows = []
        for i, output in enumerate(outputs):
            if output._array.dtype in COMPLEXES:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
                )
            columns: list[list[Tensor]] = [[] for _ in xs]
            for j in range(output._array.size):
                one = np.zeros(output._array.size, output._array.dtype)
                one[j] = 1
                parts = _gradients(
                    (output,), xs, (tensor_beside(output, one.reshape(output._array.shape)),), create_graph
                )
                for k, (part, x, column) in enumerate(zip(parts, xs, columns, strict=True)):
                    if part is None and strict:
                        raise RuntimeError(
                            f"Output {i} of the user-provided function is independent of input {k}. This is not allowed in "
                            "strict mode."
                        )
                    if strict and create_graph and part is not None and not part.requires_grad:
                        _raise_independent("jacobian", k)
                    column.append(_zeros_like(x) if part is None else part)
            rows.append(
                tuple(
                    [_stacked(column, output._array.shape, x) for column, x in zip(columns, xs, strict=True)]
                )
            )
    result = [_finished(row, create_graph, several_inputs) for row in rows]
    return tuple(result) if several_outputs else result[0]


def _vectorized(func: Function, inputs: Any, create_graph: bool, forward: bool) -> Any:
    with enable_grad():
        several_inputs, xs = _prepared(inputs, "jacobian", create_graph)
        several_outputs, outputs = _called(func, xs, "jacobian", False)
        blocks = (_columns if forward else _rows)(outputs, xs, create_graph)
    result = [_finished(tuple(row), create_graph, several_inputs) for row in blocks]
    return tuple(result) if several_outputs else result[0]


def _units(tensors: Tensors) -> list[Tensor]:
    """For each tensor the unit vectors of all elements of all of them: of shape (elements of all, *its shape)."""
    total = sum([tensor._array.size for tensor in tensors])
    units = []
    start = 0
    for tensor in tensors:
        size = tensor._array.size
        array = np.zeros((total, size), tensor._array.dtype)
        array[start + np.arange(size), np.arange(size)] = 1
        units.append(tensor_beside(tensor, array.reshape(total, *tensor._array.shape)))
        start += size
    return units


def _all_at_once(outputs: Tensors, xs: Tensors, weights: list[Tensor], create_graph: bool) -> list[Tensor]:
    """``grad`` for each of the weights' first dimension; zeros where nothing was recorded."""
    recorded = [i for i, output in enumerate(outputs) if output.requires_grad]
    count = len(weights[0]) if weights else 0
    found: Any = [None] * len(xs)
    if recorded and count:
        found = grad(
            [outputs[i] for i in recorded],
            xs,
            [weights[i] for i in recorded],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
            is_grads_batched=True,
        )
    return [
        tensor_beside(x, np.zeros((count, *x._array.shape), x._array.dtype)) if part is None else part
        for part, x in zip(found, xs, strict=True)
    ]


def _rows(outputs: Tensors, xs: Tensors, create_graph: bool) -> list[list[Tensor]]:
    """For each output the Jacobian by each input, from the gradients of all elements of all outputs."""
    parts = _all_at_once(outputs, xs, _units(outputs), create_graph)
    sizes = [output._array.size for output in outputs]
    columns = [part.split(sizes) for part in parts]
    return [
        [
            column[i].reshape((*output._array.shape, *x._array.shape))
            for column, x in zip(columns, xs, strict=True)
        ]
        for i, output in enumerate(outputs)
    ]


def _columns(outputs: Tensors, xs: Tensors, create_graph: bool) -> list[list[Tensor]]:
    """As ``_rows``, from the products with all unit vectors of the inputs: the gradients are linear in their weights."""
    weights = tuple([_leaf(_zeros_like(output)) for output in outputs])
    token = TRANSPOSING.set(True)
    try:
        slopes = _filled(_gradients(outputs, xs, weights, True), xs, False, False, "jacobian")
    finally:
        TRANSPOSING.reset(token)
    parts = _all_at_once(slopes, weights, _units(xs), create_graph)
    sizes = [x._array.size for x in xs]
    blocks = []
    for output, part in zip(outputs, parts, strict=True):
        row = [
            p.reshape((*x._array.shape, *output._array.shape))
            for p, x in zip(part.split(sizes), xs, strict=True)
        ]
        blocks.append(
            [
                p.permute((*range(x._array.ndim, p.ndim), *range(x._array.ndim)))
                for p, x in zip(row, xs, strict=True)
            ]
        )
    return blocks


def hessian(
    func: Function,
    inputs: Tensor | Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of ``func``, which returns one element, at ``inputs``; see ``jacobian`` for the parameters.

    Returns a tensor of shape ``input.shape + input.shape``; for a tuple of inputs a tuple of tuples.

    Example:
        >>> import rushlight as torch
        >>> torch.autograd.functional.hessian(lambda x: (x * x * x).sum(), torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    several, given = _as_tensors(inputs, "inputs", "hessian")

    def gradient(*points: Tensor) -> Tensors:
        xs = tuple([point if point.requires_grad else _leaf(point) for point in points])
        output = _single_element(func, xs, "hessian", strict)
        parts = _gradients((output,), xs, None, True)
        if strict:
            _check_depends(parts, "hessian")
        return tuple([_zeros_like(x) if part is None else part for part, x in zip(parts, xs, strict=True)])

    result = jacobian(
        gradient,
        given,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )
    return result if several else result[0][0]


def vjp(
    func: Function,
    inputs: Tensor | Tensors,
    v: Tensor | Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``func(inputs)`` and the product of ``v`` with the Jacobian: what backward computes.

    ``v`` has the outputs' shapes and may be left out for one output of one element.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.vjp(lambda x: x * x, x, torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        several_inputs, xs = _prepared(inputs, "vjp", create_graph)
        several_outputs, outputs = _called(func, xs, "vjp", strict)
        weights: Tensors | None = None
        if v is not None:
            weights = _vectors(v, outputs, create_graph, "vjp")
        elif len(outputs) != 1 or outputs[0]._array.size != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
            )
    with _recording(create_graph):
        parts = _gradients(outputs, xs, weights, create_graph)
        products = _filled(parts, xs, strict, create_graph, "vjp")
    return _finished(outputs, create_graph, several_outputs), _finished(
        products, create_graph, several_inputs
    )


def jvp(
    func: Function,
    inputs: Tensor | Tensors,
    v: Tensor | Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``func(inputs)`` and the product of the Jacobian with ``v``, which has the inputs' shapes.

    ``v`` may be left out for one input of one element.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.jvp(lambda x: x * x, x, torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        _, xs = _prepared(inputs, "jvp", create_graph)
        directions = _directions(v, xs, create_graph, "jvp")
        several_outputs, outputs = _called(func, xs, "jvp", strict)
        weights = tuple([_leaf(_zeros_like(output)) for output in outputs])
        token = TRANSPOSING.set(True)
        try:
            parts = _filled(_gradients(outputs, xs, weights, True), xs, strict, False, "jvp")
        finally:
            TRANSPOSING.reset(token)
    with _recording(create_graph):
        products = _transposed(parts, weights, directions, create_graph)
        filled = tuple(
            [
                _zeros_like(output) if part is None else part
                for part, output in zip(products, outputs, strict=True)
            ]
        )
        if strict and create_graph:
            for i, part in enumerate(filled):
                if not part.requires_grad:
                    _raise_independent("jacobian", i)
    return _finished(outputs, create_graph, several_outputs), _finished(filled, create_graph, several_outputs)


def vhp(
    func: Function,
    inputs: Tensor | Tensors,
    v: Tensor | Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``func(inputs)``, one element, and the product of ``v`` with the Hessian; ``v`` has the inputs' shapes.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.vhp(lambda x: (x * x * x).sum(), x, torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, xs = _prepared(inputs, "vhp", create_graph)
        directions = _directions(v, xs, create_graph, "vhp")
        output = _single_element(func, xs, "vhp", strict)
        parts = _gradients((output,), xs, None, True)
        if strict:
            _check_depends(parts, "vhp")
    with _recording(create_graph):
        slopes = [
            (part, direction) for part, direction in zip(parts, directions, strict=True) if part is not None
        ]
        products: Any = [None] * len(xs)
        if any(part.requires_grad for part, _ in slopes):
            kept = [(part, direction) for part, direction in slopes if part.requires_grad]
            products = _gradients(
                tuple([part for part, _ in kept]),
                xs,
                tuple([direction for _, direction in kept]),
                create_graph,
            )
        result = _filled(products, xs, strict, create_graph, "vhp")
    return _finished((output,), create_graph, False), _finished(result, create_graph, several)


def hvp(
    func: Function,
    inputs: Tensor | Tensors,
    v: Tensor | Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``func(inputs)``, one element, and the product of the Hessian with ``v``, which has the inputs' shapes.

    Where the second derivatives are continuous this is ``vhp``, which is cheaper.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.hvp(lambda x: (x * x * x).sum(), x, torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, xs = _prepared(inputs, "hvp", create_graph)
        directions = _directions(v, xs, create_graph, "hvp")
        output = _single_element(func, xs, "hvp", strict)
        parts = _gradients((output,), xs, None, True)
        if strict:
            _check_depends(parts, "hvp")
        slopes = tuple([_zeros_like(x) if part is None else part for part, x in zip(parts, xs, strict=True)])
        weights = tuple([_leaf(_zeros_like(x)) for x in xs])
        transposed = _gradients(slopes, xs, weights, True)
        filled = _filled(transposed, xs, strict, False, "hvp")
    with _recording(create_graph):
        products = _transposed(filled, weights, directions, create_graph)
        result = _filled(products, xs, strict, create_graph, "hvp")
    return _finished((output,), create_graph, False), _finished(result, create_graph, several)


# --- arguments and results --------------------------------------------------------------------------------------------


class _recording:
    """Grad mode while the last derivatives are computed: on if they shall be differentiated again."""

    def __init__(self, create_graph: bool) -> None:
        self.create_graph = create_graph

    def __enter__(self) -> None:
        self.previous = GRAD_MODE.get()
        GRAD_MODE.set(self.create_graph or self.previous)

    def __exit__(self, *exc: object) -> None:
        GRAD_MODE.set(self.previous)


def _as_tensors(given: Any, what: str, name: str) -> tuple[bool, Tensors]:
    several = isinstance(given, tuple)
    values = given if several else (given,)
    for i, value in enumerate(values):
        if not isinstance(value, Tensor):
            where = f"the value at index {i}" if several else f"the given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but {where} has type {type(value)}."
            )
    return several, values


# Some of PyTorch's private functions by their names, for libraries that call them.


def _as_tuple(inp: Any, arg_name: str = "input", fn_name: str = "as_tuple") -> tuple[bool, Tensors]:
    """Whether ``inp`` is a tuple, and it as one. Raises ``TypeError`` for what holds no tensors."""
    return _as_tensors(inp, arg_name, fn_name)


def _construct_standard_basis_for(tensors: Tensors, tensor_numels: tuple[int, ...]) -> Tensors:
    """Unit vectors of all elements, in parts: ``(elements of all, elements)`` for each tensor."""
    return tuple([unit.reshape(unit.shape[0], -1) for unit in _units(tensors)])


def _grad_postprocess(inputs: Any, create_graph: bool) -> Any:
    """The tensors, or nested tuples of them, without their history unless ``create_graph``."""
    if isinstance(inputs, Tensor):
        return inputs if create_graph else inputs.detach()
    return tuple([_grad_postprocess(each, create_graph) for each in inputs])


def _tuple_postprocess(res: Any, to_unpack: Any) -> Any:
    """What is alone in a tuple, where ``to_unpack`` (for two levels: each of it) says that the caller gave no tuple."""
    if isinstance(to_unpack, tuple):
        inner = res if to_unpack[1] else tuple([each[0] for each in res])
        return inner if to_unpack[0] else inner[0]
    return res if to_unpack else res[0]


def _asked(tensor: Tensor, method: str, *args: Any) -> Any:
    """``tensor.method(*args)``, of which a subclass's ``__torch_function__`` is asked, so that it keeps its class and state."""
    kind = type(tensor)
    function = getattr(Tensor, method)
    if kind is not Tensor and getattr(kind, method) is function and hasattr(kind, "__torch_function__"):
        answer = kind.__torch_function__(function, (kind,), (tensor, *args), {})
        if answer is not NotImplemented:
            return answer
    return getattr(tensor, method)(*args)


def _leaf(tensor: Tensor) -> Tensor:
    return _asked(tensor, "detach").requires_grad_()  # type: ignore[no-any-return]


def _zeros_like(tensor: Tensor) -> Tensor:
    return tensor_beside(tensor, np.zeros(tensor._array.shape, tensor._array.dtype))


def _prepared(inputs: Any, name: str, create_graph: bool) -> tuple[bool, Tensors]:
    """The inputs as tensors to differentiate by, connected with the caller's graph if the result shall be."""
    several, given = _as_tensors(inputs, "inputs", name)
    return several, tuple(
        [_asked(x, "view_as", x) if create_graph and x.requires_grad else _leaf(x) for x in given]
    )


def _called(func: Function, xs: Tensors, name: str, strict: bool) -> tuple[bool, Tensors]:
    token = TRANSFORMED.set(True)
    try:
        found = func(*xs)
    finally:
        TRANSFORMED.reset(token)
    several, outputs = _as_tensors(found, "outputs of the user-provided function", name)
    if strict:
        for i, output in enumerate(outputs):
            if not output.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                    "differentiable manner from the input when running in strict mode."
                )
    return several, outputs


def _single_element(func: Function, xs: Tensors, name: str, strict: bool) -> Tensor:
    several, outputs = _called(func, xs, name, strict)
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0]._array.size != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    return outputs[0]


def _vectors(v: Any, like: Tensors, create_graph: bool, name: str) -> Tensors:
    _, vectors = _as_tensors(v, "v", name)
    if len(vectors) != len(like) and len(like) == 1:
        raise RuntimeError("The given v should contain a single Tensor.")
    if len(vectors) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}.")
    for i, (vector, tensor) in enumerate(zip(vectors, like, strict=True)):
        if vector._array.shape != tensor._array.shape:
            which = f"Entry {i} in v" if len(like) > 1 else "v"
            raise RuntimeError(f"{which} has invalid size: should be {tensor.shape} but got {vector.shape}.")
    return tuple([vector if create_graph else vector.detach() for vector in vectors])


def _directions(v: Any, xs: Tensors, create_graph: bool, name: str) -> Tensors:
    if v is not None:
        return _vectors(v, xs, create_graph, name)
    if len(xs) != 1 or xs[0]._array.size != 1:
        raise RuntimeError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."
        )
    return (tensor_beside(xs[0], np.ones(xs[0]._array.shape, xs[0]._array.dtype)),)


def _gradients(
    outputs: Tensors, xs: Tensors, weights: Tensors | None, create_graph: bool
) -> tuple[Tensor | None, ...]:
    """``grad``, with None for all if no output was recorded."""
    recorded = [i for i, output in enumerate(outputs) if output.requires_grad]
    if not recorded:
        return (None,) * len(xs)
    result: tuple[Tensor | None, ...] = grad(
        [outputs[i] for i in recorded],
        xs,
        None if weights is None else [weights[i] for i in recorded],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )
    return result


def _transposed(
    parts: Tensors, weights: Tensors, directions: Tensors, create_graph: bool
) -> tuple[Tensor | None, ...]:
    """The derivative by ``weights`` of ``parts``, which are linear in them, in the given directions."""
    return _gradients(parts, weights, directions, create_graph)


def _filled(
    parts: tuple[Tensor | None, ...], like: Tensors, strict: bool, create_graph: bool, name: str
) -> Tensors:
    """``parts`` with zeros for None, which ``strict`` does not allow."""
    for i, part in enumerate(parts):
        if strict and part is None:
            if name in ("hvp", "vhp"):
                _raise_no_hessian(i)
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
            )
        if strict and create_graph and part is not None and not part.requires_grad:
            _raise_independent("hessian" if name in ("hvp", "vhp") else "jacobian", i)
    return tuple([_zeros_like(x) if part is None else part for part, x in zip(parts, like, strict=True)])


def _check_depends(parts: tuple[Tensor | None, ...], name: str) -> None:
    for i, part in enumerate(parts):
        if part is None or not part.requires_grad:
            _raise_no_hessian(i)


def _raise_independent(what: str, i: int) -> NoReturn:
    raise RuntimeError(
        f"The {what} of the user-provided function is independent of input {i}. This is not allowed in strict mode when "
        "create_graph=True."
    )


def _raise_no_hessian(i: int) -> NoReturn:
    raise RuntimeError(
        "While computing the hessian, found that the jacobian of the user-provided function with respect to input "
        f"{i} is independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
        "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for "
        "example)."
    )


def _stacked(column: list[Tensor], shape: tuple[int, ...], x: Tensor) -> Tensor:
    if not column:
        return tensor_beside(x, np.zeros((*shape, *x._array.shape), x._array.dtype))
    return stack(column).reshape((*shape, *x._array.shape))  # type: ignore[no-any-return]


def _finished(values: Tensors, create_graph: bool, several: bool) -> Any:
    done = values if create_graph else tuple([value.detach() for value in values])
    return done if several else done[0]
