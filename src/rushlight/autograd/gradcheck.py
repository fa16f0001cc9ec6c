"""Checks of gradients against finite differences, of first and second order.

Complex inputs and outputs count as pairs of real numbers: with PyTorch's convention for complex gradients, backward of a
weight 1 or 1j gives the real and the imaginary part's rows of the real Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import COMPLEXES, F64, OF_NUMPY
from ..core.history import Node
from ..core.tensor import Tensor, make_tensor
from .differentiate import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Array = NDArray[Any]
C128 = np.dtype(np.complex128)


class GradcheckError(RuntimeError):
    """Raised by ``gradcheck`` and ``gradgradcheck`` where a gradient is wrong."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether backward of ``func`` at ``inputs`` gives the derivatives that finite differences give.

    Args:
        func: from the inputs to a tensor or a tuple of them.
        inputs: the arguments; the tensors that require grad are checked. They should be float64 or complex128.
        eps: the step of the differences, ``(f(x + eps) - f(x - eps)) / (2 eps)``.
        atol, rtol: a derivative may be off by ``atol + rtol * |difference|``.
        raise_exception: raise ``GradcheckError`` instead of returning False.
        nondet_tol: how far two runs of backward may differ.
        check_undefined_grad: also check that backward copes with outputs that got no gradient.
        check_grad_dtypes: also check that gradients have their inputs' dtypes.
        fast_mode: compare the product with random vectors only, not every element.
        check_batched_grad, masked: accepted; there is nothing more to check.

    Raises ``ValueError`` where no input requires grad or an input overlaps itself, ``NotImplementedError`` for forward mode.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradcheck(lambda x: x.exp(), (x,))
        True
    """
    if check_forward_ad or check_batched_forward_grad:
        raise NotImplementedError(
            "gradcheck: check_forward_ad=True: there is no forward-mode differentiation; leave it False"
        )
    if not check_backward_ad:
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        check = _Check(func, given, eps, atol, rtol, nondet_tol)
        check.compare(fast_mode)
        check.check_weights(check_grad_dtypes)
        if check_undefined_grad:
            check.check_undefined()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """``gradcheck`` of the gradients themselves: whether backward can be differentiated, and rightly.

    ``grad_outputs`` are the weights of the outputs; left out, they are random (``gen_non_contig_grad_outputs``: and not
    contiguous). The other parameters are those of ``gradcheck``.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradgradcheck(lambda x: x.exp(), (x,))
        True
    """
    if check_fwd_over_rev:
        raise NotImplementedError(
            "gradgradcheck: check_fwd_over_rev=True: there is no forward-mode differentiation; leave it False"
        )
    if not check_rev_over_rev:
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        weights = tuple(
            [
                _random_weight(output._array, gen_non_contig_grad_outputs, i)
                for i, output in enumerate(_differentiable(func(*given)))
            ]
        )
    else:
        weights = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        arguments, rest = args[: len(given)], args[len(given) :]
        outputs = _differentiable(func(*arguments))
        parts = grad(
            outputs,
            [a for a in arguments if isinstance(a, Tensor) and a.requires_grad],
            rest,
            create_graph=True,
            allow_unused=True,
        )
        return tuple([part for part in parts if part is not None])

    return gradcheck(
        gradients,
        (*given, *weights),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
    )


def _differentiable(result: Any) -> tuple[Tensor, ...]:
    values = result if isinstance(result, tuple | list) else (result,)
    return tuple([value for value in values if isinstance(value, Tensor) and value.requires_grad])


def _random_weight(like: Array, spaced: bool, seed: int) -> Tensor:
    """Numbers from -1 to 1 in the shape of ``like``, requiring grad; ``spaced``: every second element of its memory."""
    source = np.random.default_rng(seed)
    shape = (*like.shape[:-1], 2 * like.shape[-1]) if spaced and like.ndim else like.shape
    values = source.uniform(-1, 1, shape)
    if like.dtype in COMPLEXES:
        values = values + 1j * source.uniform(-1, 1, shape)
    array = np.asarray(values, like.dtype)
    return make_tensor(array[..., ::2] if spaced and like.ndim else array).requires_grad_()


def _components(array: Array) -> Array:
    """The elements as real numbers in row-major order: a complex one gives two."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype in COMPLEXES else flat


class _Undefined:
    """An operation whose gradient is undefined."""

    name = grad_name = "undefined"
    saves_output = False

    @staticmethod
    def vjp(gradient: Tensor, node: Node) -> None:
        return None


