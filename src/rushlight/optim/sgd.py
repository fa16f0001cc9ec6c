"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from .optimizer import Group, Optimizer, State, check_at_least


class SGD(Optimizer):
    r"""Gradient descent: ``param -= lr * g``, with ``g`` the gradient plus ``weight_decay * param``, smoothed by momentum.

    Args:
        lr: step size.   momentum: share of the last step that is kept.   dampening: share of the gradient that is not
            added to the momentum.   weight_decay: L2 penalty.   nesterov: look-ahead momentum (Sutskever et al., "On the
            importance of initialization and momentum in deep learning", 2013).   maximize: go uphill.

    Raises ``ValueError`` for negative options and for Nesterov without momentum.
    """

    takes_sparse = True

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("momentum value", momentum, 0.0)
        check_at_least("weight_decay value", weight_decay, 0.0)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        weight_decay, momentum = group["weight_decay"], group["momentum"]
        if weight_decay:
            grad = grad.add(param, alpha=weight_decay)
        if momentum:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone().detach()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        param.add_(grad, alpha=-group["lr"])

    def update_differentiable(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        weight_decay, momentum = group["weight_decay"], group["momentum"]
        if isinstance(weight_decay, Tensor) or weight_decay:
            # A clone, because the parameter changes below, and the history needs it as it is.
            grad = grad + param.clone() * weight_decay
        if momentum:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = grad.clone().detach()
            else:
                buffer = buffer * momentum + grad * (1 - group["dampening"])
            state["momentum_buffer"] = buffer
            grad = grad + buffer * momentum if group["nesterov"] else buffer
        param.add_(grad * -group["lr"])
