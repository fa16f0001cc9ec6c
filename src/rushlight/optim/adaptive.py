"""RMSprop, Adagrad and Adadelta: steps scaled by running sums or means of squared gradients."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.creation import full_like, zeros_like
from .adam import step_counter
from .optimizer import Group, Optimizer, State, check_at_least, shifted


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients (Hinton, Coursera lecture 6e, 2012).

    Args:
        lr: step size.   alpha: decay of the mean.   eps: added to the root.   weight_decay: L2 penalty.   momentum: share
            of the last step that is kept.   centered: subtract the squared mean gradient (Graves, 2013).
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("epsilon value", eps, 0.0)
        check_at_least("momentum value", momentum, 0.0)
        check_at_least("weight_decay value", weight_decay, 0.0)
        check_at_least("alpha value", alpha, 0.0)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        state = {"step": step_counter(), "square_avg": zeros_like(param)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = zeros_like(param)
        return state

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        alpha = group["alpha"]
        square = state["square_avg"]
        state["step"] += 1
        if group["weight_decay"]:
            grad = grad.add(param, alpha=group["weight_decay"])
        square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"]
            mean.lerp_(grad, 1 - alpha)
            root = square.addcmul(mean, mean, value=-1).sqrt_()
        else:
            root = square.sqrt()
        root = shifted(root, group["eps"], group)
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"]
            buffer.mul_(group["momentum"]).addcdiv_(grad, root)
            param.add_(buffer, alpha=-group["lr"])
        else:
            param.addcdiv_(grad, root, value=-group["lr"])


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi, Hazan & Singer, 2011).

    Args:
        lr: step size.   lr_decay: how fast it shrinks with the number of steps.   weight_decay: L2 penalty.
        initial_accumulator_value: what the sum starts at.   eps: added to the root.
    """

    takes_sparse = True

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        check_at_least("lr_decay value", lr_decay, 0.0)
        check_at_least("weight_decay value", weight_decay, 0.0)
        check_at_least("initial_accumulator_value value", initial_accumulator_value, 0.0)
        check_at_least("epsilon value", eps, 0.0)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        # PyTorch has this state from the start, so that checkpoints of an unused optimizer are alike.
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param] = self.init_state(param, group)

    def init_state(self, param: Tensor, group: Group) -> State:
        start = group["initial_accumulator_value"]
        return {
            "step": step_counter(),
            "sum": full_like(param, complex(start, start) if param.is_complex() else start),
        }

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        total = state["sum"]
        state["step"] += 1
        step = state["step"].item()
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        if grad.is_sparse:
            from ..ops.sparse_creation import sparse_coo_tensor  # only who has sparse gradients needs it

            if group["weight_decay"]:
                raise RuntimeError("weight_decay option is not compatible with sparse gradients")
            grad = grad.coalesce()
            total.add_(grad * grad)
            root = total.sparse_mask(grad).sqrt()
            values = grad.values() / root.values().add_(group["eps"])
            param.add_(sparse_coo_tensor(grad.indices(), values, grad.shape), alpha=-rate)
            return
        if group["weight_decay"]:
            grad = grad.add(param, alpha=group["weight_decay"])
        total.addcmul_(grad, grad, value=1)
        root = shifted(total.sqrt(), group["eps"], group)
        param.addcdiv_(grad, root, value=-rate)

    def share_memory(self) -> None:
        """Accepted for compatibility; memory is shared between threads anyway."""


class Adadelta(Optimizer):
    """Steps scaled by the ratio of running means of past updates and gradients (Zeiler, 2012).

    Args:
        lr: factor of the step.   rho: decay of the means.   eps: added under the roots.   weight_decay: L2 penalty.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least("learning rate", lr, 0.0)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least("epsilon value", eps, 0.0)
        check_at_least("weight_decay value", weight_decay, 0.0)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"step": step_counter(), "square_avg": zeros_like(param), "acc_delta": zeros_like(param)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        rho, eps = group["rho"], group["eps"]
        square, updates = state["square_avg"], state["acc_delta"]
        state["step"] += 1
        if group["weight_decay"]:
            grad = grad.add(param, alpha=group["weight_decay"])
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta, root = updates.add(eps).sqrt_(), square.add(eps).sqrt_()
        # The history of a differentiable step holds both roots.
        delta = delta.div(root).mul(grad) if group["differentiable"] else delta.div_(root).mul_(grad)
        updates.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        param.add_(delta, alpha=-group["lr"])
