"""L-BFGS: steps from the curvature that the last gradients showed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..ops.complex_numbers import view_as_real
from ..ops.creation import zeros
from ..ops.joining import cat
from .optimizer import Optimizer

_CURVATURE = 1e-10  # less than this and the pair of step and change says nothing
Evaluation = tuple[float, Tensor]  # the loss at a point, and the gradient


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last ``history_size`` gradients (Nocedal, "Updating quasi-Newton matrices with limited
    storage", 1980).

    ``step(closure)`` takes up to ``max_iter`` steps, calling ``closure`` (which clears the gradients, computes the loss,
    calls ``backward`` and returns the loss) up to ``max_eval`` times, and returns the first loss. With
    ``line_search_fn="strong_wolfe"`` each step's length is searched for. One parameter group only.

    Example:
        >>> import rushlight as torch
        >>> w = torch.tensor([3.0, -1.0], requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(8., grad_fn=<SumBackward0>)
        >>> w.detach()
        tensor([1., 1.])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params: list[Tensor] = self.param_groups[0]["params"]

    # --- all parameters as one vector ---------------------------------------------------------------------------------

    def _flat_gradient(self) -> Tensor:
        parts = []
        for param in self._params:
            gradient = param._grad
            if gradient is None:
                flat = zeros(param.numel(), dtype=param.dtype)
            else:
                if getattr(gradient, "is_sparse", False):
                    gradient = gradient.to_dense()
                flat = gradient.reshape(-1)
            parts.append(view_as_real(flat).reshape(-1) if flat.is_complex() else flat)
        return cat(parts)

    def _move(self, length: Any, direction: Tensor) -> None:
        start = 0
        for param in self._params:
            target = view_as_real(param) if param.is_complex() else param
            size = target.numel()
            target.add_(direction[start : start + size].reshape(target.shape), alpha=_number(length))
            start += size

    def _restore(self, values: list[Tensor]) -> None:
        for param, value in zip(self._params, values, strict=True):
            param.copy_(value)

    # --- steps --------------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Take up to ``max_iter`` steps; the loss before the first."""
        token = GRAD_MODE.set(False)
        try:
            return self._steps(closure)
        finally:
            GRAD_MODE.reset(token)

    def _evaluate(self, closure: Callable[[], Any]) -> Any:
        token = GRAD_MODE.set(True)
        try:
            return closure()
        finally:
            GRAD_MODE.reset(token)

    def _steps(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, tolerance_change = group["lr"], group["tolerance_change"]
        search = group["line_search_fn"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = self._evaluate(closure)
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._flat_gradient()
        if gradient.abs().max() <= group["tolerance_grad"]:
            return first_loss
        memory = _Memory(state, group["history_size"])
        direction, length = state.get("d"), state.get("t")
        previous_gradient, previous_loss = state.get("prev_flat_grad"), state.get("prev_loss")
        steps = 0
        while steps < group["max_iter"]:
            steps += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                memory.clear()
                direction = gradient.neg()
            else:
                memory.learn(gradient.sub(previous_gradient), direction.mul(length))  # type: ignore[union-attr]
                direction = memory.direction(gradient)
            previous_gradient, previous_loss = gradient.clone(), loss
            # The first direction has no scale of its own.
            length = min(1.0, 1.0 / gradient.abs().sum()) * lr if state["n_iter"] == 1 else lr
            slope = gradient.dot(direction).item()
            if slope > -tolerance_change:
                break
            used = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [param.clone() for param in self._params]

                def evaluate(t: float, start: list[Tensor] = start, along: Tensor = direction) -> Evaluation:
                    self._move(t, along)
                    value = float(self._evaluate(closure))
                    found = self._flat_gradient()
                    self._restore(start)
                    return value, found

                loss, gradient, length, used = _line_search(
                    evaluate, _number(length), direction, loss, gradient, slope
                )
                self._move(length, direction)
            else:
                self._move(length, direction)
                if steps != group["max_iter"]:
                    loss = float(self._evaluate(closure))
                    gradient = self._flat_gradient()
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if (
                steps == group["max_iter"]
                or evaluations >= group["max_eval"]
                or gradient.abs().max() <= group["tolerance_grad"]
                or direction.mul(length).abs().max() <= tolerance_change
                or abs(loss - previous_loss) < tolerance_change
            ):
                break
        state["d"], state["t"] = direction, length
        memory.save(state)
        state["prev_flat_grad"], state["prev_loss"] = previous_gradient, previous_loss
        return first_loss


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


class _Memory:
    """The last changes of the gradient with the steps that made them: what is known about the curvature."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.state, self.size = state, size
        self.changes: list[Tensor] = state.get("old_dirs") or []
        self.steps: list[Tensor] = state.get("old_stps") or []
        self.inverses: list[Tensor] = state.get("ro") or []
        self.scale: Any = state.get("H_diag", 1)

    def clear(self) -> None:
        self.changes, self.steps, self.inverses, self.scale = [], [], [], 1

    def learn(self, change: Tensor, step: Tensor) -> None:
        curvature = change.dot(step)
        if curvature > _CURVATURE:
            if len(self.changes) == self.size:
                for values in (self.changes, self.steps, self.inverses):
                    values.pop(0)
            self.changes.append(change)
            self.steps.append(step)
            self.inverses.append(1.0 / curvature)
            self.scale = curvature / change.dot(change)

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus the inverse Hessian times the gradient, by the two loops over the memory."""
        weights = self.state.setdefault("al", [None] * self.size)
        result = gradient.neg()
        for i in reversed(range(len(self.changes))):
            weights[i] = self.steps[i].dot(result) * self.inverses[i]
            result.add_(self.changes[i], alpha=-weights[i].item())
        result = result.mul(self.scale)
        for i, (change, step) in enumerate(zip(self.changes, self.steps, strict=True)):
            back = change.dot(result) * self.inverses[i]
            result.add_(step, alpha=(weights[i] - back).item())
        return result  # type: ignore[no-any-return]

    def save(self, state: dict[str, Any]) -> None:
        state["old_dirs"], state["old_stps"], state["ro"] = self.changes, self.steps, self.inverses
        state["H_diag"] = self.scale


class _Point:
    """A length along the direction: the loss there, the gradient, and the slope."""

    def __init__(self, t: float, loss: float, gradient: Tensor, slope: float) -> None:
        self.t, self.loss, self.gradient, self.slope = t, loss, gradient, slope


def _cubic_minimum(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through both points, with their slopes, is least; kept within the bounds."""
    if a.t > b.t:
        a, b = b, a
    low, high = bounds or (a.t, b.t)
    middle = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = middle**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    root = math.sqrt(square)
    share = _divided(b.slope + root - middle, b.slope - a.slope + 2 * root)
    return min(max(b.t - (b.t - a.t) * share, low), high)


def _divided(a: float, b: float) -> float:
    return a / b if b else math.nan


def _line_search(
    evaluate: Callable[[float], Evaluation],
    length: float,
    direction: Tensor,
    loss: float,
    gradient: Tensor,
    slope: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    most: int = 25,
) -> tuple[float, Tensor, float, int]:
    """A length that lowers the loss enough and flattens the slope (Nocedal & Wright, Numerical Optimization, 3.5, 3.6).

    Gives loss, gradient, length and the number of evaluations.
    """
    extent = direction.abs().max().item()

    def at(t: float) -> _Point:
        value, found = evaluate(t)
        return _Point(t, value, found, found.dot(direction).item())

    def too_high(point: _Point) -> bool:
        return point.loss > loss + c1 * point.t * slope

    def flat(point: _Point) -> bool:
        return abs(point.slope) <= -c2 * slope

    origin = previous = _Point(0.0, loss, gradient, slope)
    point = at(length)
    evaluations, rounds = 1, 0
    bracket: list[_Point] = []
    while rounds < most:
        if too_high(point) or (rounds > 1 and point.loss >= previous.loss):
            bracket = [previous, point]
            break
        if flat(point):
            return point.loss, point.gradient, point.t, evaluations
        if point.slope >= 0:
            bracket = [previous, point]
            break
        bounds = (point.t + 0.01 * (point.t - previous.t), point.t * 10)
        previous, point = point, at(_cubic_minimum(previous, point, bounds))
        evaluations += 1
        rounds += 1
    if rounds == most:
        bracket = [origin, point]
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    stuck = False
    while rounds < most:
        if abs(bracket[1].t - bracket[0].t) * extent < tolerance_change:
            break
        t = _cubic_minimum(bracket[0], bracket[1])
        left, right = sorted((bracket[0].t, bracket[1].t))
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # Twice so near an end, or beyond it: go a tenth of the interval away from it.
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = at(t)
        evaluations += 1
        rounds += 1
        if too_high(point) or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = flat(point)
        if not done and point.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
        if done:
            break
    best = bracket[low]
    return best.loss, best.gradient, best.t, evaluations


# PyTorch's private functions by their names, for optimizers of other libraries that call them.


def _cubic_interpolate(
    x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: tuple[float, float] | None = None
) -> float:
    """Where the cubic with values ``f`` and slopes ``g`` at two places is least, within ``bounds`` or between them."""
    return _cubic_minimum(_Point(x1, f1, g1, g1), _Point(x2, f2, g2, g2), bounds)


def _strong_wolfe(
    obj_func: Callable[..., Evaluation],
    x: Any,
    t: float,
    d: Tensor,
    f: float,
    g: Tensor,
    gtd: Any,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[float, Tensor, float, int]:
    """The line search along ``d`` from ``x``, where ``obj_func(x, t, d)`` gives loss and gradient at ``x + t d``."""
    return _line_search(
        lambda length: obj_func(x, length, d), t, d, f, g, gtd, c1, c2, tolerance_change, max_ls
    )
