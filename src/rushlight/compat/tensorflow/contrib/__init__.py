"""The parts of ``tf.contrib`` that tutorials use: ``contrib.layers`` and ``contrib.rnn``."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from .. import layers as _layers, nn, rnn_cell
from ..conversion import convert_to_tensor
from ..graph import Tensor
from ..initializers import VarianceScaling
from ..rnn import static_rnn as static_rnn


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = "float32") -> Any:
    """Random numbers with variance 2 / (inputs + outputs)."""
    return VarianceScaling(1.0, "fan_avg", "uniform" if uniform else "truncated_normal", seed, dtype)


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Any:
    """Random numbers with variance ``factor / n``."""
    kinds = {"FAN_IN": "fan_in", "FAN_OUT": "fan_out", "FAN_AVG": "fan_avg"}
    if mode not in kinds:
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")
    return VarianceScaling(factor, kinds[mode], "uniform" if uniform else "truncated_normal", seed, dtype)


def l2_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """A penalty of ``scale`` times half the sum of squares."""
    return lambda weights: None if scale == 0 else nn.l2_loss(weights) * scale


def l1_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """A penalty of ``scale`` times the sum of absolute values."""
    from ..ops_math import abs
    from ..ops_reduce import reduce_sum

    return lambda weights: None if scale == 0 else reduce_sum(abs(convert_to_tensor(weights))) * scale


def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Callable[..., Any] | None = nn.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = None,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: str | None = None,
) -> Tensor:
    """A dense layer with ``relu`` by default."""
    result: Tensor = _layers.dense(
        inputs,
        num_outputs,
        kernel_initializer=weights_initializer or xavier_initializer(),
        kernel_regularizer=weights_regularizer,
        bias_initializer=biases_initializer,
        bias_regularizer=biases_regularizer,
        trainable=trainable,
        name=scope or "fully_connected" if scope else None,
        reuse=reuse,
        use_bias=normalizer_fn is None,
    )
    if normalizer_fn is not None:
        result = normalizer_fn(result, **(normalizer_params or {}))
    return result if activation_fn is None else activation_fn(result)


def _namespace(name: str, members: dict[str, Any]) -> ModuleType:
    """A module of functions that are defined elsewhere, so that both ways of importing find it."""
    module = ModuleType(f"{__name__}.{name}", f"``tf.contrib.{name}``.")
    vars(module).update(members)
    return module


layers = _namespace(
    "layers",
    {
        "fully_connected": fully_connected,
        "linear": lambda inputs, num_outputs, **options: fully_connected(
            inputs, num_outputs, None, **options
        ),
        "flatten": _layers.flatten,
        "xavier_initializer": xavier_initializer,
        "xavier_initializer_conv2d": xavier_initializer,
        "variance_scaling_initializer": variance_scaling_initializer,
        "l1_regularizer": l1_regularizer,
        "l2_regularizer": l2_regularizer,
    },
)
rnn = _namespace(
    "rnn",
    {name: getattr(rnn_cell, name) for name in rnn_cell.__all__}
    | {"static_rnn": static_rnn, "GRUBlockCell": rnn_cell.GRUCell, "LSTMBlockCell": rnn_cell.BasicLSTMCell},
)
