"""Building graphs: names, scopes, static shapes, types, collections, and the errors of building."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def test_names_are_made_unique() -> None:
    names = [tf.constant(1.0).name for _ in range(3)]
    assert names == ["Const:0", "Const_1:0", "Const_2:0"]
    x = tf.placeholder(tf.float32, name="x")
    assert (x + 1.0).name == "add:0"
    assert (x + x).name == "add_1:0"
    assert tf.placeholder(tf.float32, name="x").name == "x_1:0"
    assert tf.add(x, x, name="x_1").name == "x_1_1:0"


def test_name_scopes_nest_and_are_made_unique() -> None:
    with tf.name_scope("a") as scope:
        assert scope == "a/"
        with tf.name_scope("b"):
            assert tf.constant(0, name="c").name == "a/b/c:0"
        assert tf.Variable(1.0, name="v").name == "a/v:0"
    with tf.name_scope("a"):
        assert tf.constant(0, name="c").name == "a_1/c:0"
    with tf.name_scope("a/"):
        assert tf.constant(0, name="d").name == "a/d:0"
    with pytest.raises(ValueError, match="is not a valid scope name"), tf.name_scope("no spaces"):
        pass


def test_variable_names() -> None:
    assert tf.Variable(1.0).name == "Variable:0"
    assert tf.Variable(1.0).name == "Variable_1:0"
    with tf.variable_scope("outer"):
        with tf.variable_scope("inner") as scope:
            assert scope.name == "outer/inner"
            assert tf.get_variable("w", [2]).name == "outer/inner/w:0"
        assert tf.get_variable("w", [2]).name == "outer/w:0"
        assert tf.Variable(1.0, name="v").name == "outer/v:0"
    assert tf.get_variable("w", [2]).op.name == "w"
    assert repr(tf.get_variable("r", [2, 3])) == "<tf.Variable 'r:0' shape=(2, 3) dtype=float32_ref>"


def test_variable_scope_reuse() -> None:
    with tf.variable_scope("s"):
        w = tf.get_variable("w", [2, 3])
        with pytest.raises(
            ValueError, match=r"Variable s/w already exists, disallowed. Did you mean to set reuse=True"
        ):
            tf.get_variable("w", [2, 3])
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("w", [2, 3]) is w
        with pytest.raises(
            ValueError, match=r"Variable s/u does not exist, or was not created with tf.get_variable"
        ):
            tf.get_variable("u", [2])
        with pytest.raises(ValueError, match=r"specified shape \(3,\) and found shape \(2, 3\)"):
            tf.get_variable("w", [3])
        with pytest.raises(ValueError, match="specified dtype float64 and found dtype float32"):
            tf.get_variable("w", [2, 3], tf.float64)
        with tf.variable_scope("inner"):
            assert tf.get_variable_scope().reuse is True  # inherited
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE) as scope:
        assert tf.get_variable("w", [2, 3]) is w
        assert tf.get_variable("new", [1]).name == "s/new:0"
    with tf.variable_scope(scope):  # a scope object brings its reuse along
        assert tf.get_variable("w", [2, 3]) is w
    with tf.variable_scope("t") as scope:
        a = tf.get_variable("a", [1])
        scope.reuse_variables()
        assert tf.get_variable("a", [1]) is a
    assert tf.get_variable_scope().reuse is False


def test_default_names_of_scopes_are_made_unique() -> None:
    for expected in ("layer", "layer_1", "layer_2"):
        with tf.variable_scope(None, default_name="layer") as scope:
            assert scope.name == expected
            assert tf.get_variable("w", [1]).name == f"{expected}/w:0"
    with pytest.raises(ValueError, match="default_name is None"), tf.variable_scope(None):
        pass


def test_get_variable_needs_a_full_shape_and_takes_defaults_from_the_scope() -> None:
    with pytest.raises(
        ValueError, match=r"Shape of a new variable \(w\) must be fully defined, but instead was \(\?, 3\)"
    ):
        tf.get_variable("w", [None, 3])
    with tf.variable_scope("s", initializer=tf.constant_initializer(3.0), regularizer=tf.reduce_sum):
        v = tf.get_variable("v", [2])
    (penalty,) = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([v, penalty])[0].tolist() == [3.0, 3.0]
        assert session.run(penalty) == 6.0


def test_collections() -> None:
    a = tf.Variable(1.0, name="a")
    b = tf.Variable(1.0, trainable=False, name="b")
    local = tf.Variable(1.0, trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES], name="c")
    assert tf.global_variables() == [a, b]
    assert tf.trainable_variables() == [a]
    assert tf.local_variables() == [local]
    assert tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="b") == [b]
    tf.add_to_collection("mine", 1)
    tf.get_collection_ref("mine").append(2)
    assert tf.get_collection("mine") == [1, 2]


def test_elements_are_found_by_name(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, name="x")
    assert graph.get_tensor_by_name("x:0") is x
    assert graph.get_operation_by_name("x") is x.op
    with pytest.raises(KeyError, match="refers to a Tensor which does not exist"):
        graph.get_tensor_by_name("y:0")
    with pytest.raises(KeyError, match="only has 1 outputs"):
        graph.get_tensor_by_name("x:1")
    with pytest.raises(ValueError, match="refers to an Operation, not a Tensor"):
        graph.get_tensor_by_name("x")
    with pytest.raises(KeyError, match="refers to an Operation not in the graph"):
        graph.get_operation_by_name("y")


def test_a_tensor_has_no_truth_no_length_and_no_items_to_iterate() -> None:
    x = tf.placeholder(tf.float32, [3])
    with pytest.raises(TypeError, match=r"Using a `tf.Tensor` as a Python `bool` is not allowed"):
        bool(x)
    with pytest.raises(TypeError, match="only iterable when eager"):
        list(x)
    with pytest.raises(TypeError, match="has no len"):
        len(x)
    with pytest.raises(NotImplementedError, match="Cannot convert a symbolic Tensor"):
        np.asarray(x)
    assert (x == x) is True and len({x, x}) == 1


def test_how_things_are_shown() -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    assert str(x) == 'Tensor("x:0", shape=(?, 3), dtype=float32)'
    assert repr(x) == "<tf.Tensor 'x:0' shape=(?, 3) dtype=float32>"
    assert str(tf.placeholder(tf.int32, name="y")) == 'Tensor("y:0", dtype=int32)'
    assert repr(x.op) == "<tf.Operation 'x' type=Placeholder>"
    assert (
        str(x.shape) == "(?, 3)"
        and str(tf.TensorShape(None)) == "<unknown>"
        and str(tf.TensorShape([2])) == "(2,)"
    )
    assert repr(tf.float32) == "tf.float32" and str(tf.float32) == "<dtype: 'float32'>"


def test_static_shapes() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    w = tf.ones([3, 4])
    assert tf.matmul(x, w).shape.as_list() == [None, 4]
    assert (tf.matmul(x, w) + tf.ones([4])).shape.as_list() == [None, 4]
    assert tf.reduce_sum(x, 0).shape.as_list() == [3]
    assert tf.reduce_sum(x, [0], keepdims=True).shape.as_list() == [1, 3]
    assert tf.reduce_sum(x).shape.as_list() == []
    assert tf.concat([x, x], 1).shape.as_list() == [None, 6]
    assert tf.stack([x, x]).shape.as_list() == [2, None, 3]
    assert tf.transpose(x).shape.as_list() == [3, None]
    assert tf.expand_dims(x, -1).shape.as_list() == [None, 3, 1]
    assert x[0].shape.as_list() == [3] and x[:, 1:].shape.as_list() == [None, 2]
    assert x[..., tf.newaxis].shape.as_list() == [None, 3, 1]
    assert tf.reshape(x, [tf.shape(x)[0], 3, 1]).shape.as_list() == [None, 3, 1]
    assert tf.reshape(tf.ones([4, 3]), [-1, 2]).shape.as_list() == [6, 2]
    assert tf.one_hot(tf.placeholder(tf.int32, [None]), 5).shape.as_list() == [None, 5]
    assert tf.argmax(x, 1).shape.as_list() == [None] and tf.argmax(x, 1).dtype is tf.int64
    assert [t.shape.as_list() for t in tf.split(x, 3, axis=1)] == [[None, 1]] * 3
    assert tf.tile(x, [2, 2]).shape.as_list() == [None, 6]
    assert tf.gather(w, tf.placeholder(tf.int32, [None, 7])).shape.as_list() == [None, 7, 4]
    assert (tf.placeholder(tf.float32) + 1.0).shape.ndims is None
    images = tf.placeholder(tf.float32, [None, 28, 27, 1])
    assert tf.nn.conv2d(images, tf.ones([5, 5, 1, 8]), [1, 2, 2, 1], "SAME").shape.as_list() == [
        None,
        14,
        14,
        8,
    ]
    assert tf.nn.conv2d(images, tf.ones([5, 5, 1, 8]), [1, 1, 1, 1], "VALID").shape.as_list() == [
        None,
        24,
        23,
        8,
    ]
    assert tf.nn.max_pool(images, [1, 2, 2, 1], [1, 2, 2, 1], "VALID").shape.as_list() == [None, 14, 13, 1]


def test_shapes_that_do_not_fit_are_refused_when_the_graph_is_built() -> None:
    a, b = tf.ones([2, 3]), tf.ones([4, 5])
    with pytest.raises(
        ValueError, match=r"Dimensions must be equal, but are 3 and 5 for 'add' \(op: 'Add'\)"
    ):
        a + b
    with pytest.raises(
        ValueError,
        match=r"Dimensions must be equal, but are 3 and 4 for 'MatMul' .*input shapes: \[2,3\], \[4,5\]",
    ):
        tf.matmul(a, b)
    with pytest.raises(ValueError, match="Shape must be rank 2 but is rank 1"):
        tf.matmul(tf.ones([3]), a)
    with pytest.raises(
        ValueError, match=r"Cannot reshape a tensor with 6 elements to shape \[4\] \(4 elements\)"
    ):
        tf.reshape(a, [4])
    with pytest.raises(ValueError, match="are incompatible"):
        tf.concat([a, b], 0)
    with pytest.raises(ValueError, match="Dimension mismatch"):
        tf.Variable(a).assign(b)
    with pytest.raises(ValueError, match="Invalid reduction dimension 2"):
        tf.reduce_sum(a, 2)


def test_types_do_not_mix() -> None:
    f, i = tf.ones([2]), tf.ones([2], tf.int32)
    with pytest.raises(
        TypeError,
        match="Input 'y' of 'Add' Op has type int32 that does not match type float32 of argument 'x'",
    ):
        f + i
    with pytest.raises(TypeError, match=r"Expected int32, got 1.5 of type 'float' instead."):
        i + 1.5
    with pytest.raises(
        ValueError, match="Tensor conversion requested dtype float32 for Tensor with dtype int32"
    ):
        tf.convert_to_tensor(i, tf.float32)
    assert (f * np.float64(2.0)).dtype is tf.float32
    assert (f * np.ones(2)).dtype is tf.float32
    assert (np.ones(2, np.float32) * f).dtype is tf.float32
    assert (1 / tf.constant(2)).dtype is tf.float64
    assert (3 // tf.constant(2)).dtype is tf.int32
    assert tf.constant([1, 2]).dtype is tf.int32 and tf.constant(1.0).dtype is tf.float32
    assert tf.constant(np.ones(2)).dtype is tf.float64 and tf.constant(True).dtype is tf.bool
    assert tf.constant("text").dtype is tf.string
    with pytest.raises(ValueError, match="None values not supported"):
        tf.constant(None)


def test_graphs_do_not_mix() -> None:
    x = tf.constant(1.0)
    with tf.Graph().as_default():
        y = tf.constant(1.0)
        with pytest.raises(ValueError, match="must be from the same graph as"):
            tf.add(y, x)
    with pytest.raises(ValueError, match="must be from the same graph as"):
        tf.add(x, y)


def test_the_default_graph_can_be_begun_anew() -> None:
    with pytest.raises(AssertionError, match=r"Do not use tf.reset_default_graph"):
        tf.reset_default_graph()


def test_a_finalized_graph_takes_no_more(graph: tf.Graph) -> None:
    tf.constant(1.0)
    graph.finalize()
    with pytest.raises(RuntimeError, match="Graph is finalized and cannot be modified"):
        tf.constant(2.0)


def test_tensor_shape_and_dimension() -> None:
    shape = tf.TensorShape([None, 3])
    assert shape[1] == 3 and shape[1].value == 3 and shape[0].value is None and (shape[0] == 3) is None
    assert int(shape[1] * 2) == 6 and shape.ndims == 2 and len(shape) == 2
    assert shape.is_compatible_with([5, 3]) and not shape.is_compatible_with([5, 4])
    assert shape.merge_with([5, None]).as_list() == [5, 3]
    assert shape.concatenate([2]).as_list() == [None, 3, 2]
    with pytest.raises(ValueError, match="are incompatible"):
        shape.assert_is_compatible_with([1])
    with pytest.raises(ValueError, match="as_list"):
        tf.TensorShape(None).as_list()
    x = tf.placeholder(tf.float32)
    x.set_shape([None, 2])
    assert x.get_shape().as_list() == [None, 2]


def test_make_template_shares_variables() -> None:
    layer = tf.make_template("t", lambda x: x * tf.get_variable("w", [1], initializer=tf.ones_initializer()))
    layer(tf.constant([1.0]))
    layer(tf.constant([2.0]))
    assert [v.name for v in tf.global_variables()] == ["t/w:0"]


def test_importing_rushlight_does_not_import_this() -> None:
    import subprocess
    import sys

    code = "import sys, rushlight; print('rushlight.compat.tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
