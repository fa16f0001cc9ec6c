"""Views share memory, and changes in place are seen, differentiated, or refused with the two places named."""

from __future__ import annotations

import gc
import inspect
import warnings
import weakref

import numpy as np
import pytest

import rushlight as torch

LINES = {}


def here(name):
    """Remember the caller's line under a name, to look for it in a message."""
    LINES[name] = inspect.currentframe().f_back.f_lineno


def leaf(*shape):
    return torch.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape).detach().requires_grad_()


VIEWS = {
    "index": lambda x: x[1],
    "slice": lambda x: x[:, 1:],
    "none": lambda x: x[None],
    "ellipsis": lambda x: x[..., 0],
    "view": lambda x: x.view(-1),
    "reshape": lambda x: x.reshape(3, 2),
    "transpose": lambda x: x.transpose(0, 1),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "permute": lambda x: x.permute(1, 0),
    "movedim": lambda x: x.movedim(0, 1),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x.squeeze(),
    "flatten": lambda x: x.flatten(),
    "unflatten": lambda x: x.unflatten(1, (3, 1)),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(0, 0),
    "diagonal": lambda x: x.diagonal(),
    "as_strided": lambda x: x.as_strided((2, 2), (1, 2)),
    "unfold": lambda x: x.unfold(1, 2, 2),
    "view_as": lambda x: x.view_as(torch.zeros(6)),
    "tensor_split": lambda x: x.tensor_split(2)[1],
    "chain": lambda x: x.t()[1:].unsqueeze(0)[..., 1],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_alias_their_base(name):
    x = torch.arange(6.0).reshape(2, 3)
    v = VIEWS[name](x)
    assert v._is_view() and v._base is not None
    v.fill_(-1.0)
    assert int((x == -1).sum()) == v.numel()
    x.fill_(7.0)
    assert (v == 7).all()
    assert v._version == x._version == 2


@pytest.mark.parametrize("name", VIEWS)
def test_a_change_of_a_view_is_a_change_of_the_base_in_the_graph(name):
    x = leaf(2, 3)
    y = x * 2
    v = VIEWS[name](y)
    v *= 10
    changed = VIEWS[name](torch.arange(6).reshape(2, 3)).flatten().tolist()
    y.sum().backward()
    wanted = np.full(6, 2.0)
    wanted[changed] = 20.0
    np.testing.assert_array_equal(x.grad.numpy().ravel(), wanted)


@pytest.mark.parametrize("name", VIEWS)
def test_a_change_of_the_base_reaches_views_taken_before(name):
    x = leaf(2, 3)
    y = x * 2
    v = VIEWS[name](y)
    y.mul_(3)
    v.sum().backward()
    wanted = np.zeros(6)
    wanted[VIEWS[name](torch.arange(6).reshape(2, 3)).flatten().tolist()] = 6.0
    np.testing.assert_array_equal(x.grad.numpy().ravel(), wanted)


def test_copies_do_not_alias():
    x = torch.arange(6.0).reshape(2, 3)
    copies = [
        x.clone(), x[[0, 1]], x[x > 2], x.index_select(0, torch.tensor([0])), x.flip(0), x.roll(1, 0), x.repeat(1, 1),
        x.tile(1), x.T.reshape(6), torch.cat([x]), x.tril(), x.gather(1, torch.zeros(2, 1, dtype=torch.int64)),
        x.repeat_interleave(1, 0), x.diag(), x.take(torch.tensor([0])), x.narrow_copy(0, 0, 1),
        x.diagonal_scatter(torch.zeros(2)), x.masked_fill(x > 9, 0), x[True],
    ]  # fmt: skip
    for copy in copies:
        assert not copy._is_view()
        copy.fill_(-1.0)
    assert (x >= 0).all()


def test_reshape_and_contiguous_are_views_where_they_can_be():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.reshape(3, 2)._base is x._base and x.contiguous() is x and x.flatten(0, 0) is x
    assert not x.t().reshape(6)._is_view() and x.t().contiguous() is not x
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.t().view(6)


# --- versions ---------------------------------------------------------------------------------------------------------


def test_versions_are_shared_by_views_and_by_detach():
    x = torch.zeros(3)
    v, d, data = x[1:], x.detach(), x.data
    x.add_(1)
    v.mul_(2)
    d[0] = 5
    assert x._version == v._version == d._version == 3
    assert data._version == 0  # `.data` is the way around the counter
    assert d.tolist() == x.tolist() == [5.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1),
        lambda x: x.__setitem__(0, 9.0),
        lambda x: x[0].fill_(9.0),
        lambda x: x.detach().mul_(2),
        lambda x: x.index_add_(0, torch.tensor([0]), torch.ones(1)),
        lambda x: x.copy_(torch.zeros(3)),
        lambda x: torch.add(torch.ones(3), 1, out=x),
    ],
)
def test_a_saved_value_that_was_changed_is_noticed(change):
    a = leaf(3)
    x = torch.ones(3)
    y = a * x
    change(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_the_message_names_the_operation_and_both_lines():
    a = leaf(3)
    x = a * 2
    y = x * x; here("saved")  # fmt: skip # noqa: E702
    x.add_(1); here("changed")  # fmt: skip # noqa: E702
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    message = str(caught.value)
    assert "'mul' saved" in message and "expected version 0" in message and "'add_'" in message
    assert f"line {LINES['saved']}" in message and f"line {LINES['changed']}" in message


def test_saved_results_that_were_changed_are_noticed():
    x = leaf(3)
    y = (x * 1).exp()
    y += 1
    with pytest.raises(RuntimeError, match="'exp' saved"):
        y.sum().backward()
    z = x * 1
    z.exp_()
    z[0] = 0.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_changes_that_backward_does_not_need_pass():
    a = leaf(3)
    y = a + torch.ones(3)
    y.mul_(2).add_(1)
    y[0] = 7.0
    y.sum().backward()
    assert a.grad.tolist() == [0.0, 2.0, 2.0]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.__setitem__(torch.tensor([0]), 1.0),
        lambda x: x.__setitem__(x.detach() > 1, 1.0),
        lambda x: x[0].add_(1),
        lambda x: x.view(-1)[1:].zero_(),
        lambda x: x.unsqueeze_(0),
        lambda x: x.index_fill_(0, torch.tensor([0]), 1.0),
        lambda x: x.masked_fill_(x.detach() > 1, 0.0),
        lambda x: x.scatter_(0, torch.tensor([0]), 1.0),
    ],
)
def test_a_leaf_that_requires_grad_is_not_changed(change):
    x = leaf(3)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        change(x)
    assert x.tolist() == [1.0, 2.0, 3.0] and x._version == 0
    with torch.no_grad():
        change(x)
    assert x._version == 1


