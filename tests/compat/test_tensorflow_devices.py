"""Devices: names, scopes, and where a session places operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import rushlight.compat.tensorflow as tf


@pytest.fixture(autouse=True)
def _fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("/cpu:0", "/device:CPU:0"),
        ("/gpu:1", "/device:GPU:1"),
        ("/GPU:*", "/device:GPU:*"),
        ("/device:CPU:3", "/device:CPU:3"),
        ("/job:worker/task:1", "/job:worker/task:1"),
        ("/job:ps/replica:0/task:2/cpu:0", "/job:ps/replica:0/task:2/device:CPU:0"),
        ("cpu:0", "/device:CPU:0"),
        ("", ""),
    ],
)
def test_names(given: str, full: str) -> None:
    assert tf.DeviceSpec.from_string(given).to_string() == full
    with tf.device(given):
        assert tf.constant(1.0).device == full


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/gpo:0", "Unknown attribute: 'gpo' in '/gpo:0'"),
        ("/cpu:0/gpu:0", "Cannot specify multiple device types: /cpu:0/gpu:0"),
        ("/task:one", "invalid literal for int"),
        ("/cpu:-1", "invalid literal for int"),
    ],
)
def test_what_is_no_name_raises(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words), tf.device(name):
        pass


def test_a_device_is_a_name_a_function_or_none() -> None:
    with pytest.raises(TypeError, match="got int"), tf.device(3):
        pass


def test_nested_scopes_name_parts() -> None:
    with tf.device("/job:worker/task:1"):
        assert tf.constant(1.0).device == "/job:worker/task:1"
        with tf.device("/gpu:2"):
            assert tf.constant(1.0).device == "/job:worker/task:1/device:GPU:2"
            with tf.device("/task:3/cpu:0"):
                assert tf.constant(1.0).device == "/job:worker/task:3/device:CPU:0"
            with tf.device(None):
                assert tf.constant(1.0).device == ""
                with tf.device(tf.DeviceSpec(device_type="cpu", device_index=1)):
                    assert tf.constant(1.0).device == "/device:CPU:1"
        assert tf.constant(1.0).device == "/job:worker/task:1"
    assert tf.constant(1.0).device == ""


def test_device_functions_see_the_operation_and_what_the_inner_scopes_said() -> None:
    seen: list[tuple[str, str]] = []

    def by_type(op: Any) -> str:
        seen.append((op.type, op.device))
        return "/job:ps" if op.type == "VariableV2" else op.device

    with tf.device("/task:1"), tf.device(by_type):
        v = tf.Variable(1.0)
        with tf.device("/cpu:0"):
            c = tf.add(v, 1.0)
    assert v.device == "/job:ps/task:1"
    assert c.device == "/task:1/device:CPU:0"
    assert ("VariableV2", "") in seen and (c.op.type, "/device:CPU:0") in seen
    with pytest.raises(ValueError, match="Unknown attribute"), tf.device(lambda op: "/nowhere:0"):
        tf.constant(1.0)


def test_colocation() -> None:
    with tf.device("/cpu:1"):
        a = tf.constant(1.0, name="a")
    with tf.device("/gpu:0"), tf.colocate_with(a):
        b = tf.constant(2.0, name="b")
        with tf.device("/cpu:7"):
            inner = tf.constant(2.0)
        with tf.colocate_with(None, ignore_existing=True):
            free = tf.constant(3.0)
    assert b.device == "/device:CPU:1" == inner.device and free.device == ""
    assert b.op.colocation_groups() == [b"loc:@a"] == a.op.colocation_groups()
    with tf.colocate_with(b.op):
        assert tf.constant(1.0).op.colocation_groups() == [b"loc:@a"]
    with pytest.raises(ValueError, match="ignore_existing is not True"), tf.colocate_with(None):
        pass


def test_operations_remember_their_device() -> None:
    with tf.device("/cpu:0"):
        a = tf.constant(1.0, name="a")
    assert 'device: "/device:CPU:0"' in str(a.op)
    assert "device" not in str(tf.constant(1.0).op)


def test_every_cpu_is_here() -> None:
    with tf.device("/cpu:0"):
        a = tf.constant(1.0)
    with tf.device("/job:localhost/replica:0/task:0/cpu:5"):
        b = a + 1.0
    config = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Session(config=config) as session:
        assert session.run(b) == 2.0
        assert session.list_devices() == [f"/job:localhost/replica:0/task:0/device:CPU:{i}" for i in range(2)]


def test_a_device_that_is_not_here() -> None:
    with tf.device("/gpu:0"):
        a = tf.constant(1.0, name="a") * 2.0
    b = tf.constant(3.0)
    with tf.Session() as session:
        assert session.run(b) == 3.0  # what is not needed is not placed
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"Cannot assign a device for operation a: .*explicitly assigned to /device:GPU:0 but available devices are "
            r"\[ /job:localhost/replica:0/task:0/device:CPU:0 \]",
        ) as caught:
            session.run(a)
        assert caught.value.op.name == "a"
    for options in ({"allow_soft_placement": False}, {"allow_soft_placement": True}):
        with tf.Session(config=tf.ConfigProto(**options)) as session:
            if options["allow_soft_placement"]:
                assert session.run(a) == 2.0
            else:
                with pytest.raises(tf.errors.InvalidArgumentError, match="GPU:0"):
                    session.run(a)


def test_another_task_is_not_here_even_with_soft_placement() -> None:
    with tf.device("/job:worker/task:1/cpu:0"):
        a = tf.constant(1.0)
    with (
        tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session,
        pytest.raises(tf.errors.InvalidArgumentError, match=r"rushlight.distributed"),
    ):
        session.run(a)


def test_operations_inside_of_loops_are_placed_too() -> None:
    def body(i: Any) -> Any:
        with tf.device("/gpu:0"):
            return i + 1

    count = tf.while_loop(lambda i: i < 3, body, [tf.constant(0)])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="GPU:0"):
        session.run(count)
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session:
        assert session.run(count) == 3


def test_the_placement_is_logged_on_request(capfd: pytest.CaptureFixture[str]) -> None:
    a = tf.constant(1.0, name="a")
    with tf.Session(config=tf.ConfigProto(log_device_placement=True)) as session:
        session.run(a)
        session.run(a)
    assert capfd.readouterr().err == "a: (Const): /job:localhost/replica:0/task:0/device:CPU:0\n"
