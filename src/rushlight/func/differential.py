"""Gradients as functions: ``grad``, ``vjp``, ``jvp``, Jacobians and Hessians.

Every transform differentiates by aliases of its own of the arguments, so what an inner one asks for is never mixed up
with what an outer one does. The history of the arguments themselves runs on through the aliases: transforms nest, and
an ordinary ``backward`` from outside goes through them. ``jvp`` takes two backward passes: a vector-Jacobian product is
linear in its vector, and its derivative by that vector is the Jacobian-vector product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.differentiate import _target
from ..autograd.engine import run_backward
from ..autograd.function import TRANSPOSING
from ..core.dtypes import COMPLEXES
from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node
from ..core.tensor import Tensor, make_tensor
from ..ops.batching import TRANSFORMED, lifted_to_active
from ..ops.conversion import ALIAS
from ..ops.creation import zeros_like
from ..ops.dispatch import alias_of
from ..ops.placement import tensor_beside
from ..runtime.batched import Batched
from .trees import Tree, flatten, map_leaves, unflatten
from .vectorize import _like, drawing_refused, vmap

# --- levels -----------------------------------------------------------------------------------------------------------


class AliasNode(LeafNode):
    """The history of an alias that a transform differentiates by. ``closed``: the transform is over, so what depends on
    this alone depends on nothing."""

    __slots__ = ("closed",)

    def __init__(self, tensor: Tensor) -> None:
        super().__init__(tensor)
        self.closed = False


class Recording:
    """A ``with`` block in which history is recorded; ``outer`` is whether it was before."""

    def __enter__(self) -> Recording:
        self.outer = GRAD_MODE.get()
        self._token = GRAD_MODE.set(True)
        self._transformed = TRANSFORMED.set(True)
        return self

    def __exit__(self, *exc: object) -> None:
        GRAD_MODE.reset(self._token)
        TRANSFORMED.reset(self._transformed)


def own_alias(tensor: Any, outer: bool) -> Tensor:
    """An alias to differentiate by: joined to the history of ``tensor`` if ``outer`` recording is on, else a leaf."""
    if not isinstance(tensor, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(tensor)}")
    tensor = lifted_to_active(tensor if outer else tensor.detach())
    alias = alias_of(tensor)
    if tensor._node is not None:
        alias._node = Node(ALIAS, (tensor._node,), tensor._array)
    else:
        if alias._array.dtype.kind in "iub":
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        alias._node = AliasNode(alias)
    return alias


def depends(nodes: Any, inner: set[Node]) -> bool:
    """Whether any history outside of ``inner``, a transform's own aliases without one, is reached from ``nodes``."""
    seen: set[Node] = set()
    stack = [node for node in nodes if node is not None]
    while stack:
        node = stack.pop()
        if node in seen or node in inner:
            continue
        seen.add(node)
        if not node.edges:
            if not (isinstance(node, AliasNode) and node.closed):
                return True
            continue
        stack.extend([edge for edge in node.edges if edge is not None])
    return False


def own_leaves(aliases: Any) -> set[Node]:
    """The nodes of those aliases that have no history outside."""
    return {alias._node for alias in aliases if isinstance(alias._node, LeafNode)}


def close(nodes: set[Node]) -> None:
    """Note that the transform whose aliases these are is over."""
    for node in nodes:
        if isinstance(node, AliasNode):
            node.closed = True


