"""``tf.custom_gradient``: functions whose gradient the program gives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .control_flow import Body
from .conversion import convert_to_tensor
from .graph import Tensor
from .ops_array import stop_gradient


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f``, which gives ``(result, function of the result's gradient)``, as a function with that gradient.

    The second function gives one gradient for each argument of ``f``. Gradients go to the arguments only, not to variables
    that ``f`` uses.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> @tf.custom_gradient
        ... def straight(x):
        ...     return tf.round(x), lambda dy: dy
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     x = tf.constant(1.4)
        ...     print(session.run(tf.gradients(straight(x), x)))
        [np.float32(1.0)]
    """

    @functools.wraps(f)
    def decorated(*args: Any, **options: Any) -> Any:
        operands = [convert_to_tensor(item) for item in args]
        returned, grad_fn = f(*[stop_gradient(item) for item in operands], **options)
        several = isinstance(returned, list | tuple)
        results = [convert_to_tensor(item) for item in (returned if several else [returned])]
        graph = results[0].graph
        signature = [(tensor.dtype, tensor.shape) for tensor in results]
        body = Body(graph, "custom_gradient", lambda *grads: _as_tuple(grad_fn(*grads)), signature)
        given = body.captured
        op = graph.create_op(
            "CustomGradient",
            [*results, *operands, *given],
            signature,
            bind=lambda binding: _kernel(
                body.bound(binding, [*body.parameters, *given]), len(results), len(operands)
            ),
            name=f"{f.__name__.strip('<>')}_gradient",
            attributes={"has_blocks": True, "many": True},
        )
        return type(returned)(op.outputs) if several else op.outputs[0]

    return decorated


def _as_tuple(gradients: Any) -> tuple[Any, ...]:
    return tuple(gradients) if isinstance(gradients, list | tuple) else (gradients,)


def _kernel(call: Callable[..., Any], width: int, arguments: int) -> Callable[..., tuple[Any, ...]]:
    def kernel(*values: Any) -> tuple[Any, ...]:
        results = [value.detach().clone() for value in values[:width]]
        operands = values[width : width + arguments]
        outer = [value.detach() for value in values[width + arguments :]]

        class Given(rl.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *_: Any) -> Any:
                return tuple(results) if width > 1 else results[0]

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                found = call(*grads, *outer)
                return found if len(found) > 1 else found[0]

        made = Given.apply(*operands)
        return tuple(made) if width > 1 else (made,)

    return kernel


def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with the gradient of the identity."""

    def straight(x: Any) -> tuple[Tensor, Callable[[Any], Any]]:
        return f(x), lambda dy: dy

    return custom_gradient(straight)
