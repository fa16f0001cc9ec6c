"""``tf.contrib.opt``: SciPy's minimizers over a graph, and optimizers with decaying weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..control_flow import group
from ..differentiate import gradients
from ..graph import get_default_graph
from ..optimizers import AdamOptimizer, MomentumOptimizer
from ..variables import assign_sub, trainable_variables


class ScipyOptimizerInterface:
    """Minimizes ``loss`` with ``scipy.optimize.minimize``, which has to be installed; L-BFGS-B by default.

    Args:
        loss: a scalar tensor.
        var_list: the variables to change; all trainable ones by default.
        equalities: tensors that have to be zero.
        inequalities: tensors that may not be negative.
        var_to_bounds: for a variable the least and greatest value.
        method: SciPy's name of the method; ``options``: its options, such as ``{"maxiter": 100}``.
    """

    def __init__(
        self,
        loss: Any,
        var_list: Sequence[Any] | None = None,
        equalities: Sequence[Any] | None = None,
        inequalities: Sequence[Any] | None = None,
        var_to_bounds: dict[Any, Any] | None = None,
        **optimizer_kwargs: Any,
    ) -> None:
        self._loss = loss
        self._variables = list(trainable_variables() if var_list is None else var_list)
        self._gradients = _filled(loss, self._variables)
        self._constraints = [("eq", tensor) for tensor in equalities or ()]
        self._constraints += [("ineq", tensor) for tensor in inequalities or ()]
        self._slopes = [_filled(tensor, self._variables) for _, tensor in self._constraints]
        self._bounds = var_to_bounds
        default = "SLSQP" if self._constraints else "L-BFGS-B"
        self.optimizer_kwargs: dict[str, Any] = {"method": default} | optimizer_kwargs

    def minimize(
        self,
        session: Any = None,
        feed_dict: Any = None,
        fetches: Sequence[Any] | None = None,
        step_callback: Callable[[NDArray[Any]], Any] | None = None,
        loss_callback: Callable[..., Any] | None = None,
        **run_kwargs: Any,
    ) -> None:
        """Minimize; the variables have the values that were found afterwards.

        Args:
            fetches: what ``loss_callback`` gets at each evaluation of the loss.
            step_callback: gets the point (all variables in one array) after each step.

        Raises:
            ModuleNotFoundError: if SciPy is not installed.
        """
        from scipy.optimize import minimize  # type: ignore[import-untyped,unused-ignore]

        from ..graph import get_default_session
        from ..logging import info

        session = session or get_default_session()
        wanted = list(fetches or ())

        def value(point: NDArray[Any]) -> tuple[float, NDArray[Any]]:
            self._load(session, point)
            loss, slopes, seen = session.run([self._loss, self._gradients, wanted], feed_dict)
            if loss_callback is not None:
                loss_callback(*seen)
            return float(loss), _joined(slopes)

        def constraint(kind: str, tensor: Any, slopes: list[Any]) -> dict[str, Any]:
            def at(point: NDArray[Any], fetch: Any) -> Any:
                self._load(session, point)
                return session.run(fetch, feed_dict)

            return {
                "type": kind,
                "fun": lambda point: np.asarray(at(point, tensor), np.float64),
                "jac": lambda point: _joined(at(point, slopes)),
            }

        more: dict[str, Any] = {
            "constraints": [
                constraint(kind, tensor, slopes)
                for (kind, tensor), slopes in zip(self._constraints, self._slopes, strict=True)
            ]
        }
        if self._bounds is not None:
            more["bounds"] = self._limits()
        start = _joined(session.run(self._variables))
        found = minimize(
            value, start, jac=True, callback=step_callback, **more, **(self.optimizer_kwargs | run_kwargs)
        )
        self._load(session, found.x)
        info(
            "Optimization terminated with:\n  Message: %s\n  Objective function value: %f",
            found.message,
            found.fun,
        )

    def _limits(self) -> list[tuple[float, float]]:
        limits: list[tuple[float, float]] = []
        for variable in self._variables:
            extents = [int(extent) for extent in variable.shape.as_list()]
            low, high = (self._bounds or {}).get(variable, (-np.inf, np.inf))
            lows, highs = np.broadcast_to(low, extents).ravel(), np.broadcast_to(high, extents).ravel()
            limits += list(zip(lows.tolist(), highs.tolist(), strict=True))
        return limits

    def _load(self, session: Any, point: NDArray[Any]) -> None:
        place = 0
        for variable in self._variables:
            extents = [int(extent) for extent in variable.shape.as_list()]
            size = int(np.prod(extents))
            value = point[place : place + size].reshape(extents)
            variable.load(value.astype(variable.dtype.as_numpy_dtype), session)
            place += size


def _filled(tensor: Any, variables: Sequence[Any]) -> list[Any]:
    from ..ops_array import zeros_like

    found = gradients(tensor, variables)
    return [zeros_like(v) if g is None else g for g, v in zip(found, variables, strict=True)]


def _joined(arrays: Sequence[Any]) -> NDArray[Any]:
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


class _Decaying:
    """What makes of an optimizer one whose weights also shrink by themselves."""

    _weight_decay: Any

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None, **_: Any
    ) -> Any:
        """Shrink the variables, then change them by the gradients."""
        pairs = list(grads_and_vars)
        shrunk = [assign_sub(v, v * self._weight_decay) for g, v in pairs if g is not None]
        with get_default_graph().control_dependencies(shrunk):
            changed = super().apply_gradients(pairs, global_step, name)  # type: ignore[misc]
        return group(*shrunk, changed)


class AdamWOptimizer(_Decaying, AdamOptimizer):
    """Adam with decoupled weight decay.

    Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    def __init__(self, weight_decay: Any, *args: Any, **options: Any) -> None:
        self._weight_decay = weight_decay
        super().__init__(*args, **options)


class MomentumWOptimizer(_Decaying, MomentumOptimizer):
    """Momentum with decoupled weight decay."""

    def __init__(self, weight_decay: Any, *args: Any, **options: Any) -> None:
        self._weight_decay = weight_decay
        super().__init__(*args, **options)


LazyAdamOptimizer = AdamOptimizer
