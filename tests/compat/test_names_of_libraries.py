"""Names, mostly private ones of PyTorch's, that libraries import and call."""

from __future__ import annotations

import warnings

import pytest

import rushlight as torch
from rushlight.compat import functorch
from rushlight.nn.utils.stateless import _reparametrize_module


def test_typed_sparse_tensors():
    indices = torch.tensor([[0, 1], [1, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        s = torch.sparse.FloatTensor(indices, torch.ones(2), torch.Size([2, 2]))
        assert torch.sparse.LongTensor(2, 3).shape == (2, 3)
        assert torch.sparse.LongTensor(2, 3).dtype is torch.int64
        with pytest.raises(TypeError, match="only accepts sizes"):
            torch.sparse.FloatTensor([1.0, 2.0])
    assert torch.equal(s.to_dense(), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert isinstance(s, torch.sparse.FloatTensor)
    assert not isinstance(torch.ones(2), torch.sparse.FloatTensor)
    assert s.type() == "torch.sparse.FloatTensor"
    assert s.type("torch.sparse.DoubleTensor").dtype is torch.float64
    assert torch.equal(torch.dsmm(s, torch.eye(2)), s.to_dense())


def test_typed_tensors_of_gpus():
    assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)
    assert torch.cuda.LongTensor.dtype is torch.int64 and torch.cuda.LongTensor.is_cuda
    if not torch.cuda.is_available():
        with pytest.raises(TypeError, match="not available"):
            torch.cuda.FloatTensor(2)


def test_older_casts():
    assert torch._cast_Long(torch.tensor([1.7])).tolist() == [1]
    assert torch._cast_Double(torch.ones(1)).dtype is torch.float64


def test_parameters_are_replaced_for_a_while():
    layer = torch.nn.Linear(2, 1)
    own = layer.weight
    with _reparametrize_module(layer, {"weight": torch.ones(1, 2)}):
        assert layer.weight.tolist() == [[1.0, 1.0]]
    assert layer.weight is own


def test_noise_of_distributions_by_its_private_name():
    noise = torch.distributions.utils._standard_normal((3,), dtype=torch.float64, device=torch.device("cpu"))
    assert noise.shape == (3,) and noise.dtype is torch.float64


def test_line_search_of_lbfgs():
    from rushlight.optim.lbfgs import _cubic_interpolate, _strong_wolfe

    assert _cubic_interpolate(0.0, 1.0, -2.0, 2.0, 1.0, 2.0) == pytest.approx(1.0)
    start = torch.tensor([3.0])

    def objective(x, t, d):
        at = x + t * d
        return float((at**2).sum()), 2 * at

    loss, gradient, length, _ = _strong_wolfe(
        objective, start, 1.0, torch.tensor([-6.0]), 9.0, 2 * start, torch.tensor(-36.0)
    )
    assert loss == pytest.approx(0.0, abs=1e-6) and length == pytest.approx(0.5)
    assert gradient.abs().item() < 1e-3


@pytest.mark.filterwarnings("ignore:We.ve integrated functorch")
def test_make_functional():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    x = torch.ones(4, 2)
    function, parameters = functorch.make_functional(model)
    assert torch.equal(function(parameters, x), model(x))
    (gradient, *_) = functorch.grad(lambda p: function(p, x).sum())(parameters)
    model(x).sum().backward()
    torch.testing.assert_close(gradient, model[0].weight.grad)
    with pytest.raises(RuntimeError, match="buffers"):
        functorch.make_functional(torch.nn.BatchNorm1d(2))
    assert not any(
        p.requires_grad for p in functorch.make_functional(model, disable_autograd_tracking=True)[1]
    )


@pytest.mark.filterwarnings("ignore:We.ve integrated functorch")
def test_ensembles():
    models = [torch.nn.Linear(2, 1) for _ in range(3)]
    function, parameters, buffers = functorch.combine_state_for_ensemble(models)
    x = torch.ones(4, 2)
    stacked = functorch.vmap(function, in_dims=(0, 0, None))(parameters, buffers, x)
    torch.testing.assert_close(stacked, torch.stack([model(x) for model in models]))


def test_tensors_with_history_are_pickled_as_leaves():
    import pickle

    x = torch.ones(2, requires_grad=True)
    again = pickle.loads(pickle.dumps(2 * x))
    assert again.is_leaf and again.requires_grad and again.tolist() == [2.0, 2.0]


def test_sizes_hold_ints():
    size = torch.Size([torch.tensor(3), 2, True])
    assert size == (3, 2, 1) and all(type(extent) is int for extent in size)
    assert torch.Size(torch.tensor([1, 2])) == (1, 2)
    for given in ([2.0], ["a"], [torch.tensor(2.0)], [torch.tensor([1, 2])]):
        with pytest.raises(TypeError, match="iterable of 'int'"):
            torch.Size(given)


def test_older_names_of_mixed_precision_have_modules_of_their_own():
    assert torch.cuda.amp.grad_scaler.GradScaler is torch.cuda.amp.GradScaler
    assert torch.cuda.amp.grad_scaler.OptState is torch.amp.grad_scaler.OptState
    assert torch.cuda.amp.autocast_mode.custom_fwd is torch.cuda.amp.custom_fwd
    assert torch.cuda.amp.common.amp_definitely_not_available() != torch.cuda.is_available()
    assert torch.cpu.amp.autocast_mode.autocast is torch.cpu.amp.autocast
    assert torch.cpu.amp.grad_scaler.GradScaler is torch.cpu.amp.GradScaler


def test_functions_on_pictures_are_part_of_static_graphs():
    from rushlight.vision.transforms import functional

    compiled = torch.compile(lambda x: functional.center_crop(x * 2, [4, 4]), fullgraph=True)
    for _ in range(3):
        x = torch.randn(1, 3, 8, 8)
        assert torch.equal(compiled(x), x[..., 2:6, 2:6] * 2)
