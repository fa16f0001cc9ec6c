"""Optimizers that treat a matrix as a matrix: Adafactor and Muon."""

from __future__ import annotations

import math
from typing import Any

from ..core.limits import finfo
from ..core.tensor import Tensor
from ..ops.creation import zeros, zeros_like
from ..ops.linear import addmm
from .adam import step_counter
from .optimizer import Group, Optimizer, State


def _refuse_complex(name: str, param: Tensor) -> None:
    if param.is_complex():
        raise RuntimeError(f"{name} does not support complex parameters")


def _check_one_element(lr: Any) -> None:
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


class Adafactor(Optimizer):
    """Adam's scaling from one mean square per row and one per column instead of one per element (Shazeer & Stern,
    "Adafactor: adaptive learning rates with sublinear memory cost", 2018).

    Args:
        lr: step size.   beta2_decay: power of the step with which the means forget.   eps: least mean square (None: the
            dtype's) and least scale of the parameter.   d: clipping threshold of the update.   weight_decay: decoupled.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        _check_one_element(lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        _refuse_complex("Adafactor", param)
        if param.dim() > 1:
            *rest, rows, columns = param.shape
            return {
                "step": step_counter(),
                "row_var": zeros((*rest, rows, 1), dtype=param.dtype, device=param.device),
                "col_var": zeros((*rest, 1, columns), dtype=param.dtype, device=param.device),
            }
        return {"step": step_counter(), "variance": zeros_like(param)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        eps1, eps2 = group["eps"]
        lr = group["lr"]
        lr = lr.item() if isinstance(lr, Tensor) else lr
        if eps1 is None:
            eps1 = finfo(param.dtype).eps
        state["step"] += 1
        step = state["step"].item()
        forget = step ** group["beta2_decay"]
        scale = max(eps2, param.norm(2).item() / param.numel() ** 0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"]:
            param.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows.lerp_(grad.norm(dim=-1, keepdim=True).square_().div_(grad.shape[-1]), forget)
            columns.lerp_(grad.norm(dim=-2, keepdim=True).square_().div_(grad.shape[-2]), forget)
            variance: Any = rows @ columns
            variance.div_(rows.mean(dim=-2, keepdim=True).clamp_(min=eps1))
        else:
            state["variance"].lerp_(grad.square(), forget)
            variance = state["variance"].clone()
        change = variance.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        clipped = max(1.0, change.norm(2).item() / (change.numel() ** 0.5 * group["d"]))
        param.add_(change, alpha=-scale / clipped)


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal by a few Newton–Schulz iterations, for the matrices of hidden layers
    (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024).

    Args:
        lr: step size.   weight_decay: decoupled.   momentum, nesterov: as in SGD.   ns_coefficients, ns_steps, eps: of the
            iteration, which runs in bfloat16.   adjust_lr_fn: ``"original"`` (the default) or ``"match_rms_adamw"``.

    Raises ``ValueError`` for parameters that are not matrices.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        _check_one_element(lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {param.shape}"
                    )

    def init_state(self, param: Tensor, group: Group) -> State:
        _refuse_complex("Muon", param)
        return {"momentum_buffer": zeros_like(param)}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        momentum, lr = group["momentum"], group["lr"]
        lr = lr.item() if isinstance(lr, Tensor) else lr
        buffer = state["momentum_buffer"]
        buffer.lerp_(grad, 1 - momentum)
        change = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        change = orthogonalized(change, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = param.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns))
        param.mul_(1 - lr * group["weight_decay"])
        param.add_(change, alpha=-lr * ratio)


def orthogonalized(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """About the nearest (semi-)orthogonal matrix, in bfloat16: ``steps`` Newton–Schulz iterations."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.shape[0] > matrix.shape[1]
    if tall:
        x = x.T
    x = x.div(x.norm().clamp(min=eps))
    for _ in range(steps):
        gram = x @ x.T
        x = addmm(x, addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x  # type: ignore[no-any-return]