def released(value: Any, inner: set[Node], outer: bool) -> Any:
    """``value`` as it is seen outside of a transform: without the history that leads to the transform's own aliases only."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or leaf._node is None:
            return leaf
        if outer and depends((leaf._node,), inner):
            return leaf
        return alias_of(leaf)

    return map_leaves(one, value)


def gradients(
    outputs: Any, targets: Any, vectors: Any, create_graph: bool, retain_graph: bool = True
) -> list[Any]:
    """The gradients of ``outputs``, weighted by ``vectors``, by ``targets``: zeros where there are none."""
    pairs = [(o._node, v) for o, v in zip(outputs, vectors, strict=True) if o._node is not None]
    found: list[Any] = [None] * len(targets)
    if pairs:
        found = run_backward(
            [node for node, _ in pairs],
            [vector for _, vector in pairs],
            retain_graph=retain_graph,
            create_graph=create_graph,
            targets=[_target(target) for target in targets],
            collect=False,
        )
    return [zeros_like(t.detach()) if g is None else g for t, g in zip(targets, found, strict=True)]


# --- arguments --------------------------------------------------------------------------------------------------------


def checked_argnums(argnums: Any, count: int) -> tuple[int, ...]:
    """``argnums`` as a tuple of positions, counted from the front."""
    if isinstance(argnums, bool) or not isinstance(argnums, int | tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    positions = (argnums,) if isinstance(argnums, int) else argnums
    if not positions:
        raise RuntimeError("argnums must be non-empty")
    result = []
    for position in positions:
        if not isinstance(position, int):
            raise RuntimeError(f"argnum must be int, got: {type(position)}")
        if not -count <= position < count:
            raise RuntimeError(f"Got argnum={position}, but only {count} positional inputs")
        result.append(position % count)
    if len(set(result)) != len(result):
        raise RuntimeError(f"argnums elements must be unique, got {tuple(result)}")
    return tuple(result)


def with_arguments(args: tuple[Any, ...], positions: tuple[int, ...], values: Any) -> list[Any]:
    """``args`` with ``values`` at ``positions``."""
    result = list(args)
    for position, value in zip(positions, values, strict=True):
        result[position] = value
    return result


def _split_aux(result: Any, name: str, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def _check_outputs(outputs: list[Any], name: str, what: str = "only tensors") -> None:
    for output in outputs:
        if not isinstance(output, Tensor):
            raise RuntimeError(
                f"{name}: expected f(*primals) to return {what}, got unsupported type {type(output)}"
            )


# --- grad -------------------------------------------------------------------------------------------------------------


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As ``grad``; the function returns ``(gradient, value)``, and ``(gradient, (value, aux))`` with ``has_aux``.

    Example:
        >>> import rushlight as torch
        >>> torch.func.grad_and_value(lambda x: x * x)(torch.tensor(3.0))
        (tensor(6.), tensor(9.))
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = checked_argnums(argnums, len(args))
        chosen = args[positions[0]] if isinstance(argnums, int) else tuple([args[p] for p in positions])
        with Recording() as recording:
            leaves, tree = flatten(chosen)
            aliases = [own_alias(leaf, recording.outer) for leaf in leaves]
            inside = unflatten(aliases, tree)
            values = (inside,) if isinstance(argnums, int) else inside
            result = func(*with_arguments(args, positions, values), **kwargs)
            output, aux = _split_aux(result, "grad_and_value(f)(*args)", has_aux)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output._array.ndim != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output._array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            if output._array.dtype in COMPLEXES:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
                )
            inner = own_leaves(aliases)
            again = recording.outer and depends((output._node,), inner)
            one = tensor_beside(output, np.ones((), output._array.dtype))
            slopes = gradients((output,), aliases, (one,), again, again)
        slopes = released(unflatten(slopes, tree), inner, recording.outer)
        output = released(output, inner, recording.outer)
        aux = released(aux, inner, recording.outer)
        close(inner)
        return slopes, ((output, aux) if has_aux else output)

    return _like(wrapped, func)  # type: ignore[no-any-return]


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes the gradient of ``func``, which returns one element, by its argument ``argnums``.

    Args:
        func: from tensors (or tuples, lists and dicts of them) to a tensor of shape ``()``.
        argnums: the position of the argument, or several: a tuple of gradients comes back.
        has_aux: ``func`` returns ``(output, aux)``, and the new function ``(gradient, aux)``.

    A gradient has the structure, the shapes and the dtypes of its argument. Raises ``RuntimeError`` where ``func`` returns
    anything but a tensor of no dimensions. ``no_grad`` inside of ``func`` counts, around the new function it does not.

    Example:
        >>> import rushlight as torch
        >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5))
        tensor(-0.4794)
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        slopes, value = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return _like(wrapped, func)  # type: ignore[no-any-return]


# --- products with the Jacobian ---------------------------------------------------------------------------------------


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``func(*primals)`` and a function from cotangents to their products with the Jacobian.

    Returns ``(outputs, vjp_fn)``, and ``(outputs, vjp_fn, aux)`` with ``has_aux``, where ``func`` returns ``(outputs, aux)``.
    ``vjp_fn(cotangents)`` takes what has the outputs' structure and shapes and returns a tuple with one entry for each of
    ``primals``; it may be called again, and under ``vmap``. Raises ``RuntimeError`` where the structures differ.

    Example:
        >>> import rushlight as torch
        >>> outputs, vjp_fn = torch.func.vjp(torch.sin, torch.tensor([0.0, 1.0]))
        >>> vjp_fn(torch.ones(2))
        (tensor([1.0000, 0.5403]),)
    """
    with Recording() as recording:
        leaves, tree = flatten(primals)
        aliases = [own_alias(leaf, recording.outer) for leaf in leaves]
        result = func(*unflatten(aliases, tree))
        result, aux = _split_aux(result, "vjp(f, *primals)", has_aux)
        outputs, structure = flatten(result)
        _check_outputs(outputs, "vjp(f, *primals)")
    inner = own_leaves(aliases)
    outer = depends([output._node for output in outputs], inner)

    def pulled_back(*given: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        if len(given) != 1:
            raise TypeError(f"vjp_fn(cotangents): takes one argument, got {len(given)}")
        cotangents, shape = flatten(given[0])
        if shape != structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {shape}, primal output: {structure}"
            )
        _check_cotangents(cotangents, outputs)
        recording = GRAD_MODE.get()
        again = recording and (outer or any(c._node is not None for c in cotangents))
        found = gradients(outputs, aliases, cotangents, again)
        return released(unflatten(found, tree), inner, recording)

    seen = released(result, inner, recording.outer)
    aux = released(aux, inner, recording.outer)
    close(inner)
    return (seen, pulled_back, aux) if has_aux else (seen, pulled_back)