def test_the_several_views_of_split_and_unbind_are_not_changed_in_place():
    y = leaf(4) * 1
    for part in (
        y.unbind()[0],
        y.split(2)[0],
        y.chunk(2)[1],
        y.split([1, 3])[0],
        next(iter(y)),
        y.split(2)[0][0],
    ):
        with pytest.raises(RuntimeError, match="function that returns multiple views"):
            part.add_(1)
    y.unsafe_chunk(2)[0].add_(1)
    x = torch.zeros(4)
    x.unbind()[0].add_(1)  # without gradients it is a view like any other
    assert x.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_expanded_tensors_are_not_written_to():
    x = torch.zeros(3)
    y = x.expand(2, 3)
    for write in (
        lambda: y.add_(1),
        lambda: y.copy_(torch.ones(2, 3)),
        lambda: y.__setitem__(slice(None), 1.0),
        lambda: y.index_add_(0, torch.tensor([0]), torch.ones(1, 3)),
        lambda: y.scatter_(0, torch.tensor([[0]]), 1.0),
        lambda: torch.add(torch.ones(2, 3), 1, out=y),
    ):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            write()
    assert x.tolist() == [0.0, 0.0, 0.0]
    y[0] = 1.0  # one row is not expanded
    with pytest.warns(UserWarning, match="on expanded tensors is deprecated"):
        y[[0]] = 2.0
    y.zero_()
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_parts_of_one_memory_are_not_copied_over_each_other():
    x = torch.arange(5.0)
    for write in (lambda: x[1:].copy_(x[:-1]), lambda: x.__setitem__(slice(1, None), x[:-1])):
        with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor"):
            write()
    x[:] = x
    x[2:4] = x[0:2]
    assert x.tolist() == [0.0, 1.0, 0.0, 1.0, 4.0]


