"""ASGD and Rprop."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.creation import full_like, ones, tensor, zeros_like
from .adam import step_counter
from .optimizer import Group, Optimizer, State, check_at_least


class ASGD(Optimizer):
    """Gradient descent that also keeps the parameters' running average, in ``state[param]["ax"]`` (Polyak & Juditsky,
    "Acceleration of stochastic approximation by averaging", 1992).

    Args:
        lr: step size.   lambd: decay of the parameters.   alpha: power with which the step size shrinks.   t0: the step at
            which averaging starts.   weight_decay: L2 penalty.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("weight_decay value", weight_decay, 0.0)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        step = step_counter()
        lr = group["lr"]
        return {
            "step": step,
            "eta": tensor(lr.item() if isinstance(lr, Tensor) else lr, dtype=step.dtype),
            "mu": ones((), dtype=step.dtype),
            "ax": zeros_like(param),
        }

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        lambd, average = group["lambd"], state["ax"]
        state["step"] += 1
        step = state["step"].item()
        if group["weight_decay"]:
            grad = grad.add(param, alpha=group["weight_decay"])
        eta, mu = state["eta"].item(), state["mu"].item()
        param.mul_(1 - lambd * eta)
        param.add_(grad, alpha=-eta)
        if mu == 1:
            average.copy_(param)
        else:
            average.add_(param.sub(average).mul_(mu))
        lr = group["lr"]
        state["eta"].fill_(lr / ((1 + lambd * lr * step) ** group["alpha"]))
        state["mu"].fill_(1 / max(1, step - group["t0"]))


class Rprop(Optimizer):
    """Steps by the gradient's sign alone, each element with a size of its own that grows while the sign stays (Riedmiller
    & Braun, "A direct adaptive method for faster backpropagation learning", 1993).

    Args:
        lr: first step size.   etas: factors at a change of the sign and without one.   step_sizes: least and most.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        lr = group["lr"]
        size = lr.item() if isinstance(lr, Tensor) else lr
        first = complex(size, size) if param.is_complex() else size
        return {"step": step_counter(), "prev": zeros_like(param), "step_size": full_like(param, first)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        shrink, grow = group["etas"]
        low, high = group["step_sizes"]
        previous, sizes = state["prev"], state["step_size"]
        state["step"] += 1
        agreement = grad.mul(previous).sign()
        turned = agreement.lt(0)
        factor = agreement.gt(0).to(grad.dtype).mul_(grow - 1).add_(1).masked_fill_(turned, shrink)
        sizes.mul_(factor).clamp_(low, high)
        grad = grad.masked_fill(turned, 0)  # after a turn wait one step
        param.addcmul_(grad.sign(), sizes, value=-1)
        previous.copy_(grad)
