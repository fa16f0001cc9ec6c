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