def _check_cotangents(cotangents: list[Any], outputs: list[Any]) -> None:
    for i, (cotangent, output) in enumerate(zip(cotangents, outputs, strict=True)):
        if not isinstance(cotangent, Tensor):
            raise TypeError(f"vjp_fn(cotangents): expected tensors, got {type(cotangent).__name__}")
        if cotangent._array.shape != output._array.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {cotangent.shape} and output[{i}] has a shape of "
                f"{output.shape}."
            )


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """``func(*primals)`` and the product of the Jacobian with ``tangents``.

    ``primals`` and ``tangents`` are tuples of one structure with equal shapes. With ``has_aux`` ``func`` returns
    ``(outputs, aux)`` and ``aux`` comes last. With ``strict`` an output that does not depend on the primals raises
    ``RuntimeError`` instead of giving zeros.

    It is computed by two backward passes, not by a forward mode of its own: the results are those of PyTorch, the memory
    is that of backward, and every gradient's own derivative is needed.

    Example:
        >>> import rushlight as torch
        >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
        (tensor(0.), tensor(2.))
    """
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    leaves, tree = flatten(primals)
    directions, shape = flatten(tangents)
    if shape != tree:
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of "
            f"3 tensors, tangents also must be. Got primals with structure {tree} and tangents with structure {shape}"
        )
    _check_primals(leaves, directions, name)
    with Recording() as recording:
        aliases = [own_alias(leaf, recording.outer) for leaf in leaves]
        result = func(*unflatten(aliases, tree))
        result, aux = _split_aux(result, name, has_aux)
        outputs, structure = flatten(result)
        _check_outputs(outputs, name)
        linear = Linearized(outputs, aliases)
        products = linear.push(directions, recording.outer, strict)
    inner = linear.inner
    seen = released(result, inner, recording.outer)
    aux = released(aux, inner, recording.outer)
    derivatives = unflatten(products, structure)
    close(inner)
    return (seen, derivatives, aux) if has_aux else (seen, derivatives)


def _check_primals(primals: list[Any], tangents: list[Any], name: str) -> None:
    if not primals:
        raise RuntimeError(f"{name}: Expected primals to contain at least one Tensor.")
    for primal, tangent in zip(primals, tangents, strict=True):
        for value in (primal, tangent):
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"{name}: Expected primals and tangents to contain only Tensors, got {type(value)}"
                )
        check_direction(primal, tangent)


def check_direction(primal: Tensor, tangent: Tensor) -> None:
    """Raise ``RuntimeError`` unless ``tangent`` has the shape of ``primal``."""
    if primal._array.shape != tangent._array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(primal._array.shape)} while the given forward gradient is of size "
            f"{list(tangent._array.shape)}."
        )


