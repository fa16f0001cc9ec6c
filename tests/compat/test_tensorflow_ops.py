"""Operations under TensorFlow's names, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


X = np.array([[1.5, -2.0, 0.25], [3.0, 0.5, -1.0]], np.float32)
POSITIVE = np.abs(X) + 0.1


UNARY = {
    "abs": np.abs,
    "negative": np.negative,
    "square": np.square,
    "sign": np.sign,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "atan": np.arctan,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "rint": np.rint,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "expm1": np.expm1,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "is_finite": np.isfinite,
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_tensor(name: str) -> None:
    # A placeholder without a shape, so that nothing is known before the run.
    x = tf.placeholder(tf.float32)
    np.testing.assert_allclose(run(getattr(tf, name)(x), {x: X}), UNARY[name](X), rtol=2e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log", np.log),
        ("sqrt", np.sqrt),
        ("rsqrt", lambda x: 1 / np.sqrt(x)),
        ("log1p", np.log1p),
        ("reciprocal", np.reciprocal),
    ],
)
def test_functions_of_positive_numbers(name: str, expected) -> None:
    np.testing.assert_allclose(run(getattr(tf, name)(POSITIVE)), expected(POSITIVE), rtol=2e-6)


BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "floordiv": np.floor_divide,
    "floormod": np.mod,
    "squared_difference": lambda x, y: (x - y) ** 2,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "y", [np.float32(2.0), np.array([1.5, -0.5, 2.0], np.float32)], ids=["number", "row"]
)
def test_functions_of_two_tensors(name: str, y) -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    function = getattr(tf, name)
    np.testing.assert_allclose(run(function(x, tf.constant(y)), {x: X}), BINARY[name](X, y), rtol=1e-6)
    np.testing.assert_allclose(run(function(tf.constant(y), x), {x: X}), BINARY[name](y, X), rtol=1e-6)


def test_operators() -> None:
    x = tf.constant(X)
    found = run(
        [x + 1, 1 - x, x * 2.0, x / 4, 3 / (x * x), x**2, 2.0**x, -x, abs(x), x // 2, x % 2, x > 0, x <= 0.25]
    )
    expected = [
        X + 1,
        1 - X,
        X * 2,
        X / 4,
        3 / (X * X),
        X**2,
        2**X,
        -X,
        abs(X),
        X // 2,
        X % 2,
        X > 0,
        X <= 0.25,
    ]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6)
    a, b = tf.constant([True, False]), tf.constant([True, True])
    assert [value.tolist() for value in run([a & b, a | b, a ^ b, ~a])] == [
        [True, False], [True, True], [False, True], [False, True],
    ]  # fmt: skip
    np.testing.assert_allclose(run(x @ tf.transpose(x)), X @ X.T, rtol=1e-6)
    v = tf.Variable(X)
    with tf.Session() as session:
        session.run(v.initializer)
        np.testing.assert_allclose(session.run([v + 1.0, 2.0 * v, v[0]])[1], 2 * X)


def test_integer_division() -> None:
    seven = tf.constant([7, -7])
    found = run(
        [seven / 2, seven // 2, tf.div(seven, 2), tf.truediv(seven, 2), seven % 3, tf.truncatemod(seven, 3)]
    )
    assert [value.tolist() for value in found] == [
        [3.5, -3.5],
        [3, -4],
        [3, -4],
        [3.5, -3.5],
        [1, 2],
        [1, -1],
    ]
    assert found[0].dtype == np.float64 and found[1].dtype == np.int32


def test_division_without_nan() -> None:
    x, y = tf.constant([1.0, 2.0]), tf.constant([0.0, 4.0])
    z = tf.div_no_nan(x, y)
    assert run(z).tolist() == [0.0, 0.5]
    assert [g.tolist() for g in run(tf.gradients(z, [x, y]))] == [[0.0, 0.25], [0.0, -0.125]]


def test_gradients_of_maximum_go_to_the_first_where_both_are_equal() -> None:
    x, y = tf.constant([0.0, 1.0, -1.0]), tf.constant([0.0, 0.0, 0.0])
    for function, expected in ((tf.maximum, [[1, 1, 0], [0, 0, 1]]), (tf.minimum, [[1, 0, 1], [0, 1, 0]])):
        assert [g.tolist() for g in run(tf.gradients(function(x, y), [x, y]))] == expected
    assert run(tf.gradients(tf.nn.relu(x), x)[0]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("axis", [None, 0, 1, -1, [0, 1]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(axis, keepdims: bool) -> None:
    x = tf.placeholder(tf.float32)
    along = tuple(axis) if isinstance(axis, list) else axis
    for name, expected in {
        "reduce_sum": np.sum, "reduce_mean": np.mean, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod,
    }.items():  # fmt: skip
        found = run(getattr(tf, name)(x, axis, keepdims=keepdims), {x: X})
        np.testing.assert_allclose(found, expected(X, axis=along, keepdims=keepdims), rtol=1e-5)
    for name, expected in {"reduce_all": np.all, "reduce_any": np.any}.items():
        found = run(getattr(tf, name)(tf.constant(X) > 0, axis, keep_dims=keepdims))
        np.testing.assert_array_equal(found, expected(X > 0, axis=along, keepdims=keepdims))
    found = run(tf.reduce_logsumexp(X, axis, keepdims))
    np.testing.assert_allclose(found, np.log(np.sum(np.exp(X), axis=along, keepdims=keepdims)), rtol=1e-5)


def test_reductions_keep_integer_types() -> None:
    whole = tf.constant([1, 2, 4])
    total, mean, product = run([tf.reduce_sum(whole), tf.reduce_mean(whole), tf.reduce_prod(whole)])
    assert (total, mean, product) == (7, 2, 8) and {total.dtype, mean.dtype} == {np.dtype(np.int32)}
    assert run(tf.reduce_sum(whole, reduction_indices=[0])) == 7
    with pytest.raises(ValueError, match="Cannot specify both"):
        tf.reduce_sum(whole, 0, reduction_indices=[0])


def test_searches_and_scans() -> None:
    assert run(tf.argmax(X, 1)).tolist() == [0, 0] and run(tf.argmin(X)).tolist() == [0, 0, 1]
    assert run(tf.argmax(X)).tolist() == np.argmax(X, 0).tolist()  # axis 0 by default
    np.testing.assert_allclose(run(tf.cumsum(X, 1)), np.cumsum(X, 1))
    assert run(tf.cumsum([1, 2, 3], exclusive=True)).tolist() == [0, 1, 3]
    assert run(tf.cumsum([1, 2, 3], reverse=True)).tolist() == [6, 5, 3]
    assert run(tf.cumprod([1, 2, 3], exclusive=True, reverse=True)).tolist() == [6, 3, 1]
    values, indices = run(tf.nn.top_k([[1.0, 3.0, 3.0, 2.0]], 3))
    assert values.tolist() == [[3, 3, 2]] and indices.tolist() == [[1, 2, 3]] and indices.dtype == np.int32
    assert run(tf.nn.in_top_k([[0.1, 0.9], [0.6, 0.4]], [1, 1], 1)).tolist() == [True, False]
    assert run(tf.count_nonzero([0, 1, 2])) == 2


def test_making_tensors() -> None:
    assert run(tf.zeros([2, 1], tf.int32)).tolist() == [[0], [0]] and run(tf.ones(2)).tolist() == [1, 1]
    assert run(tf.fill([2], 7)).tolist() == [7, 7] and run(tf.fill([2], tf.constant(2.5))).tolist() == [
        2.5,
        2.5,
    ]
    assert run(tf.range(3)).tolist() == [0, 1, 2] and run(tf.range(3)).dtype == np.int32
    assert run(tf.range(1.0, 2.0, 0.5)).tolist() == [1.0, 1.5] and run(tf.range(5, 1, -2)).tolist() == [5, 3]
    n = tf.placeholder(tf.int32, [])
    assert run(tf.range(n), {n: 3}).tolist() == [0, 1, 2]
    assert run(tf.zeros([n, 2]), {n: 3}).shape == (3, 2)
    np.testing.assert_allclose(run(tf.linspace(0.0, 1.0, 5)), np.linspace(0, 1, 5))
    assert run(tf.eye(2)).tolist() == [[1, 0], [0, 1]]
    assert run(tf.constant([1, 2], shape=[2, 2])).tolist() == [[1, 2], [2, 2]]
    assert run(tf.constant(3.0, shape=[2])).tolist() == [3, 3]
    big = run(tf.zeros([100, 100]))
    assert big.shape == (100, 100) and not big.any()


def test_shapes_of_values() -> None:
    x = tf.placeholder(tf.float32)
    assert run(tf.shape(x), {x: X}).tolist() == [2, 3] and run(tf.shape(X)).dtype == np.int32
    assert run([tf.size(x), tf.rank(x)], {x: X}) == [6, 2]
    assert run(tf.reshape(x, [-1, tf.shape(x)[0]]), {x: X}).shape == (3, 2)
    assert run(tf.reshape(x, tf.shape(tf.transpose(x))), {x: X}).shape == (3, 2)
    np.testing.assert_array_equal(run(tf.transpose(X, [1, 0])), X.T)
    assert run(tf.squeeze(X[None, :, :, None])).shape == (2, 3) and run(
        tf.squeeze(X[None, :, :, None], [0])
    ).shape == (2, 3, 1)
    assert run(tf.expand_dims(X, 1)).shape == (2, 1, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Reshape"):
        run(tf.reshape(x, [4]), {x: X})


def test_joining_and_splitting() -> None:
    np.testing.assert_array_equal(run(tf.concat([X, X], 1)), np.concatenate([X, X], 1))
    np.testing.assert_array_equal(run(tf.stack([X, X], -1)), np.stack([X, X], -1))
    parts = run(tf.split(X, [1, 2], axis=1))
    assert [part.shape for part in parts] == [(2, 1), (2, 2)]
    x = tf.placeholder(tf.float32, [None, 3])
    halves = run(tf.split(x, 2), {x: X})
    np.testing.assert_array_equal(halves[1], X[1:])
    assert [row.tolist() for row in run(tf.unstack(tf.constant([[1, 2], [3, 4]]), axis=1))] == [
        [1, 3],
        [2, 4],
    ]
    np.testing.assert_array_equal(run(tf.tile(X, [2, 1])), np.tile(X, (2, 1)))
    for mode in ("CONSTANT", "REFLECT", "SYMMETRIC"):
        np.testing.assert_array_equal(
            run(tf.pad(X, [[1, 1], [0, 2]], mode)), np.pad(X, [(1, 1), (0, 2)], mode.lower())
        )
    np.testing.assert_array_equal(run(tf.reverse(X, [1])), X[:, ::-1])
    ordered = run(tf.reverse_sequence([[1, 2, 3], [4, 5, 6]], [2, 3], seq_axis=1, batch_axis=0))
    assert ordered.tolist() == [[2, 1, 3], [6, 5, 4]]
    grids = run(tf.meshgrid([1, 2, 3], [4, 5]))
    assert [grid.tolist() for grid in grids] == [grid.tolist() for grid in np.meshgrid([1, 2, 3], [4, 5])]


def test_slices() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    i = tf.placeholder(tf.int32, [])
    for index in (
        0,
        -1,
        slice(1, None),
        (slice(None), 1),
        (Ellipsis, -1),
        (slice(None, None, -1), slice(None, None, 2)),
    ):
        np.testing.assert_array_equal(run(x[index], {x: X}), X[index])
    np.testing.assert_array_equal(run(x[:, ::-1], {x: X}), X[:, ::-1])
    np.testing.assert_array_equal(run(x[:, 2:0:-1], {x: X}), X[:, 2:0:-1])
    np.testing.assert_array_equal(run(x[:, tf.newaxis], {x: X}), X[:, None])
    np.testing.assert_array_equal(run(x[i], {x: X, i: 1}), X[1])
    np.testing.assert_array_equal(run(x[:i], {x: X, i: 1}), X[:1])
    np.testing.assert_array_equal(run(tf.slice(x, [0, 1], [-1, 2]), {x: X}), X[:, 1:3])
    np.testing.assert_array_equal(run(tf.strided_slice(x, [0, 0], [2, 3], [1, 2]), {x: X}), X[0:2, 0:3:2])
    with pytest.raises(ValueError, match="slice index 3 of dimension 1 out of bounds"):
        x[0, 3]
    with pytest.raises(TypeError, match="Only integers, slices"):
        x["a"]


def test_choosing() -> None:
    x = tf.constant(X)
    np.testing.assert_array_equal(run(tf.gather(x, [[1, 0], [0, 0]])), X[[[1, 0], [0, 0]]])
    np.testing.assert_array_equal(run(tf.gather(x, [2, 0], axis=1)), X[:, [2, 0]])
    np.testing.assert_array_equal(run(tf.gather_nd(x, [[0, 1], [1, 2]])), X[[0, 1], [1, 2]])
    np.testing.assert_array_equal(run(tf.where(x > 0, x, -x)), np.abs(X))
    np.testing.assert_array_equal(run(tf.where([True, False], x, -x)), np.stack([X[0], -X[1]]))
    np.testing.assert_array_equal(run(tf.where(x < 0)), np.argwhere(X < 0))
    np.testing.assert_array_equal(run(tf.boolean_mask(x, x > 0)), X[X > 0])
    np.testing.assert_array_equal(run(tf.boolean_mask(x, [False, True])), X[1:])
    assert run(tf.one_hot([0, 2, 5], 3)).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert run(tf.one_hot([1], 2, on_value=5, off_value=-1)).tolist() == [[-1, 5]]
    assert run(tf.one_hot([0, 1], 2, axis=0)).shape == (2, 2)
    assert run(tf.sequence_mask([1, 3], 3)).tolist() == [[True, False, False], [True, True, True]]
    assert run(tf.scatter_nd([[1], [1]], [2.0, 3.0], [3])).tolist() == [0, 5, 0]
    y, idx = run(tf.unique([3, 1, 3, 2]))
    assert y.tolist() == [3, 1, 2] and idx.tolist() == [0, 1, 0, 2]
    gradient = run(tf.gradients(tf.gather(x, [0, 0]), x)[0])
    assert gradient.tolist() == [[2, 2, 2], [0, 0, 0]]


def test_products_and_matrices() -> None:
    np.testing.assert_allclose(run(tf.matmul(X, X, transpose_b=True)), X @ X.T, rtol=1e-6)
    np.testing.assert_allclose(run(tf.matmul(X, X, transpose_a=True)), X.T @ X, rtol=1e-6)
    batch = np.stack([X, 2 * X])
    np.testing.assert_allclose(
        run(tf.matmul(batch, np.swapaxes(batch, 1, 2))), batch @ np.swapaxes(batch, 1, 2), rtol=1e-6
    )
    np.testing.assert_allclose(
        run(tf.tensordot(batch, X, [[2], [1]])), np.tensordot(batch, X, [[2], [1]]), rtol=1e-6
    )
    np.testing.assert_allclose(
        run(tf.einsum("bij,kj->bik", batch, X)), np.einsum("bij,kj->bik", batch, X), rtol=1e-6
    )
    square = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(run(tf.matrix_inverse(square)), np.linalg.inv(square))
    np.testing.assert_allclose(run(tf.cholesky(square)), np.linalg.cholesky(square))
    np.testing.assert_allclose(run(tf.matrix_determinant(square)), 5.0)
    np.testing.assert_allclose(
        run(tf.matrix_solve(square, [[1.0], [2.0]])), np.linalg.solve(square, [[1.0], [2.0]])
    )
    assert run(tf.diag([1, 2])).tolist() == [[1, 0], [0, 2]] and run(tf.diag_part(square)).tolist() == [2, 3]
    assert run(tf.trace(square)) == 5.0
    np.testing.assert_array_equal(run(tf.matrix_band_part(square, 0, -1)), np.triu(square))
    assert run(tf.add_n([X, X, X])).tolist() == (3 * X).tolist()


def test_casts() -> None:
    assert run(tf.cast([1.9, -1.9], tf.int32)).tolist() == [1, -1]
    assert run(tf.cast([True, False], tf.float32)).tolist() == [1.0, 0.0]
    assert run(tf.to_float([1])).dtype == np.float32 and run(tf.to_int64([1.5])).dtype == np.int64
    x = tf.constant(1.0)
    assert tf.cast(x, tf.float32) is x
    assert run(tf.saturate_cast([300.0, -5.0], tf.uint8)).tolist() == [255, 0]


def test_clipping_and_norms() -> None:
    np.testing.assert_allclose(run(tf.clip_by_value(X, -1.0, 1.0)), np.clip(X, -1, 1))
    norm = np.sqrt((X**2).sum())
    np.testing.assert_allclose(run(tf.clip_by_norm(X, 1.0)), X / norm, rtol=1e-6)
    np.testing.assert_allclose(run(tf.clip_by_norm(X, 100.0)), X, rtol=1e-6)
    clipped, total = tf.clip_by_global_norm([tf.constant(X), None, tf.constant(X)], 1.0)
    np.testing.assert_allclose(run(total), norm * np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(run(clipped[0]), X / (norm * np.sqrt(2)), rtol=1e-6)
    assert clipped[1] is None
    np.testing.assert_allclose(run(tf.norm(X)), norm, rtol=1e-6)
    np.testing.assert_allclose(run(tf.norm(X, 1, axis=1)), np.abs(X).sum(1), rtol=1e-6)
    np.testing.assert_allclose(
        run(tf.nn.l2_normalize(X, 1)), X / np.linalg.norm(X, axis=1, keepdims=True), rtol=1e-6
    )
    zero = tf.zeros([2])
    assert np.isfinite(run(tf.gradients(tf.clip_by_norm(zero, 1.0), zero)[0])).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad : Tensor had NaN values"):
        run(tf.check_numerics(tf.constant([np.nan]), "bad"))


def test_complex_numbers() -> None:
    z = tf.complex([1.0], [2.0])
    found = run([z, tf.real(z), tf.imag(z), tf.abs(z), tf.conj(z)])
    assert found[0].dtype == np.complex64 and found[1].tolist() == [1.0] and found[2].tolist() == [2.0]
    np.testing.assert_allclose(found[3], [np.sqrt(5)], rtol=1e-6)
    assert found[4].tolist() == [1 - 2j] and found[3].dtype == np.float32
