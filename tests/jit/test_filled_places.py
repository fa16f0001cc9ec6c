"""Filling the places where a mask is true needs no value in Python, so static graphs have it."""

import pytest

import rushlight as torch


@pytest.mark.parametrize("options", [{}, {"fullgraph": True}])
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("content", [0.5, torch.tensor(0.25), torch.tensor([0.25])])
def test_a_fill_by_a_mask(options, requires_grad, content):
    def program(x):
        norms = x * 2
        norms[norms < 0.5] = content
        return norms.sqrt()

    compiled = torch.compile(program, **options)
    for seed in range(3):
        torch.manual_seed(seed)
        x = torch.rand(4, 5, requires_grad=requires_grad)
        torch.testing.assert_close(compiled(x), program(x))
        if requires_grad:
            (mine,) = torch.autograd.grad(compiled(x).sum(), x)
            (other,) = torch.autograd.grad(program(x).sum(), x)
            torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("options", [{}, {"fullgraph": True}])
def test_rows_by_a_mask(options):
    def program(x, mask):
        y = x.clone()
        y[mask] = -1
        return y

    compiled = torch.compile(program, **options)
    for mask in ([True, False, True], [False, False, False]):
        x = torch.arange(6.0).reshape(3, 2)
        torch.testing.assert_close(compiled(x, torch.tensor(mask)), program(x, torch.tensor(mask)))


def test_classes_with_torch_function_and_compiled_code():
    # From the first such class on, functions' code holds tables that are no ordinary constants.
    class Logged(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return super().__torch_function__(func, types, args, kwargs or {})

    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(2, 2)

        def forward(self, x):
            return torch.relu(self.linear(x)) * len(x.shape)

    model = Scale()
    compiled = torch.compile(model, fullgraph=True)
    x = torch.ones(3, 2)
    for _ in range(2):
        torch.testing.assert_close(compiled(x), model(x))
    assert type(x.as_subclass(Logged) + 1) is Logged


def _copied_over(a, b):
    whole = b * 2
    whole.permute(2, 3, 0, 1).copy_(a.sin())
    return whole * b + 1


def _added_to(a, b):
    whole = b * 2
    whole.permute(2, 3, 0, 1).add_(a.sin())
    return whole * b


def _filled_zeros(a, b):
    whole = torch.zeros(3, 4, 12, 12) + a.sum() * 0
    whole.permute(2, 3, 0, 1).copy_(a * 2)
    return whole + b


@pytest.mark.parametrize("fullgraph", [False, True])
@pytest.mark.parametrize("function", [_copied_over, _added_to, _filled_zeros])
def test_all_of_a_tensor_is_written_in_another_order_and_read(function, fullgraph):
    """Extents of which one space of indices can be made: (3, 4, 12, 12) and (12, 12, 3, 4)."""
    torch.manual_seed(0)
    a, b = torch.randn(12, 12, 3, 4), torch.randn(3, 4, 12, 12)
    compiled = torch.compile(function, fullgraph=fullgraph)
    for _ in range(3):
        assert torch.allclose(compiled(a, b), function(a, b), atol=1e-6)
