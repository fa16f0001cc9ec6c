"""NAdam, RAdam, Adamax and SparseAdam: Adam with another momentum, warm-up, norm, or only the rows that were used."""

from __future__ import annotations

import math
from typing import Any

from ..core.tensor import Tensor
from ..ops.bounds import maximum
from ..ops.creation import ones, zeros_like
from .adam import step_counter
from .optimizer import Group, Optimizer, State, check_at_least, check_beta, shifted


def _decayed(param: Tensor, grad: Tensor, group: Group) -> Tensor:
    """The gradient with the L2 penalty, or unchanged after a decoupled decay of the parameter."""
    weight_decay = group["weight_decay"]
    if not weight_decay:
        return grad
    if group.get("decoupled_weight_decay"):
        param.mul_(1 - group["lr"] * weight_decay)
        return grad
    return grad.add(param, alpha=weight_decay)  # type: ignore[no-any-return]


class NAdam(Optimizer):
    """Adam with Nesterov's look-ahead momentum (Dozat, "Incorporating Nesterov momentum into Adam", 2016).

    Args:
        lr, betas, eps, weight_decay, decoupled_weight_decay: as in Adam and AdamW.   momentum_decay: how fast the momentum
            reaches its full value.

    Example:
        >>> import rushlight as torch
        >>> w = torch.ones(1, requires_grad=True)
        >>> optimizer = torch.optim.NAdam([w], lr=0.1)
        >>> w.sum().backward()
        >>> optimizer.step()
        >>> w.item() < 1
        True
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("epsilon value", eps, 0.0)
        check_beta(0, betas[0])
        check_beta(1, betas[1])
        check_at_least("weight_decay value", weight_decay, 0.0)
        check_at_least("momentum_decay value", momentum_decay, 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {
            "step": step_counter(),
            "mu_product": ones((), dtype=step_counter().dtype),
            "exp_avg": zeros_like(param),
            "exp_avg_sq": zeros_like(param),
        }

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["momentum_decay"]
        mean, square, product = state["exp_avg"], state["exp_avg_sq"], state["mu_product"]
        state["step"] += 1
        step = state["step"].item()
        grad = _decayed(param, grad, group)
        momentum = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        following = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        product *= momentum
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = shifted(square.div(1 - beta2**step).sqrt_(), group["eps"], group)
        past = product.item()
        param.addcdiv_(grad, denominator, value=-lr * (1.0 - momentum) / (1.0 - past))
        param.addcdiv_(mean, denominator, value=-lr * following / (1.0 - past * following))


class RAdam(Optimizer):
    """Adam that begins as momentum until the mean of squares can be trusted (Liu et al., "On the variance of the adaptive
    learning rate and beyond", 2020).

    Args: as in Adam and AdamW.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("epsilon value", eps, 0.0)
        check_beta(0, betas[0])
        check_beta(1, betas[1])
        check_at_least("weight_decay value", weight_decay, 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"step": step_counter(), "exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        beta1, beta2 = group["betas"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        step = state["step"].item()
        grad = _decayed(param, grad, group)
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction2 = 1 - beta2**step
        corrected = mean.div(1 - beta1**step)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction2
        if length > 5.0:
            rectified = math.sqrt(
                (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            )
            adaptive = math.sqrt(correction2) / shifted(square.sqrt(), group["eps"], group)
            param.add_(corrected * group["lr"] * adaptive * rectified, alpha=-1.0)
        else:
            param.add_(corrected * group["lr"], alpha=-1.0)


class Adamax(Optimizer):
    """Adam with the largest gradient so far in place of the mean square (Kingma & Ba, "Adam", 2015, Algorithm 2).

    Args: as in Adam.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("epsilon value", eps, 0.0)
        check_beta(0, betas[0])
        check_beta(1, betas[1])
        check_at_least("weight_decay value", weight_decay, 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"step": step_counter(), "exp_avg": zeros_like(param), "exp_inf": zeros_like(param)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        beta1, beta2 = group["betas"]
        mean, largest = state["exp_avg"], state["exp_inf"]
        state["step"] += 1
        grad = _decayed(param, grad, group)
        mean.lerp_(grad, 1 - beta1)
        largest.copy_(maximum(largest.mul(beta2), grad.abs().add_(group["eps"])))
        param.addcdiv_(mean, largest, value=-group["lr"] / (1 - beta1 ** state["step"].item()))


class SparseAdam(Optimizer):
    """Adam that touches only the entries that a sparse gradient has.

    A dense gradient, which PyTorch refuses, is read as a sparse one of the rows that are not all zero: compiled functions give
    those to an ``Embedding(sparse=True)``.
    """

    takes_sparse = True

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (("learning rate", lr), ("epsilon value", eps)):
            if not value > 0.0:
                raise ValueError(f"Invalid {name}: {value}")
        check_beta(0, betas[0])
        check_beta(1, betas[1])
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        sparse = [i for i, tensor in enumerate(tensors) if getattr(tensor, "is_sparse", False)]
        if sparse:
            raise ValueError(
                f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors"
            )
        if any(tensor.is_complex() for tensor in tensors):
            raise ValueError("SparseAdam does not support complex parameters")

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"step": 0, "exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"]
        if getattr(grad, "is_sparse", False):
            grad = grad.coalesce()
            places: Any = tuple(grad._indices())
            values: Any = grad._values()
        else:
            rows = grad.reshape(grad.shape[0], -1) if grad.dim() else grad.reshape(1, 1)
            places = rows.ne(0).any(1).nonzero().squeeze(1) if grad.dim() else ...
            values = grad[places]
        if values.numel() == 0:
            return
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        new_mean = mean[places].lerp(values, 1 - beta1)
        new_square = square[places].lerp(values.square(), 1 - beta2)
        mean[places] = new_mean
        square[places] = new_square
        size = group["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        param[places] = param[places] - size * new_mean / new_square.sqrt().add_(group["eps"])
