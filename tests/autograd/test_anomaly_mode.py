"""detect_anomaly and set_detect_anomaly."""

from __future__ import annotations

import threading
import warnings

import pytest

import rushlight as torch
from rushlight.core.history import NODE_INIT, Node


@pytest.fixture
def anomaly():
    with torch.autograd.set_detect_anomaly(True):
        yield


class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        raise ValueError("bad")


def test_nan_names_the_forward_line(anomaly):
    x = torch.zeros(2, requires_grad=True)
    y = x.sqrt()  # the line to be named
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always", UserWarning)
        with pytest.raises(
            RuntimeError, match=r"^Function 'SqrtBackward0' returned nan values in its 0th"
        ) as caught:
            (y * 0).sum().backward()
    assert str(record[0].message).startswith("Error detected in SqrtBackward0")
    assert "the line to be named" in str(caught.value)
    assert "the line to be named" in str(record[0].message)
    assert record[0].filename == __file__


def test_an_error_names_the_forward_line(anomaly):
    y = Bad.apply(torch.ones(1, requires_grad=True))  # named
    with (
        pytest.warns(
            UserWarning, match=r"(?s)Error detected in BadBackward\. Traceback of forward call.*# named"
        ),
        pytest.raises(ValueError, match=r"^bad$"),
    ):
        y.backward()


def test_without_a_forward_pass_under_it():
    y = Bad.apply(torch.ones(1, requires_grad=True))
    with (
        torch.autograd.set_detect_anomaly(True),
        pytest.warns(UserWarning, match="No forward pass information available"),
        pytest.raises(ValueError),
    ):
        y.backward()


def test_the_backward_that_recorded_an_operation_is_named(anomaly):
    class Indirect(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return Bad.apply(g)

    x = torch.ones(1, requires_grad=True)
    y = Indirect.apply(x * x)
    (g,) = torch.autograd.grad(y, x, create_graph=True, grad_outputs=torch.ones(1, requires_grad=True))
    with (
        pytest.warns(
            UserWarning, match=r"(?s)BadBackward.*Previous calculation was induced by IndirectBackward"
        ),
        pytest.raises(ValueError),
    ):
        g.backward()


def test_check_nan_can_be_left_out():
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        assert not torch.is_anomaly_check_nan_enabled()
        y = torch.zeros(2, requires_grad=True).sqrt()
        (y * 0).sum().backward()
    assert torch.is_anomaly_check_nan_enabled()


def test_gradients_are_the_same(anomaly):
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    a, b = (x * 3).exp().view(1, 2).unbind(1)
    (a * b + x.sum()).sum().backward()
    plain = torch.ones(2, dtype=torch.float64, requires_grad=True)
    with torch.autograd.set_detect_anomaly(False):
        a, b = (plain * 3).exp().view(1, 2).unbind(1)
        (a * b + plain.sum()).sum().backward()
    assert x.grad.tolist() == plain.grad.tolist()


def test_detect_anomaly_warns_and_is_put_back():
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        mode = torch.autograd.detect_anomaly()
    assert not torch.is_anomaly_enabled()
    with mode:
        assert torch.is_anomaly_enabled()
        with torch.autograd.set_detect_anomaly(False):
            assert not torch.is_anomaly_enabled()
        assert torch.is_anomaly_enabled()
    assert not torch.is_anomaly_enabled()


def test_set_detect_anomaly_acts_at_once():
    torch.autograd.set_detect_anomaly(True)
    assert torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(True)
    torch.autograd.set_detect_anomaly(False)
    assert not torch.is_anomaly_enabled()


def test_nothing_is_left_when_it_is_off():
    code = Node.__init__.__code__
    for _ in range(3):
        with torch.autograd.set_detect_anomaly(True):
            assert Node.__init__.__code__ is not code
            (torch.ones(1, requires_grad=True) * 2).backward()
        assert Node.__init__.__code__ is code
    assert NODE_INIT.original.__code__ is code
    assert (torch.ones(1, requires_grad=True) * 2).grad_fn.traceback is None


def test_it_holds_in_all_threads(anomaly):
    caught = []

    def work():
        y = torch.zeros(1, requires_grad=True).sqrt()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                (y * 0).backward()
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1 and "SqrtBackward0" in caught[0]
