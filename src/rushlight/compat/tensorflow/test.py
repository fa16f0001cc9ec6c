"""``tf.test``: the base of tests of graphs."""

from __future__ import annotations

import contextlib
import os
import tempfile
import unittest
from collections.abc import Iterator
from typing import Any

import numpy as np

from .graph import Graph, reset_default_graph
from .ops_random import set_random_seed
from .session import Session


class TestCase(unittest.TestCase):
    """A test case with a fresh default graph for each test, and comparisons of arrays."""

    __test__ = False  # pytest collects the program's classes, not this one

    def setUp(self) -> None:
        """Begin with an empty graph and fixed seeds."""
        reset_default_graph()
        np.random.seed(1234)
        set_random_seed(1234)

    def get_temp_dir(self) -> str:
        """A folder for the test's files."""
        return tempfile.mkdtemp()

    @contextlib.contextmanager
    def session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """A session, as the default one."""
        with Session(graph=graph, config=config) as found:
            yield found

    test_session = cached_session = session

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, in the default session."""
        from .graph import get_default_session

        return get_default_session().run(tensors)

    def _value(self, item: Any) -> Any:
        return self.evaluate(item) if hasattr(item, "graph") else item

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None) -> None:
        """Fail unless the arrays are equal up to these tolerances."""
        np.testing.assert_allclose(self._value(a), self._value(b), rtol, atol, err_msg=msg or "")

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Fail unless the arrays are equal."""
        np.testing.assert_array_equal(self._value(a), self._value(b), err_msg=msg or "")

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: Any = None) -> None:
        """Fail unless the elements differ by at most ``err``."""
        np.testing.assert_allclose(farray1, farray2, rtol=0, atol=err, err_msg=msg or "")

    def assertNear(self, f1: float, f2: float, err: float, msg: Any = None) -> None:
        """Fail unless the numbers differ by at most ``err``."""
        self.assertLessEqual(abs(f1 - f2), err, msg)

    def assertShapeEqual(self, np_array: Any, tf_tensor: Any, msg: Any = None) -> None:
        """Fail unless array and tensor have one shape."""
        self.assertEqual(list(np_array.shape), tf_tensor.shape.as_list(), msg)

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """A context that fails unless a ``tf.errors.OpError`` with this message is raised."""
        from .errors import OpError

        return self.assertRaisesRegex(OpError, expected_err_re_or_predicate)


def main(argv: Any = None) -> None:
    """Run the tests of the program."""
    unittest.main(argv=argv)


def is_built_with_cuda() -> bool:
    """False: sessions run on the processor."""
    return False


def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """False: sessions run on the processor."""
    return False


def gpu_device_name() -> str:
    """Empty: sessions run on the processor."""
    return ""


def get_temp_dir() -> str:
    """A folder for files of tests."""
    return os.path.join(tempfile.gettempdir())


def compute_gradient_error(
    x: Any, x_shape: Any, y: Any, y_shape: Any, x_init_value: Any = None, delta: float = 1e-3, **_: Any
) -> float:
    """The largest difference of the gradient of ``y`` by ``x`` and finite differences, in the default session."""
    theory, numbers = compute_gradient(x, x_shape, y, y_shape, x_init_value, delta)
    return float(np.abs(theory - numbers).max()) if theory.size else 0.0


def compute_gradient(
    x: Any, x_shape: Any, y: Any, y_shape: Any, x_init_value: Any = None, delta: float = 1e-3, **_: Any
) -> tuple[Any, Any]:
    """The Jacobian of ``y`` by ``x``, (elements of x, elements of y): by ``tf.gradients``, and by finite differences."""
    from .differentiate import gradients
    from .graph import get_default_session
    from .ops_array import placeholder

    session = get_default_session()
    value = np.random.random_sample(x_shape) if x_init_value is None else np.array(x_init_value)
    value = value.astype(x.dtype.numpy)
    weight = placeholder(y.dtype, y_shape)
    (slope,) = gradients(y, x, [weight])
    columns = int(np.prod(y_shape))
    theory, numbers = np.zeros((value.size, columns)), np.zeros((value.size, columns))
    for column in range(columns):
        one = np.zeros(columns)
        one[column] = 1
        theory[:, column] = session.run(slope, {x: value, weight: one.reshape(y_shape)}).ravel()
    for row in range(value.size):
        found = []
        for sign in (1, -1):
            moved = value.copy()
            moved.reshape(-1)[row] += sign * delta
            found.append(np.asarray(session.run(y, {x: moved}), np.float64).ravel())
        numbers[row] = (found[0] - found[1]) / (2 * delta)
    return theory, numbers