# --- views made without recording ---------------------------------------------------------------------------------


def test_a_view_made_without_recording_can_not_be_changed_with_recording():
    x = torch.zeros(3)
    w = leaf(2)
    with torch.no_grad():
        v = x[:2]
    with pytest.raises(RuntimeError, match="created in no_grad mode and is being modified"):
        v.mul_(w)
    v.mul_(2.0)  # without gradients there is nothing to be ambiguous about
    with torch.no_grad():
        v.mul_(w)


def test_a_view_made_without_recording_requires_grad_but_passes_none_on():
    x = leaf(3)
    with torch.no_grad():
        v = x[:2]
    assert v.requires_grad and v.is_leaf and v.grad_fn is None
    (x.sum() + (v * 5).sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_gradient_through_a_view_made_without_recording_of_a_changed_base_is_refused():
    x = torch.ones(3)
    with torch.no_grad():
        v = x[:2]
    x.mul_(leaf(3))
    with pytest.raises(RuntimeError, match="created in no_grad mode and its base"):
        (v * 2).sum().backward()


def test_detached_views_share_memory_but_no_history():
    y = leaf(3) * 2
    d = y.detach()
    assert not d.requires_grad and not d._is_view()
    d[0] = 100.0
    assert y.tolist() == [100.0, 4.0, 6.0]


# --- setitem ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        1, -1, slice(0, 2), slice(None, None, 2), (0, 1), (slice(None), 1), None, ..., (..., None, 0), [0, 1], [1, 1],
        ([0, 1], [2, 0]), (0, slice(None)), (slice(None), [2, 0]), True, (0, [1, 2]),
    ],
    ids=str,
)  # fmt: skip
def test_setitem_differentiates(index):
    base, value = leaf(2, 3), None
    shape = torch.zeros(2, 3)[index].shape
    value = torch.arange(1.0, 1 + shape.numel()).reshape(shape).requires_grad_()
    x = base * 1
    x[index] = value * 3
    expected = base.detach().numpy().copy()
    expected[index] = value.detach().numpy() * 3
    np.testing.assert_array_equal(x.detach().numpy(), expected)
    weight = torch.arange(1.0, 7.0).reshape(2, 3)
    (x * weight).sum().backward()
    kept = weight.numpy().copy()
    kept[index] = 0.0
    np.testing.assert_array_equal(base.grad.numpy(), kept)
    np.testing.assert_array_equal(value.grad.numpy(), 3 * weight.numpy()[index])


def test_setitem_through_a_view_reaches_the_base():
    base, value = leaf(2, 3), leaf(2)
    y = base * 1
    y.t()[1:, 0][:] = value
    assert y[0].tolist() == [1.0, 1.0, 2.0]
    y.sum().backward()
    assert base.grad.tolist() == [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]] and value.grad.tolist() == [1.0, 1.0]


def test_setitem_broadcasts_and_casts():
    x = torch.zeros(2, 3)
    x[:, :2] = torch.tensor([1, 2])
    x[1] = torch.ones(1, 1, 3, dtype=torch.float64)
    x[0, 2] = torch.tensor([7])
    assert x.tolist() == [[1.0, 2.0, 7.0], [1.0, 1.0, 1.0]]
    value = torch.ones(2, dtype=torch.float64, requires_grad=True)
    y = torch.zeros(2)
    y[:] = value
    y.sum().backward()
    assert value.grad.dtype is torch.float64
    n = torch.zeros(3, dtype=torch.int64)
    n[0], n[1], n[2] = 3.9, True, torch.tensor(2.5)
    assert n.tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("index", "value", "error"),
    [
        (5, 1.0, IndexError),
        ((0, 0, 0), 1.0, IndexError),
        (1.5, 1.0, IndexError),
        ("a", 1.0, TypeError),
        (0, "a", TypeError),
        (0, [1.0, 2.0], TypeError),
        (0, None, TypeError),
        (0, torch.ones(2), RuntimeError),
        (0, torch.ones(2, 3), RuntimeError),
        ([0, 5], 1.0, IndexError),
        ([0, 1], torch.ones(3, 3), RuntimeError),
        ([0, 1], torch.ones(3, dtype=torch.float64), RuntimeError),
        (slice(None, None, -1), 1.0, ValueError),
        (torch.tensor([True, False, True]), 1.0, IndexError),
        (torch.tensor([0.0]), 1.0, IndexError),
        (0, 1j, RuntimeError),
        (0, 1e300, RuntimeError),
    ],
)
def test_wrong_assignments_raise_and_change_nothing(index, value, error):
    x = torch.arange(6.0).reshape(2, 3)
    with pytest.raises(error):
        x[index] = value
    assert x.flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    y = leaf(2, 3) * 1
    before = y.tolist()
    with pytest.raises(error):
        y[index] = value
    assert y.tolist() == before


