"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import default_numpy
from ..core.tensor import Tensor, make_tensor
from ..ops.creation import zeros_like
from .optimizer import Group, Optimizer, State, check_at_least, check_beta


def step_counter() -> Tensor:
    """The number of updates done, as PyTorch keeps it: a 0-dim tensor, float64 if that is the default, else float32."""
    return make_tensor(np.zeros((), np.float64 if default_numpy() == np.float64 else np.float32))


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square (Kingma & Ba, "Adam", 2015, Algorithm 1).

    Args:
        lr: step size.   betas: decay of the two means.   eps: added to the denominator.   weight_decay: L2 penalty, added
            to the gradient; with ``decoupled_weight_decay`` the parameter shrinks by ``lr * weight_decay`` instead
            (AdamW).   amsgrad: use the largest second mean so far (Reddi et al., 2018).   maximize: go uphill.

    Raises ``ValueError`` for options out of range.
    """

    sparse_name = "Adam"

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_at_least("learning rate", lr, 0.0)
        check_at_least("epsilon value", eps, 0.0)
        check_beta(0, betas[0])
        check_beta(1, betas[1])
        if isinstance(betas[0], Tensor) or isinstance(betas[1], Tensor):
            _check_tensor_betas(betas, one_by_one=capturable or not foreach)
        check_at_least("weight_decay value", weight_decay, 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        state = {"step": step_counter(), "exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(param)
        return state

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        lr, weight_decay = group["lr"], group["weight_decay"]
        beta1, beta2 = group["betas"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        step = state["step"].item()
        if weight_decay:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * weight_decay)
            else:
                grad = grad.add(param, alpha=weight_decay)
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad.conj(), value=1 - beta2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            square = largest.copy_(largest.maximum(square))
        # m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps), with the root of the second correction taken out of the sum:
        # one pass over the parameter less.
        correction = (1 - beta2**step) ** 0.5
        denominator = square.sqrt().add_(group["eps"] * correction)
        param.addcdiv_(mean, denominator, value=-lr * correction / (1 - beta1**step))

    def update_differentiable(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        lr, weight_decay = group["lr"], group["weight_decay"]
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"].item()
        if isinstance(weight_decay, Tensor) or weight_decay:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * weight_decay)
            else:
                grad = grad + param.clone() * weight_decay  # as it is before it changes below
        mean = state["exp_avg"] = state["exp_avg"] * beta1 + grad * (1 - beta1)
        square = state["exp_avg_sq"] = state["exp_avg_sq"] * beta2 + grad * grad * (1 - beta2)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"] = state["max_exp_avg_sq"].maximum(square)
        correction = (1 - beta2**step) ** 0.5
        denominator = square.sqrt() + group["eps"] * correction
        param.addcdiv_(mean * (-lr * correction / (1 - beta1**step)), denominator)


def _check_tensor_betas(betas: tuple[Any, Any], *, one_by_one: bool) -> None:
    if not all(isinstance(beta, Tensor) for beta in betas):
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if not one_by_one:
            raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
        if beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element")


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters instead of joining the gradient (Loshchilov & Hutter, 2019)."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