class Linearized:
    """The linear map from tangents of ``aliases`` to tangents of ``outputs``; each ``push`` is a backward pass."""

    def __init__(self, outputs: list[Any], aliases: list[Tensor]) -> None:
        self.outputs = outputs
        self.weights = []
        for output in outputs:
            weight = lifted_to_active(zeros_like(output.detach()))
            if output._array.dtype.kind in "fcV":
                weight = alias_of(weight)
                weight._node = AliasNode(weight)
            self.weights.append(weight)
        # The products with the weights are linear in these: their derivative by them is the Jacobian's transpose.
        token = TRANSPOSING.set(True)
        try:
            self.rows = gradients(outputs, aliases, self.weights, True)
        finally:
            TRANSPOSING.reset(token)
        self.inner = own_leaves([*aliases, *self.weights])

    def push(self, directions: list[Any], outer: bool, strict: bool = False) -> list[Tensor]:
        """For each output the product of its Jacobian with ``directions``; its history is kept where ``outer`` has one."""
        reached = [
            (row, direction)
            for row, direction in zip(self.rows, directions, strict=True)
            if row._node is not None
        ]
        targets = [weight for weight in self.weights if weight._node is not None]
        found: list[Any] = [None] * len(targets)
        again = outer and (
            depends([row._node for row, _ in reached], self.inner)
            or any(d._node is not None for _, d in reached)
        )
        if reached and targets:
            found = run_backward(
                [row._node for row, _ in reached if row._node is not None],
                [_as_gradient(direction, row) for row, direction in reached],
                retain_graph=True,
                create_graph=again,
                targets=[_target(weight) for weight in targets],
                collect=False,
            )
        of_weight = dict(zip([id(weight) for weight in targets], found, strict=True))
        products = []
        for weight, output in zip(self.weights, self.outputs, strict=True):
            product = of_weight.get(id(weight))
            if product is None:
                if strict:
                    raise RuntimeError(
                        "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not "
                        "allowed with strict=True."
                    )
                product = zeros_like(output.detach())
            products.append(released(product, self.inner, outer))
        return products

    def close(self) -> None:
        """Note that no more history will be recorded here."""
        close(self.inner)


def _as_gradient(direction: Tensor, row: Tensor) -> Tensor:
    # The engine casts results to their operands' dtypes, roots it takes as they are.
    return direction if direction._array.dtype == row._array.dtype else direction.to(row.dtype)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``func(*primals)`` and the linear function from tangents to the Jacobian's product with them.

    The function is evaluated once; each call of the second result costs a backward pass. Raises ``RuntimeError`` for
    tangents of other shapes or another structure.

    Example:
        >>> import rushlight as torch
        >>> output, product = torch.func.linearize(torch.sin, torch.tensor(0.0))
        >>> product(torch.tensor(3.0))
        tensor(3.)
    """
    seen, push, _ = linearized(func, primals, "linearize(f, *primals)", False)
    leaves, tree = flatten(primals)

    def product(*tangents: Any) -> Any:
        directions, shape = flatten(tangents)
        if shape != tree:
            raise RuntimeError(
                f"linearize: Expected the tangents {shape} to have the same structure as the primals {tree}"
            )
        for i, (leaf, direction) in enumerate(zip(leaves, directions, strict=True)):
            if direction.shape != leaf.shape:
                raise RuntimeError(
                    f"tangent:{i} with shape {direction.shape} in flattened pytree doesn't match the shape {leaf.shape} of "
                    "the corresponding primal."
                )
        return push(directions)

    return seen, product


def linearized(
    func: Any, primals: Any, name: str, has_aux: bool
) -> tuple[Any, Callable[[list[Any]], Any], Any]:
    """``func(*primals)``, a function from the leaves of tangents to those of the outputs, and what else ``func`` returned."""
    leaves, tree = flatten(primals)
    with Recording() as recording:
        aliases = [own_alias(leaf, recording.outer) for leaf in leaves]
        result = func(*unflatten(aliases, tree))
        result, aux = _split_aux(result, name, has_aux)
        outputs, structure = flatten(result)
        _check_outputs(outputs, name)
        linear = Linearized(outputs, aliases)
    inner = linear.inner

    def push(directions: list[Any]) -> Any:
        with Recording() as recording:
            return unflatten(linear.push(directions, recording.outer), structure)

    seen = released(result, inner, recording.outer)
    aux = released(aux, inner, recording.outer)
    linear.close()
    return seen, push, aux


# --- Jacobians --------------------------------------------------------------------------------------------------------


def _basis(leaves: list[Any]) -> list[Tensor]:
    """For each tensor the unit vectors of all elements of all of them: of shape (elements of all, *its shape)."""
    counts = [leaf._array.size for leaf in leaves]
    total = sum(counts)
    basis = []
    start = 0
    for leaf, count in zip(leaves, counts, strict=True):
        array = np.zeros((total, count), leaf._array.dtype)
        array[start + np.arange(count), np.arange(count)] = 1
        basis.append(tensor_beside(leaf, array.reshape(total, *leaf._array.shape)))
        start += count
    return basis


def _of_each(stacked: Tensor, leaves: list[Any]) -> list[Tensor]:
    """The rows of ``stacked`` that belong to each tensor, its dimensions in the place of the first one."""
    parts = stacked.split([leaf._array.size for leaf in leaves])
    return [
        part.reshape((*leaf._array.shape, *stacked._array.shape[1:]))
        for part, leaf in zip(parts, leaves, strict=True)
    ]


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """The function that computes the Jacobian of ``func`` by its argument ``argnums``, by backward passes run together.

    The Jacobian of an output of shape ``s`` by an argument of shape ``t`` has shape ``s + t``; outputs and arguments may be
    nested, and the result has the outputs' structure with the arguments' in each place. ``chunk_size`` limits how many
    rows are computed at once. Raises ``RuntimeError`` for complex inputs and outputs.

    Example:
        >>> import rushlight as torch
        >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = checked_argnums(argnums, len(args))
        primals = tuple([args[p] for p in positions])

        def of_primals(*values: Any) -> Any:
            return func(*with_arguments(args, positions, values), **kwargs)

        found = vjp(of_primals, *primals, has_aux=has_aux)
        result, pull_back = found[0], found[1]
        outputs, structure = flatten(result)
        arguments, tree = flatten(primals)
        _refuse_complex("inputs", arguments, "jacrev")
        _refuse_complex("outputs", outputs, "jacrev")

        def rows(*cotangents: Any) -> Any:
            return tuple(flatten(pull_back(unflatten(cotangents, structure)))[0])

        basis = _basis(outputs)
        if sum([output._array.size for output in outputs]):
            columns = vmap(rows, chunk_size=chunk_size)(*basis)
        else:
            columns = tuple(
                [tensor_beside(a, np.zeros((0, *a._array.shape), a._array.dtype)) for a in arguments]
            )
        # columns[j]: (all outputs' elements, *argument j's shape)
        by_output = zip(*[_of_each(column, outputs) for column in columns], strict=True)
        jacobian = [_for_arguments(parts, tree, argnums) for parts in by_output]
        nested = unflatten(jacobian, structure)
        return (nested, found[2]) if has_aux else nested

    return _like(wrapped, func)  # type: ignore[no-any-return]