def test_numbers_out_of_range_are_refused():
    for dtype, value in (
        (torch.uint8, 300),
        (torch.int8, 200),
        (torch.int32, 2**31),
        (torch.int64, float("nan")),
    ):
        x = torch.zeros(2, dtype=dtype)
        with pytest.raises(RuntimeError, match="without overflow"):
            x[0] = value
    wrapped = torch.zeros(1, dtype=torch.uint8)
    wrapped[0] = -1
    assert wrapped.item() == 255


def test_deleting_is_refused():
    with pytest.raises(TypeError, match="does not support deleting"):
        del torch.zeros(3)[0]


def test_lists_that_stand_for_tuples_warn():
    x = torch.arange(24).reshape(2, 3, 4)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert x[[[0, 1], [1, 2]]].shape == (2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x[[0, 1]].shape == (2, 3, 4) and x[[True, False]].shape == (1, 3, 4)


def test_masks_of_uint8_warn():
    with pytest.warns(UserWarning, match=r"torch\.uint8 is now deprecated"):
        assert torch.arange(3)[torch.tensor([1, 0, 1], dtype=torch.uint8)].tolist() == [0, 2]


# --- a tensor's own shape ---------------------------------------------------------------------------------------------


def test_shapes_change_in_place_with_their_history_and_views():
    x = leaf(2, 3)
    y = x * 2
    before = y[0]
    assert y.t_() is y and y.shape == (3, 2) and y._version == 1 and not y._is_view()
    y.mul_(10)
    before.sum().backward()
    assert x.grad.tolist() == [[20.0, 20.0, 20.0], [0.0, 0.0, 0.0]]
    z = leaf(2, 3) * 1
    v = z[:1]
    v.squeeze_(0).unsqueeze_(1)
    assert v.shape == (3, 1) and v._base is z
    v.mul_(5)
    assert z.tolist()[0] == [5.0, 10.0, 15.0]


def test_shape_changes_without_recording_keep_leaves_usable():
    x = leaf(2, 3)
    with torch.no_grad():
        x.t_()
    (x * 2).sum().backward()
    assert x.grad.shape == (3, 2)


# --- costs and lifetimes ----------------------------------------------------------------------------------------------


def test_views_that_are_gone_are_forgotten():
    x = torch.zeros(100)
    for i in range(5000):
        x[i % 100]
    assert len(x._storage.views) < 100


def test_a_view_keeps_the_memory_and_the_base_goes_with_it():
    x = torch.zeros(100)
    v = x[0]
    base = weakref.ref(x)
    del x
    assert base() is not None
    del v
    gc.collect()
    assert base() is None


def test_many_rows_written_one_by_one_differentiate():
    w = leaf(3)
    rows = torch.zeros(50, 3)
    for i in range(50):
        rows[i] = w * i
    rows.sum().backward()
    assert w.grad.tolist() == [1225.0] * 3


def test_gradients_of_index_add_up_over_repetitions():
    for columns in (1, 3, 40):
        for rows, count in ((5, 1000), (1000, 200), (300, 300)):
            rng = np.random.default_rng(0)
            index = rng.integers(0, rows, count)
            weights = rng.normal(size=(count, columns))
            x = torch.zeros(rows, columns, dtype=torch.float64, requires_grad=True)
            (x[torch.from_numpy(index)] * torch.from_numpy(weights)).sum().backward()
            wanted = np.zeros((rows, columns))
            for i, row in zip(index, weights, strict=True):
                wanted[i] += row
            np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=0, atol=1e-12)
