"""Recurrent layers against their equations written out, and their gradients against finite differences."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.nn.utils import rnn as packing

KINDS = ("RNN", "GRU", "LSTM")


def numbers(*shape: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def logistic(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def one_step(module: Any, suffix: str, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The equations for one sequence, with the parameters of a layer and direction (or of a cell, with no suffix)."""
    w = {key: value.detach().numpy() for key, value in module.named_parameters()}
    zero = np.zeros(len(w[f"weight_ih{suffix}"]))
    from_input = w[f"weight_ih{suffix}"] @ x + w.get(f"bias_ih{suffix}", zero)
    from_state = w[f"weight_hh{suffix}"] @ h + w.get(f"bias_hh{suffix}", zero)
    kind = type(module).__name__.removesuffix("Cell")
    if kind == "RNN":
        a = from_input + from_state
        return (np.maximum(a, 0) if module.nonlinearity == "relu" else np.tanh(a)), c
    if kind == "GRU":
        (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(from_input, 3), np.split(from_state, 3)
        r, z = logistic(i_r + h_r), logistic(i_z + h_z)
        n = np.tanh(i_n + r * h_n)
        return (1 - z) * n + z * h, c
    i, f, g, o = np.split(from_input + from_state, 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    h = logistic(o) * np.tanh(c)
    if f"weight_hr{suffix}" in w:
        h = w[f"weight_hr{suffix}"] @ h
    return h, c


def by_the_equations(module: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
    """Output and last states for one sequence (steps, features); h and c are (layers · directions, features)."""
    last_h, last_c = [], []
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(2 if module.bidirectional else 1):
            number = len(last_h)
            own_h, own_c = h[number], c[number]
            states = {}
            order = range(len(x))
            for t in reversed(order) if direction else order:
                suffix = f"_l{layer}" + "_reverse" * direction
                own_h, own_c = one_step(module, suffix, x[t], own_h, own_c)
                states[t] = own_h
            outputs.append(np.stack([states[t] for t in order]))
            last_h.append(own_h)
            last_c.append(own_c)
        x = np.concatenate(outputs, 1)
    return x, np.stack(last_h), np.stack(last_c)


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *(
        (kind, options)
        for kind in KINDS
        for options in (
            {},
            {"num_layers": 2, "bias": False},
            {"num_layers": 2, "bidirectional": True, "batch_first": True},
        )
    ),
    ("RNN", {"nonlinearity": "relu", "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
@pytest.mark.parametrize("form", ["batch", "single", "packed"])
def test_they_follow_their_equations(kind: str, options: dict[str, Any], form: str) -> None:
    torch.manual_seed(0)
    module = getattr(nn, kind)(3, 4, **options).double()
    lengths = [5, 5, 5] if form == "batch" else [5] if form == "single" else [2, 5, 3]
    sequences = [numbers(n, 3, seed=i).detach() for i, n in enumerate(lengths)]
    count = module.num_layers * (2 if module.bidirectional else 1)
    h = numbers(count, len(lengths), options.get("proj_size", 4), seed=7).detach()
    c = numbers(count, len(lengths), 4, seed=8).detach()
    if form == "single":
        x, hx, cx = sequences[0], h[:, 0], c[:, 0]
    elif form == "packed":
        x, hx, cx = packing.pack_sequence(sequences, enforce_sorted=False), h, c
    else:
        x, hx, cx = torch.stack(sequences, 0 if module.batch_first else 1), h, c
    output, last = module(x, (hx, cx) if kind == "LSTM" else hx)
    last_h, last_c = last if kind == "LSTM" else (last, None)
    if form == "packed":
        output, sizes = packing.pad_packed_sequence(output, batch_first=True)
        assert sizes.tolist() == lengths
    elif form == "single":
        output, last_h = output.unsqueeze(0), last_h.unsqueeze(1)
        last_c = None if last_c is None else last_c.unsqueeze(1)
    elif not module.batch_first:
        output = output.transpose(0, 1)
    for i, sequence in enumerate(sequences):
        expected = by_the_equations(module, sequence.numpy(), h[:, i].numpy(), c[:, i].numpy())
        np.testing.assert_allclose(
            output[i, : lengths[i]].detach().numpy(), expected[0], rtol=1e-10, atol=1e-12
        )
        assert not output[i, lengths[i] :].any()
        np.testing.assert_allclose(last_h[:, i].detach().numpy(), expected[1], rtol=1e-10, atol=1e-12)
        if last_c is not None:
            np.testing.assert_allclose(last_c[:, i].detach().numpy(), expected[2], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_one_step_of_a_layer(kind: str) -> None:
    torch.manual_seed(0)
    cell = getattr(nn, f"{kind}Cell")(3, 4).double()
    x, h, c = numbers(2, 3), numbers(2, 4, seed=1), numbers(2, 4, seed=2)
    result = cell(x, (h, c)) if kind == "LSTM" else (cell(x, h), c)
    for i in range(2):
        expected = one_step(cell, "", *(t[i].detach().numpy() for t in (x, h, c)))
        for ours, theirs in zip(result, expected, strict=True):
            np.testing.assert_allclose(ours[i].detach().numpy(), theirs, rtol=1e-10, atol=1e-12)
    alone = cell(x[0], (h[0], c[0])) if kind == "LSTM" else (cell(x[0], h[0]), c[0])
    torch.testing.assert_close(alone[0], result[0][0])
    assert alone[0].shape == (4,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "hidden", "inputs"), [(3, 64, 5), (40, 256, 8), (1, 96, 2)])
def test_shapes_whose_products_are_cut_in_blocks(kind: str, batch: int, hidden: int, inputs: int) -> None:
    """Long sequences use rearranged weights: the same numbers as cells, and gradients as by tensor operations."""
    torch.manual_seed(0)
    layer = getattr(nn, kind)(inputs, hidden).double()
    cell = getattr(nn, f"{kind}Cell")(inputs, hidden).double()
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x = numbers(9, batch, inputs)
    output, _ = layer(x)
    state: Any = None
    for t in range(9):
        state = cell(x[t], state)
        h = state[0] if kind == "LSTM" else state
        torch.testing.assert_close(output[t], h, rtol=1e-9, atol=1e-12)
    g = numbers(*output.shape, seed=1).detach()
    operands = [x, *layer.parameters()]
    quick = torch.autograd.grad(output, operands, g, retain_graph=True)
    slow = torch.autograd.grad(output, operands, g, create_graph=True)
    for a, b in zip(quick, slow, strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_other_layouts_in_memory(kind: str) -> None:
    torch.manual_seed(0)
    layer = getattr(nn, kind)(4, 128).double()
    turn = {"x": (2, 1, 0), "h": (0, 2, 1), "c": (2, 0, 1)}
    straight = {"x": numbers(9, 2, 4), "h": numbers(1, 2, 128, seed=1), "c": numbers(1, 2, 128, seed=2)}
    turned = {}
    for name, order in turn.items():
        back = tuple(order.index(i) for i in range(3))
        turned[name] = straight[name].detach().permute(order).contiguous().permute(back).requires_grad_()
    g = numbers(2, 128, 9, seed=3).detach()
    gradients = []
    for given in (straight, turned):
        output, _ = layer(given["x"], (given["h"], given["c"]) if kind == "LSTM" else given["h"])
        weights = g.permute(2, 0, 1) if given is turned else g.permute(2, 0, 1).contiguous()
        wanted = [given["x"], given["h"], *([given["c"]] if kind == "LSTM" else []), *layer.parameters()]
        gradients.append([output, *torch.autograd.grad(output, wanted, weights)])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a.detach(), b.detach())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {"bidirectional": True}),
        ("RNN", {"nonlinearity": "relu", "bias": False}),
        ("GRU", {"num_layers": 2}),
        ("GRU", {"bidirectional": True, "bias": False}),
        ("LSTM", {"num_layers": 2}),
        ("LSTM", {"bidirectional": True, "bias": False}),
        ("LSTM", {"proj_size": 1}),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_gradients(kind: str, options: dict[str, Any], packed: bool) -> None:
    torch.manual_seed(3)
    module = getattr(nn, kind)(2, 2, **options).double()
    count = module.num_layers * (2 if module.bidirectional else 1)
    states = [numbers(count, 2, options.get("proj_size", 2), seed=1)]
    if kind == "LSTM":
        states.append(numbers(count, 2, 2, seed=2))

    # Finite differences change the parameters in place, so the module sees them.
    def call(x: Any, *given: Any) -> Any:
        hx = tuple(given[:2]) if kind == "LSTM" else given[0]
        if packed:
            x = packing.pack_padded_sequence(x, [1, 3], enforce_sorted=False)
        output, last = module(x, hx)
        return (output.data if packed else output, *(last if kind == "LSTM" else (last,)))

    operands = (numbers(3, 2, 2), *states, *module.parameters())
    assert gradcheck(call, operands)
    assert gradgradcheck(call, operands)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_cells(kind: str) -> None:
    torch.manual_seed(3)
    cell = getattr(nn, f"{kind}Cell")(2, 2).double()

    def call(x: Any, h: Any, c: Any, *_: Any) -> Any:
        return cell(x, (h, c)) if kind == "LSTM" else cell(x, h) + c * 0

    operands = (numbers(2, 2), numbers(2, 2, seed=1), numbers(2, 2, seed=2), *cell.parameters())
    assert gradcheck(call, operands)
    assert gradgradcheck(call, operands)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_needs_a_gradient_gets_one(kind: str) -> None:
    module = getattr(nn, kind)(3, 4).requires_grad_(False)
    x = torch.randn(5, 2, 3, requires_grad=True)
    module(x)[0].sum().backward()
    assert x.grad is not None and x.grad.any()
    assert all(parameter.grad is None for parameter in module.parameters())
    with torch.no_grad():
        assert not module(x)[0].requires_grad


def test_the_gradient_of_the_last_states_alone() -> None:
    module = nn.LSTM(3, 4).double()
    x = numbers(5, 2, 3)
    _, (_, c) = module(x)
    c.sum().backward()
    of_c = x.grad.clone()
    x.grad = None
    state: Any = None
    cell = nn.LSTMCell(3, 4).double()
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in module.state_dict().items()})
    for t in range(5):
        state = cell(x[t], state)
    state[1].sum().backward()
    torch.testing.assert_close(of_c, x.grad)


def test_a_second_backward_needs_retain_graph() -> None:
    output, _ = nn.GRU(3, 4)(torch.randn(5, 2, 3))
    output.sum().backward(retain_graph=True)
    output.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        output.sum().backward()


def test_changing_the_last_state_leaves_the_output_alone() -> None:
    output, last = nn.GRU(3, 4)(torch.randn(5, 2, 3))
    before = output.detach().clone()
    with torch.no_grad():
        last.zero_()
    assert torch.equal(output, before)


def test_dropout_between_layers() -> None:
    torch.manual_seed(0)
    module = nn.LSTM(3, 8, 2, dropout=0.5)
    x = torch.randn(4, 2, 3)
    torch.manual_seed(1)
    first, _ = module(x)
    second, _ = module(x)
    torch.manual_seed(1)
    again, _ = module(x)
    assert torch.equal(first, again) and not torch.equal(first, second)
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(3, 8, dropout=0.5)


def test_parameters() -> None:
    torch.manual_seed(0)
    module = nn.LSTM(2, 3, 2, bidirectional=True, proj_size=1)
    names = [
        f"{kind}_l{layer}{suffix}"
        for layer in range(2)
        for suffix in ("", "_reverse")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    ]
    assert list(module.state_dict()) == names == module._flat_weights_names
    assert module.weight_ih_l1.shape == (12, 2) and module.weight_hr_l0.shape == (1, 3)
    # PyTorch's first draw for this seed from ±1/√3.
    assert module.weight_ih_l0[0, 0].item() == pytest.approx(-0.0043, abs=5e-5)
    assert [len(weights) for weights in module.all_weights] == [5, 5, 5, 5]
    assert module.flatten_parameters() is None
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(torch.ones(3, 2))[0], module(torch.ones(3, 2))[0])
    assert list(nn.GRU(2, 3, bias=False).state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert list(nn.RNNCell(2, 3).state_dict()) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


def test_how_they_print() -> None:
    assert repr(nn.LSTM(3, 4, 2, batch_first=True, proj_size=2)) == (
        "LSTM(3, 4, proj_size=2, num_layers=2, batch_first=True)"
    )
    assert repr(nn.RNN(3, 4, bias=False, bidirectional=True)) == "RNN(3, 4, bias=False, bidirectional=True)"
    assert repr(nn.RNNCell(3, 4, nonlinearity="relu")) == "RNNCell(3, 4, nonlinearity=relu)"
    assert repr(nn.GRUCell(3, 4, bias=False)) == "GRUCell(3, 4, bias=False)"


X = torch.ones(2, 5, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.RNN(3, 4, nonlinearity="some"), ValueError, "Unknown nonlinearity 'some'"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "smaller than hidden_size"),
        (lambda: nn.LSTM(3, 4, dropout=True), ValueError, r"number in range \[0, 1\]"),
        (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
        (lambda: nn.LSTM(3, 4.0), TypeError, "hidden_size should be of type int, got: float"),
        (lambda: nn.LSTM(3, 4, 0), ValueError, "num_layers must be greater than zero"),
        (lambda: nn.LSTM(3), TypeError, "hidden_size"),
        (lambda: nn.RNNBase("SOME", 3, 4), ValueError, "Unrecognized RNN mode"),
        (lambda: nn.LSTM(3, 4)(X[0, 0]), ValueError, "LSTM: Expected input to be 2D or 3D, got 1D instead"),
        (lambda: nn.LSTM(4, 4)(X), RuntimeError, "Expected 4, got 3"),
        (lambda: nn.LSTM(3, 4)(X.double()), ValueError, "does not match weight dtype"),
        (lambda: nn.LSTM(3, 4)(X[:0]), RuntimeError, "sequence length to be larger than 0"),
        (lambda: nn.GRU(3, 4)(X, torch.ones(1, 5, 5)), RuntimeError, r"Expected hidden size \(1, 5, 4\), got \[1, 5, 5\]"),
        (lambda: nn.GRU(3, 4)(X, torch.ones(5, 4)), RuntimeError, "hx should also be 3-D but got 2-D tensor"),
        (lambda: nn.GRU(3, 4)(X, torch.ones(1, 5, 4).double()), RuntimeError, "dtype"),
        (lambda: nn.LSTM(3, 4)(X, (torch.ones(1, 5, 4), torch.ones(1, 5, 5))), RuntimeError, r"hidden\[1\]"),
        (lambda: nn.LSTM(3, 4)(X, torch.ones(1, 5, 4)), IndexError, "out of bounds"),
        (lambda: nn.LSTM(4, 4)(packing.pack_sequence([X[0]])), RuntimeError, "Expected 4, got 3"),
        (lambda: nn.RNNCell(3, 4)(X), ValueError, "RNNCell: Expected input to be 1D or 2D, got 3D instead"),
        (lambda: nn.RNNCell(4, 4)(X[0]), RuntimeError, "inconsistent input_size: got 3 expected 4"),
        (lambda: nn.GRUCell(3, 4)(X[0], torch.ones(5, 5)), RuntimeError, "hidden0 has inconsistent hidden_size"),
        (lambda: nn.GRUCell(3, 4)(X[0], torch.ones(4, 4)), RuntimeError, "doesn't match hidden0 batch size 4"),
        (lambda: nn.LSTMCell(3, 4)(X[0], torch.ones(5, 4)), TypeError, "tuple of Tensors, not Tensor"),
        (lambda: nn.RNNCell(3, 4, nonlinearity="some")(X[0]), RuntimeError, "Unknown nonlinearity: some"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# --- packing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[3, 3], [4, 2, 1], [1, 4, 2, 4], [1]])
@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_back(lengths: list[int], batch_first: bool) -> None:
    sequences = [numbers(n, 2, seed=i) for i, n in enumerate(lengths)]
    padded = packing.pad_sequence(sequences, batch_first=batch_first, padding_value=9.0)
    shape = (len(lengths), max(lengths), 2)
    assert padded.shape == (shape if batch_first else (shape[1], shape[0], 2))
    packed = packing.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    assert packed.data.shape == (sum(lengths), 2)
    assert packed.batch_sizes.tolist() == [sum(n > t for n in lengths) for t in range(max(lengths))]
    longest = packed.sorted_indices[0].item()
    assert torch.equal(packed.data[0], sequences[longest][0])
    again, sizes = packing.pad_packed_sequence(packed, batch_first, padding_value=9.0)
    assert torch.equal(again, padded) and sizes.tolist() == lengths
    for ours, theirs in zip(packing.unpack_sequence(packed), sequences, strict=True):
        assert torch.equal(ours, theirs)
    weights = numbers(*packed.data.shape, seed=9).detach()
    (packed.data * weights).sum().backward()
    steps = packing.unpack_sequence(packed._replace(data=weights))
    for sequence, gradient in zip(sequences, steps, strict=True):
        assert torch.equal(sequence.grad, gradient)


def test_padding_on_the_left_and_more_steps_than_needed() -> None:
    sequences = [torch.ones(1), torch.ones(3)]
    left = packing.pad_sequence(sequences, batch_first=True, padding_side="left")
    assert left.tolist() == [[0, 0, 1], [1, 1, 1]]
    packed = packing.pack_sequence(sequences, enforce_sorted=False)
    padded, _ = packing.pad_packed_sequence(packed, batch_first=True, total_length=4)
    assert padded.tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]


def test_a_packed_sequence_is_a_tuple_with_methods() -> None:
    packed = packing.pack_sequence([torch.ones(2), torch.zeros(1)])
    data, batch_sizes, *indices = packed
    assert (data.tolist(), batch_sizes.tolist(), indices) == ([1, 0, 1], [2, 1], [None, None])
    assert packed.double().data.dtype is torch.float64
    assert packed.to(torch.float32) is packed
    assert not packed.is_cuda and not packed.is_pinned()
    assert repr(pickle.loads(pickle.dumps(packed))) == repr(packed)
    same = packing.PackedSequence((data, batch_sizes))
    assert same.batch_sizes is batch_sizes


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2], "sorted in decreasing order"),
        ([2, 0], "greater than 0"),
        ([2], "equal to batch_size, but got 1"),
        ([4, 1], "a sequence of length 4 in an input of 3 steps"),
        ([[2, 1]], "1D CPU int64 tensor"),
    ],
)
def test_lengths_that_do_not_fit(lengths: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        packing.pack_padded_sequence(torch.ones(3, 2), lengths)


def test_other_bad_packings() -> None:
    packed = packing.pack_sequence([torch.ones(3)])
    with pytest.raises(ValueError, match="total_length=2"):
        packing.pad_packed_sequence(packed, total_length=2)
    with pytest.raises(RuntimeError, match="empty list"):
        packing.pad_sequence([])
    with pytest.raises(RuntimeError, match="padding_side"):
        packing.pad_sequence([torch.ones(1)], padding_side="top")
    with pytest.raises(AssertionError, match="length 2"):
        packing.PackedSequence(torch.ones(3))


def test_weights_given_beside_the_parameters() -> None:
    lstm = torch.nn.LSTM(3, 4, 2)
    x = torch.ones(2, 1, 3)
    doubled = torch.nn.LSTM(3, 4, 2)
    doubled.load_state_dict({name: 2 * value for name, value in lstm.state_dict().items()})
    before = lstm(x)[0]
    lstm._flat_weights = [weight * 2 for weight in lstm.parameters()]
    assert torch.equal(lstm(x)[0], doubled(x)[0])
    lstm(x)[0].sum().backward()
    assert all(weight.grad is not None for weight in lstm.parameters())
    for name, value in list(lstm.named_parameters()):
        setattr(lstm, name, torch.nn.Parameter(value.detach()))  # a new parameter counts again
    assert torch.equal(lstm(x)[0], before)
    assert lstm.double()._flat_weights[0].dtype == torch.float64