class _Check:
    """One function at one point."""

    def __init__(
        self,
        func: Callable[..., Any],
        inputs: tuple[Any, ...],
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
    ) -> None:
        self.func = func
        self.inputs = inputs
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
        if not self.places:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of the them have "
                "requires_grad=True."
            )
        self.points: list[Tensor] = [inputs[i] for i in self.places]
        for i, x in zip(self.places, self.points, strict=True):
            if x._array.dtype not in (F64, C128):
                import warnings

                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                    "likely fail if all the inputs are not of double precision floating point or complex. ",
                    stacklevel=3,
                )
            array = x._array
            if array.size and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True)):
                raise ValueError(
                    f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping "
                    "to be able to compute the numerical gradients correctly. You should call .contiguous on the input before "
                    "passing it to gradcheck."
                )
        self.outputs = _differentiable(func(*inputs))

    # --- values

    def values(self) -> list[Array]:
        """The outputs at the inputs' present values, as real components."""
        result = self.func(*self.inputs)
        values = result if isinstance(result, tuple | list) else (result,)
        chosen = [v for v in values if isinstance(v, Tensor) and v.requires_grad]
        if not self.outputs:
            chosen = [v for v in values if isinstance(v, Tensor) and v._array.dtype.kind not in "iub"]
        return [_components(v._array).copy() for v in chosen]

    def differences(self, x: Tensor, step: Callable[[Array, float], None]) -> list[Array]:
        """The outputs' central differences, where ``step(array, size)`` moves the input ``x``."""
        array = x._array
        before = array.copy()
        try:
            step(array, self.eps)
            above = self.values()
            array[...] = before
            step(array, -self.eps)
            below = self.values()
        finally:
            array[...] = before
        return [(a - b) / (2 * self.eps) for a, b in zip(above, below, strict=True)]

    def numerical(self, x: Tensor) -> list[Array]:
        """For each output the matrix of differences: a row for each component of ``x``."""
        rows: list[list[Array]] = []
        units = (1.0, 1j) if x._array.dtype in COMPLEXES else (1.0,)
        for index in np.ndindex(x._array.shape):
            for unit in units:

                def step(array: Array, size: float, index: Any = index, unit: Any = unit) -> None:
                    array[index] += size * unit

                rows.append(self.differences(x, step))
        if not rows:
            return [np.zeros((0, _components(o._array).size)) for o in self.outputs]
        return [np.stack([row[i] for row in rows]) for i in range(len(rows[0]))]

    def gradients(self, output: Tensor, weight: Array) -> list[Array]:
        """The gradients of one weighted output by every point, as real components."""
        parts = grad(
            output,
            self.points,
            make_tensor(weight.astype(output._array.dtype, copy=False)),
            retain_graph=True,
            allow_unused=True,
        )
        values = []
        for place, x, part in zip(self.places, self.points, parts, strict=True):
            if part is not None and part._array.shape != x._array.shape:
                raise GradcheckError(
                    f"Analytical gradient of input {place} has incorrect size: {list(part._array.shape)} for "
                    f"{list(x._array.shape)}"
                )
            values.append(
                _components(np.zeros(x._array.shape, x._array.dtype) if part is None else part._array)
            )
        return values

    def analytical(self, output: Tensor) -> list[Array]:
        """For each point the matrix of gradients: a row for each component of the point."""
        shape, dtype = output._array.shape, output._array.dtype
        columns = []
        for index in np.ndindex(shape):
            for unit in (1.0, 1j) if dtype in COMPLEXES else (1.0,):
                weight = np.zeros(shape, dtype)
                weight[index] = unit
                columns.append(self.gradients(output, weight))
        if not columns:
            return [np.zeros((_components(x._array).size, 0)) for x in self.points]
        return [np.stack([column[i] for column in columns], axis=1) for i in range(len(self.points))]

    # --- checks

    def compare(self, fast: bool) -> None:
        """Backward against differences; and against itself, for it must give the same twice."""
        if not self.outputs:
            for i, x in zip(self.places, self.points, strict=True):
                if any(matrix.any() for matrix in self.numerical(x)):
                    raise GradcheckError(f"Numerical gradient for function expected to be zero (input {i})")
            return
        if fast:
            self.compare_projections()
            return
        numerical = [self.numerical(x) for x in self.points]
        for i, output in enumerate(self.outputs):
            analytical = self.analytical(output)
            again = self.analytical(output)
            for k, place in enumerate(self.places):
                self.must_agree(analytical[k], numerical[k][i], i, place)
                self.must_repeat(analytical[k], again[k])

    def compare_projections(self) -> None:
        """``v · J u`` for random ``u`` and ``v``: one difference and one backward for each pair of input and output."""
        source = np.random.default_rng(0)
        weights = [
            _random_weight(output._array, False, 1 + i)._array for i, output in enumerate(self.outputs)
        ]
        parts = [self.gradients(output, weight) for output, weight in zip(self.outputs, weights, strict=True)]
        again = [self.gradients(output, weight) for output, weight in zip(self.outputs, weights, strict=True)]
        for k, (place, x) in enumerate(zip(self.places, self.points, strict=True)):
            direction = source.uniform(-1, 1, _components(x._array).size)
            numbers: Array = direction.view(C128) if x._array.dtype in COMPLEXES else direction
            move = numbers.reshape(x._array.shape)

            def step(array: Array, size: float, move: Array = move) -> None:
                array += (size * move).astype(array.dtype)

            changes = self.differences(x, step)
            for i, weight in enumerate(weights):
                expected = np.array(_components(weight) @ changes[i])
                self.must_agree(np.array(parts[i][k] @ direction), expected, i, place)
                self.must_repeat(parts[i][k], again[i][k])

    def must_agree(self, analytical: Array, numerical: Array, output: int, place: int) -> None:
        if not np.allclose(analytical, numerical, self.rtol, self.atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian mismatch for output {output} with respect to input {place},\nnumerical:{numerical}\n"
                f"analytical:{analytical}\n"
            )

    def must_repeat(self, first: Array, second: Array) -> None:
        if not np.allclose(first, second, 0.0, self.nondet_tol, equal_nan=True):
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                "different values, although analytical gradient matches numerical gradient. The tolerance for nondeterminism "
                f"was {self.nondet_tol}."
            )

    def check_weights(self, dtypes: bool) -> None:
        """A gradient is proportional to what arrives, so zeros give zeros; and it has its input's shape and dtype."""
        if not self.outputs:
            return
        zeros = [make_tensor(np.zeros_like(output._array)) for output in self.outputs]
        for x, part in zip(self.points, self.backward(zeros), strict=True):
            if part is None:
                continue
            if np.any(part._array != 0):
                raise GradcheckError("backward not multiplied by grad_output")
            if dtypes and part._array.dtype != x._array.dtype:
                raise GradcheckError(
                    f"grad is incorrect type: {part.dtype} for an input of {OF_NUMPY[x._array.dtype]}"
                )
            if part._array.shape != x._array.shape:
                raise GradcheckError("grad is incorrect size")

    def backward(self, weights: list[Tensor], undefined: tuple[int, ...] = ()) -> Any:
        outputs = [
            make_tensor(o._array, Node(_Undefined, (o._node,), o._array)) if i in undefined else o
            for i, o in enumerate(self.outputs)
        ]
        return grad(outputs, self.points, weights, retain_graph=True, allow_unused=True)

    def check_undefined(self) -> None:
        """Outputs whose gradient is undefined count as if it were zero."""
        count = len(self.outputs)
        cases = [tuple(range(count))] if count == 1 else [tuple(range(count)), *[(i,) for i in range(count)]]
        for undefined in cases if count else ():
            weights = [
                make_tensor(np.zeros_like(output._array) if i in undefined else np.ones_like(output._array))
                for i, output in enumerate(self.outputs)
            ]
            try:
                with_zeros = self.backward(weights)
                without = self.backward(weights, undefined)
            except Exception as error:
                raise GradcheckError(
                    "Expected backward function to handle undefined output grads. Please look at 'Notes about undefined output "
                    f"gradients' in the documentation of autograd.Function. It raised {type(error).__name__}: {error}"
                ) from error
            for x, zeros, part in zip(self.points, with_zeros, without, strict=True):
                expected = np.zeros(x._array.shape) if zeros is None else zeros._array
                actual = np.zeros(x._array.shape) if part is None else part._array
                if not np.allclose(expected, actual, equal_nan=True):
                    raise GradcheckError(
                        "Expected all input gradients to be undefined or zero when all output gradients are undefined or zero: "
                        "an output gradient that is undefined gave another result than one of zeros."
                    )
