"""Checks of gradients against finite differences, of first and second order.

Complex inputs and outputs count as pairs of real numbers: with PyTorch's convention for complex gradients, backward of a
weight 1 or 1j gives the real and the imaginary part's rows of the real Jacobian.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import COMPLEXES, F64, OF_NUMPY
from ..core.history import Node
from ..core.sparse_arrays import SparseArray
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
        check_batched_grad: also check that backward of a batch of weights gives what backward of each gives.
        check_forward_ad, check_backward_ad: which modes to check.
        check_batched_forward_grad, masked: accepted. Of a sparse input only the elements that it has are moved.

    Raises ``ValueError`` where no input requires grad, ``RuntimeError`` where an input overlaps itself, ``AssertionError``
    where outputs have other shapes or dtypes when inputs are moved.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradcheck(lambda x: x.exp(), (x,))
        True
    """
    if not check_backward_ad and not check_forward_ad:
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        check = _Check(func, given, eps, atol, rtol, nondet_tol)
        if check_backward_ad:
            check.compare(fast_mode)
        if check_forward_ad:
            check.compare_forward()
        if check_backward_ad:
            if check_batched_grad:
                check.check_batched()
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
    if not check_rev_over_rev and not check_fwd_over_rev:
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        weights = tuple(
            [
                _drawn_weight(output, gen_non_contig_grad_outputs).requires_grad_()
                for output in _differentiable(func(*given))
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
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _differentiable(result: Any) -> tuple[Tensor, ...]:
    values = result if isinstance(result, tuple | list) else (result,)
    return tuple([value for value in values if isinstance(value, Tensor) and value.requires_grad])


def _drawn_weight(like: Tensor, spaced: bool) -> Tensor:
    """Numbers from -1 to 1 in the shape of ``like``, those that PyTorch draws from the stream of random numbers here;
    ``spaced``: every second element of its memory."""
    from ..ops.random import rand

    dtype = like._array.dtype
    real = np.zeros(0, dtype).real.dtype
    # PyTorch draws the memory between the elements, too; and the parts of a complex number one after the other.
    shape = (*like.shape[:-1], 2 * like.shape[-1]) if spaced and like.ndim else tuple(like.shape)
    drawn = rand(math.prod(shape) * (2 if dtype in COMPLEXES else 1), dtype=OF_NUMPY[real])._array * 2 - 1
    values = drawn.view(dtype).reshape(shape)
    return make_tensor(values[..., ::2] if spaced and like.ndim else values)


def _random_weight(like: Array, seed: int) -> Tensor:
    """Numbers from -1 to 1 in the shape of ``like``, from a stream of their own."""
    source = np.random.default_rng(seed)
    values = source.uniform(-1, 1, like.shape)
    if like.dtype in COMPLEXES:
        values = values + 1j * source.uniform(-1, 1, like.shape)
    return make_tensor(np.asarray(values, like.dtype))


def _components(array: Any) -> Array:
    """The elements as real numbers in row-major order: a complex one gives two."""
    array = array.values if isinstance(array, SparseArray) else array
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype in COMPLEXES else flat


_BATCHED = (
    "gradcheck or gradgradcheck failed while testing batched gradient computation: a batch of gradients, sent backward "
    "at once, must give what each of them gives. If the test does not support it, leave check_batched_grad out."
)
_UNDEFINED_WARNING = (
    "Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may break "
    'existing callers of this function. If this is true for you, you can call this function with "check_undefined_grad=False" '
    "to disable the feature"
)


def _memory(x: Tensor) -> Array:
    """The elements that can be moved: all, or those that a sparse tensor has."""
    array: Array = x._array.values if isinstance(x._array, SparseArray) else x._array
    return array


def _of_elements(gradient: Any, like: Any) -> Array:
    """The gradient's elements where ``like`` has some."""
    if not isinstance(like, SparseArray):
        return gradient  # type: ignore[no-any-return]
    dense: Any = np.zeros(gradient.shape, gradient.dtype)
    if isinstance(gradient, SparseArray):
        gradient.add_to(dense)
    else:
        dense += gradient
    chosen: Array = dense[tuple(like.coordinates())]
    return chosen


def _values_like(result: Any, outputs: tuple[Tensor, ...]) -> list[Tensor]:
    """As many of the function's results as there are differentiable ones, floating point ones first."""
    values = result if isinstance(result, tuple | list) else (result,)
    tensors = [v for v in values if isinstance(v, Tensor) and v._array.dtype.kind not in "iub"]
    return tensors[: len(outputs)] if outputs else tensors


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
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                    "likely fail if all the inputs are not of double precision floating point or complex. ",
                    stacklevel=3,
                )
            array = _memory(x)
            if array.size and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True)):
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping "
                    "to be able to compute the numerical gradients correctly. You should call .contiguous on the input before "
                    "passing it to gradcheck."
                )
        self.outputs = _differentiable(func(*inputs))
        if any(isinstance(output._array, SparseArray) for output in self.outputs):
            raise ValueError(
                "Sparse output is not supported at gradcheck yet. Please call to_dense(masked_grad=...) on the output of fn "
                "for gradcheck."
            )

    # --- values

    def values(self) -> list[Array]:
        """The outputs at the inputs' present values, as real components."""
        result = self.func(*self.inputs)
        values = result if isinstance(result, tuple | list) else (result,)
        chosen = [v for v in values if isinstance(v, Tensor) and v.requires_grad]
        if not self.outputs:
            chosen = [v for v in values if isinstance(v, Tensor) and v._array.dtype.kind not in "iub"]
        self.kinds = [(v.shape, v.dtype) for v in chosen]
        return [_components(v._array).copy() for v in chosen]

    def differences(self, x: Tensor, step: Callable[[Array, float], None]) -> list[Array]:
        """The outputs' central differences, where ``step(array, size)`` moves the input ``x``."""
        array = _memory(x)
        before = array.copy()
        try:
            step(array, self.eps)
            above = self.values()
            kinds_above = self.kinds
            array[...] = before
            step(array, -self.eps)
            below = self.values()
        finally:
            array[...] = before
        for i, (one, other) in enumerate(zip(kinds_above, self.kinds, strict=True)):
            for what, a, b in zip(("shape", "dtype"), one, other, strict=True):
                if a != b:
                    raise AssertionError(
                        f"Expected `func` to return outputs with the same {what} when inputs are perturbed on index {i}, but "
                        f"got: {a} and {b}."
                    )
        return [(a - b) / (2 * self.eps) for a, b in zip(above, below, strict=True)]

    def numerical(self, x: Tensor) -> list[Array]:
        """For each output the matrix of differences: a row for each component of ``x``."""
        rows: list[list[Array]] = []
        units = (1.0, 1j) if x._array.dtype in COMPLEXES else (1.0,)
        for index in np.ndindex(_memory(x).shape):
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
            if (
                part is not None
                and isinstance(part._array, SparseArray)
                and not isinstance(x._array, SparseArray)
            ):
                raise GradcheckError(f"grad is incorrect layout ({part.layout} is not {x.layout})")
            if part is not None and part._array.shape != x._array.shape:
                raise GradcheckError(
                    f"Analytical gradient of input {place} has incorrect size: {list(part._array.shape)} for "
                    f"{list(x._array.shape)}"
                )
            if part is None:
                values.append(_components(np.zeros(_memory(x).shape, x._array.dtype)))
            else:
                values.append(_components(_of_elements(part._array, x._array)))
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
            return [np.zeros((_components(_memory(x)).size, 0)) for x in self.points]
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
        weights = [_random_weight(output._array, 1 + i)._array for i, output in enumerate(self.outputs)]
        parts = [self.gradients(output, weight) for output, weight in zip(self.outputs, weights, strict=True)]
        again = [self.gradients(output, weight) for output, weight in zip(self.outputs, weights, strict=True)]
        for k, (place, x) in enumerate(zip(self.places, self.points, strict=True)):
            direction = source.uniform(-1, 1, _components(_memory(x)).size)
            numbers: Array = direction.view(C128) if x._array.dtype in COMPLEXES else direction
            move = numbers.reshape(_memory(x).shape)

            def step(array: Array, size: float, move: Array = move) -> None:
                array += (size * move).astype(array.dtype)

            changes = self.differences(x, step)
            for i, weight in enumerate(weights):
                expected = np.array(_components(weight) @ changes[i])
                self.must_agree(np.array(parts[i][k] @ direction), expected, i, place)
                self.must_repeat(parts[i][k], again[i][k])

    def must_agree(
        self, analytical: Array, numerical: Array, output: int, place: int, forward: bool = False
    ) -> None:
        if np.allclose(analytical, numerical, self.rtol, self.atol, equal_nan=True):
            return
        prefix = ""
        if not forward and numerical.ndim == 2 and self.outputs[output]._array.dtype in COMPLEXES:
            # Of a complex output real and imaginary part take turns.
            part = 1
            if np.allclose(analytical[:, 1::2], numerical[:, 1::2], self.rtol, self.atol, equal_nan=True):
                part = 0
            analytical, numerical = analytical[:, part::2], numerical[:, part::2]
            prefix = f"While considering the {('real', 'imaginary')[part]} part of complex outputs only, "
        mode = "computed with forward mode " if forward else ""
        raise GradcheckError(
            f"{prefix}Jacobian {mode}mismatch for output {output} with respect to input {place},\nnumerical:{numerical}\n"
            f"analytical:{analytical}\n"
        )

    def compare_forward(self) -> None:
        """Forward mode against differences, column by column."""
        from . import forward_ad  # it is made of backward passes, and few programs use it

        for place, x in zip(self.places, self.points, strict=True):
            numerical = self.numerical(x)
            row = 0
            for index in np.ndindex(x._array.shape):
                for unit in (1.0, 1j) if x._array.dtype in COMPLEXES else (1.0,):
                    tangent = np.zeros(x._array.shape, x._array.dtype)
                    tangent[index] = unit
                    with forward_ad.dual_level():
                        inputs = [
                            forward_ad.make_dual(value.detach(), make_tensor(tangent))
                            if i == place
                            else forward_ad.make_dual(
                                value.detach(), make_tensor(np.zeros_like(value._array))
                            )
                            if i in self.places
                            else value
                            for i, value in enumerate(self.inputs)
                        ]
                        outputs = _values_like(self.func(*inputs), self.outputs)
                        found = [forward_ad.unpack_dual(output).tangent for output in outputs]
                    for i, (output, part) in enumerate(zip(outputs, found, strict=True)):
                        column = np.zeros_like(output._array) if part is None else part._array
                        self.must_agree(_components(column), numerical[i][row], i, place, forward=True)
                    row += 1

    def check_batched(self) -> None:
        """Backward of several weights at once gives what backward of each gives."""
        from ..ops.random import randn_like

        for i, output in enumerate(self.outputs):
            weights = [randn_like(output.detach()) for _ in range(2)]
            expected = [
                grad(output, self.points, weight, retain_graph=True, allow_unused=True) for weight in weights
            ]
            try:
                from ..ops.joining import stack

                batch = stack(weights)
                found = grad(
                    output, self.points, batch, retain_graph=True, allow_unused=True, is_grads_batched=True
                )
            except RuntimeError as error:
                raise GradcheckError(
                    f"While computing batched gradients, got: {error}\n\n{_BATCHED}"
                ) from error
            for k, part in enumerate(found):
                if part is None:
                    continue
                for entry in (0, 1):
                    one = expected[entry][k]
                    if one is not None and not np.allclose(
                        part._array[entry], one._array, self.rtol, self.atol
                    ):
                        raise GradcheckError(
                            f"For output {i} and input {self.places[k]}:\n{_BATCHED}\nGot:\n{part[entry]}\n\nExpected:\n{one}"
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
            if np.any(_of_elements(part._array, x._array) != 0):
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
                warnings.warn(_UNDEFINED_WARNING, stacklevel=3)
                raise GradcheckError(
                    "Expected backward function to handle undefined output grads. Please look at 'Notes about undefined output "
                    f"gradients' in the documentation of autograd.Function. It raised {type(error).__name__}: {error}"
                ) from error
            for x, zeros, part in zip(self.points, with_zeros, without, strict=True):
                nothing = np.zeros(_memory(x).shape)
                expected = nothing if zeros is None else _of_elements(zeros._array, x._array)
                actual = nothing if part is None else _of_elements(part._array, x._array)
                if not np.allclose(expected, actual, equal_nan=True):
                    warnings.warn(_UNDEFINED_WARNING, stacklevel=3)
                    raise GradcheckError(
                        "Expected all input gradients to be undefined or zero when all output gradients are undefined or zero: "
                        "an output gradient that is undefined gave another result than one of zeros."
                    )


def get_numerical_jacobian(
    fn: Callable[..., Any],
    inputs: Any,
    target: Tensor | None = None,
    eps: float = 1e-3,
    grad_out: float = 1.0,
) -> list[Tensor]:
    """Deprecated: the Jacobians of ``fn(inputs)``'s first output by differences, each with a row for an input element."""
    _warn_of_private("get_numerical_jacobian")
    if grad_out != 1.0:
        raise ValueError(
            "Expected grad_out to be 1.0. get_numerical_jacobian no longer supports values of grad_out != 1.0."
        )
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check = _Check(lambda *values: fn(values), given, eps, 0.0, 0.0, 0.0)
    chosen = check.points if target is None else [target]
    return [make_tensor(check.numerical(x)[0]) for x in chosen]


def get_analytical_jacobian(
    inputs: Any, output: Tensor, nondet_tol: float = 0.0, grad_out: float = 1.0
) -> tuple[tuple[Tensor, ...], bool, bool, bool]:
    """Deprecated: the Jacobians of ``output`` by backward, and whether it gave them twice, in the right size and dtype."""
    _warn_of_private("get_analytical_jacobian")
    if grad_out != 1.0:
        raise ValueError(
            "Expected grad_out to be 1.0. get_analytical_jacobian no longer supports values of grad_out != 1.0."
        )
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check = _Check(lambda *_: output, given, 1e-6, 0.0, 0.0, nondet_tol)
    first, second = check.analytical(output), check.analytical(output)
    same = all(np.allclose(a, b, 0.0, nondet_tol) for a, b in zip(first, second, strict=True))
    return tuple([make_tensor(matrix) for matrix in first]), same, True, True


def _warn_of_private(name: str) -> None:
    warnings.warn(
        f"`{name}` was part of PyTorch's private API and not meant to be exposed. We are deprecating it and it will be removed "
        "in a future version of PyTorch.",
        FutureWarning,
        stacklevel=3,
    )