def _refuse_complex(kind: str, tensors: list[Any], name: str) -> None:
    for i, tensor in enumerate(tensors):
        if tensor.is_complex():
            raise RuntimeError(
                f"{name}: Expected all {kind} to be real but received complex tensor at flattened {kind[:-1]} idx: {i}"
            )


def _for_arguments(parts: Any, tree: Tree, argnums: Any) -> Any:
    nested = unflatten(parts, tree)
    return nested[0] if isinstance(argnums, int) else nested


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """As ``jacrev``, column by column: for functions with more outputs than inputs.

    Raises ``RuntimeError`` for complex inputs and outputs.

    Example:
        >>> import rushlight as torch
        >>> torch.func.jacfwd(lambda x: x.sum() * x)(torch.tensor([1.0, 2.0]))
        tensor([[4., 1.],
                [2., 5.]])
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = checked_argnums(argnums, len(args))
        primals = tuple([args[p] for p in positions])
        arguments, tree = flatten(primals)
        for argument in arguments:
            if not isinstance(argument, Tensor):
                raise AttributeError(f"jacfwd: the arguments must be tensors, got {type(argument).__name__}")
        _refuse_complex("inputs", arguments, "jacfwd")

        def of_primals(*values: Any) -> Any:
            return func(*with_arguments(args, positions, values), **kwargs)

        with drawing_refused(randomness):
            _, push, aux = linearized(of_primals, primals, "jvp(f, primals, tangents)", has_aux)
        found = vmap(lambda *directions: push(list(directions)))(*_basis(arguments))
        outputs, structure = flatten(found)
        _refuse_complex("outputs", outputs, "jacfwd")
        jacobian = []
        for output in outputs:
            parts = [
                part.permute((*range(argument.ndim, part.ndim), *range(argument.ndim)))
                for part, argument in zip(_of_each(output, arguments), arguments, strict=True)
            ]
            jacobian.append(_for_arguments(parts, tree, argnums))
        nested = unflatten(jacobian, structure)
        return (nested, aux) if has_aux else nested

    return _like(wrapped, func)  # type: ignore[no-any-return]


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the Hessian of ``func`` by its argument ``argnums``: ``jacfwd(jacrev(func))``.

    Example:
        >>> import rushlight as torch
        >>> torch.func.hessian(lambda x: (x * x * x).sum())(torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """``func`` itself: changes in place are recorded as they are here, so there is nothing to remove.

    Raises ``RuntimeError`` unless ``remove`` is ``"mutations"`` or ``"mutations_and_views"``.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are: "
            "remove='mutations' or remove='mutations_and_views'"
        )

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return _like(wrapped, func)  # type: ignore[no-any-return]


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """The tensor under ``vmap``'s and ``grad``'s wrappers, to be looked at: with the batch dimensions in front."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"debug_unwrap: expected a Tensor, got {type(tensor).__name__}")
    array = tensor._array
    while type(array) is Batched:
        array = array.value
        if not recurse:
            break
    return make_tensor(array)
