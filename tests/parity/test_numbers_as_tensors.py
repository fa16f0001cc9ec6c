"""Numbers given as tensors without dimensions: ``alpha``, ``beta``, orders of norms, bounds."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.parity


@pytest.mark.parametrize(
    "call",
    [
        lambda m, a, t: a.add(a, alpha=t),
        lambda m, a, t: a.clone().add_(a, alpha=t),
        lambda m, a, t: m.sub(a, a, alpha=t),
        lambda m, a, t: m.rsub(a, a, alpha=t),
        lambda m, a, t: m.addmm(a[:, None], a[:, None], a[None], alpha=t, beta=t),
        lambda m, a, t: a.addmv(m.ones(2, 2), a, beta=t),
        lambda m, a, t: m.baddbmm(m.ones(1, 2, 2), m.ones(1, 2, 2), m.ones(1, 2, 2), alpha=t),
        lambda m, a, t: a.norm(t),
        lambda m, a, t: (a / 9).logit(t / 8),
    ],
)
def test_they_are_numbers(call: Any) -> None:
    results = []
    for module in (torch, rushlight):
        a = module.tensor([1.5, 2.0])
        results += [call(module, a, module.tensor(number)).reshape(-1).tolist() for number in (2.0, 2)]
        for wrong in (module.tensor([2.0]), module.tensor(2.0, requires_grad=True)):
            with pytest.raises(TypeError):
                call(module, a, wrong)
    for expected, given in zip(results[:2], results[2:], strict=True):
        assert given == pytest.approx(expected, rel=1e-6)


def test_a_program_may_give_as_subclass_a_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tagged(rushlight.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return super().__torch_function__(func, types, args, kwargs or {})

    monkeypatch.setattr(rushlight, "as_subclass", rushlight.Tensor.as_subclass, raising=False)
    tagged = rushlight.ones(2).as_subclass(Tagged)
    assert type(tagged + 1) is Tagged
    assert type(rushlight.as_subclass(tagged, rushlight.Tensor)) is rushlight.Tensor


def test_the_flag_is_set_also_where_a_subclass_has_a_method_of_that_name() -> None:
    for module in (torch, rushlight):

        class Own(module.Tensor):  # type: ignore[misc, name-defined]
            def requires_grad_(self, requires_grad: bool = True) -> Any:
                self.requires_grad = requires_grad
                return self

        assert module.ones(2).as_subclass(Own).requires_grad_().requires_grad


def test_sizes_may_be_tensors() -> None:
    for module in (torch, rushlight):
        size = [module.tensor(n) for n in (1, 1, 2, 3)]
        grid = module.nn.functional.affine_grid(module.eye(2, 3)[None], size, align_corners=False)
        assert tuple(grid.shape) == (1, 2, 3, 2)


@pytest.mark.parametrize(
    "name", ["mul_", "div_", "true_divide_", "bitwise_and_", "copysign_", "add_", "remainder_"]
)
def test_in_place_methods_refuse_what_is_no_tensor(name: str) -> None:
    for module in (torch, rushlight):
        with pytest.raises(TypeError):
            getattr(module.ones(2, dtype=module.int32), name)("a")


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of PyTorch's own
def test_arrays_beside_subclasses() -> None:
    import numpy as np

    for module in (torch, rushlight):

        class Own(module.Tensor):  # type: ignore[misc, name-defined]
            @classmethod
            def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return super().__torch_function__(func, types, args, kwargs or {})

        own = module.ones(2).as_subclass(Own)
        assert type(own * np.ones(2)) is Own and (own / np.full(2, 2.0)).tolist() == [0.5, 0.5]
        with pytest.raises(TypeError):
            np.ones(2) * own
        with pytest.raises(TypeError):
            own.mul(np.ones(2))
