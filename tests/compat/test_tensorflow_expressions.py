"""Five hundred expressions: static shape, type and value of each are what TensorFlow 2.15's ``compat.v1`` gave.

``expressions.json`` has a line for each: the expression, or statements and an expression with ``;;`` between them, and for each
tensor in its result ``[static shape, type, [type, shape, elements]]``, for anything else ``["py", value]``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf

CASES = json.loads((Path(__file__).parent / "expressions.json").read_text())


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, tf.SparseTensor):
        yield from (value.indices, value.values, value.dense_shape)
    else:
        yield value


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> Any:
    return (np.random.RandomState(seed).rand(*shape) + 0.5).astype(np.float32)


def integers(limit: int, *shape: int, seed: int = 0) -> Any:
    return np.random.RandomState(seed).randint(0, limit, shape).astype(np.int32)


def described(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bytes | str):
        return value.decode() if isinstance(value, bytes) else value
    if isinstance(value, tf.TensorShape):
        return ["shape", str(value)]
    if isinstance(value, tf.Dimension):
        return str(value)
    array = np.asarray(value)
    if array.dtype.kind == "O":
        return ["str", [item.decode() for item in array.ravel().tolist()]]
    items = array.ravel().tolist()
    if array.dtype.kind == "c":
        items = [str(item) for item in np.round(array.ravel(), 4).tolist()]
    items = [str(item) if isinstance(item, float) and not math.isfinite(item) else item for item in items]
    return [str(array.dtype), list(array.shape), items]


def close(found: Any, expected: Any) -> bool:
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(close(a, b) for a, b in zip(found, expected, strict=True))
    if isinstance(found, float) and isinstance(expected, float):
        # float32: products, convolutions and inverses are summed in another order.
        return math.isclose(found, expected, rel_tol=1e-4, abs_tol=1e-6)
    return bool(found == expected)


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[str(i) for i in range(len(CASES))])
def test_expression(text: str, expected: list[Any]) -> None:
    feeds: dict[Any, Any] = {}
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        scope = {
            "tf": tf,
            "np": np,
            "f": normal,
            "p": positive,
            "ii": integers,
            "C": tf.constant,
            "ph": lambda *shape, dt=None: tf.placeholder(dt or tf.float32, shape),
            "grads": lambda y, *xs: tf.gradients(y, list(xs)),
            "feed": feeds,
        }
        *before, last = text.split(";;")
        for statement in before:
            exec(statement.strip(), scope)
        parts = list(leaves(eval(last.strip(), scope)))
        tensors = [part for part in parts if isinstance(part, tf.Tensor | tf.Variable)]
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            values = iter(session.run(tensors, feeds))
    found = []
    for part in parts:
        if isinstance(part, tf.Tensor | tf.Variable):
            found.append([str(part.shape), part.dtype.name, described(next(values))])
        else:
            found.append(["py", None if isinstance(part, tf.Operation) else described(part)])
    assert close(found, expected), f"{text}: {found} where TensorFlow gave {expected}"
