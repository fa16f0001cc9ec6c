"""Optimizers with TensorFlow's formulas. An update is one operation that changes the variable and its slots in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .control_flow import group, no_op
from .conversion import convert_to_tensor
from .differentiate import gradients
from .graph import GraphKeys, Operation, Tensor, get_default_graph
from .ops_array import fill, zeros
from .variables import Variable, assign, assign_add, update


class Optimizer:
    """The base: ``minimize`` is ``compute_gradients`` followed by ``apply_gradients``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     w = tf.Variable(1.0)
        ...     step = tf.train.GradientDescentOptimizer(0.25).minimize(w * w)
        ...     session.run(tf.global_variables_initializer())
        ...     session.run(step)
        ...     print(session.run(w))
        0.5
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = range(3)

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._name = name
        self._slots: dict[str, dict[Any, Variable]] = {}
        self._own: list[Variable] = []

    def get_name(self) -> str:
        """The optimizer's name."""
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """An operation that makes one step towards a smaller ``loss`` and adds 1 to ``global_step``.

        Raises ``ValueError`` if no variable has a gradient.
        """
        pairs = self.compute_gradients(loss, var_list, grad_loss=grad_loss)
        if not any(gradient is not None for gradient, _ in pairs):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, between "
                f"variables {[str(variable) for _, variable in pairs]} and loss {loss}."
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Pairs of a gradient (None where ``loss`` does not depend on it) and a variable, trainable ones by default."""
        loss = convert_to_tensor(loss() if callable(loss) else loss)
        graph = loss.graph
        variables = (
            graph.get_collection(GraphKeys.TRAINABLE_VARIABLES) if var_list is None else _flat(var_list)
        )
        if not variables:
            raise ValueError("No variables to optimize.")
        found = gradients(loss, list(variables), None if grad_loss is None else [grad_loss])
        return list(zip(found, variables, strict=True))

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Operation:
        """An operation that changes the variables, given pairs as :meth:`compute_gradients` gives them."""
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars]
        if not pairs:
            raise ValueError("No variables provided.")
        for gradient, variable in pairs:
            if not isinstance(variable, Variable):
                raise TypeError(f"Variable must be a tf.Variable: {variable}")
            if gradient is not None and not isinstance(gradient, Variable | Tensor):
                convert_to_tensor(gradient)
        live = [(convert_to_tensor(g, v.dtype), v) for g, v in pairs if g is not None]
        if not live:
            raise ValueError(
                f"No gradients provided for any variable: {[str(variable) for _, variable in pairs]}."
            )
        graph = live[0][1].graph
        with graph.control_dependencies(None):
            self.create_slots([variable for _, variable in live])
        with graph.name_scope(name or self._name) as scope:
            self.prepare()
            updates = []
            for gradient, variable in live:
                with graph.name_scope(f"update_{variable.op.name}"):
                    step = self.apply_one(gradient, variable)
                    if variable.constraint is not None:
                        with graph.control_dependencies([step]):
                            step = assign(variable, variable.constraint(variable)).op
                    updates.append(step)
            finish = self.finish(updates)
            if global_step is None:
                done = group(*finish, name=scope)
            else:
                with graph.control_dependencies(finish):
                    done = assign_add(global_step, 1, name=scope).op
        graph.add_to_collection(GraphKeys.TRAIN_OP, done)
        return done

    def prepare(self) -> None:
        """Make tensors of the numbers that the updates need."""

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the variables that go with the variables."""

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""
        raise NotImplementedError

    def finish(self, updates: list[Operation]) -> list[Operation]:
        """What is to be done once the variables are changed."""
        return updates

    def slot(self, variable: Variable, name: str, value: float = 0.0, title: str | None = None) -> Variable:
        """The variable of that name that goes with ``variable``, made with ``value`` if need be."""
        slots = self._slots.setdefault(name, {})
        found = slots.get(variable)
        if found is None:
            graph = variable.graph

            def initial() -> Tensor:
                extents = variable.shape.as_list()
                if value == 0:
                    return zeros(extents, variable.dtype)
                return fill(extents, convert_to_tensor(value, variable.dtype))

            with graph.name_scope(None):
                found = Variable(initial, trainable=False, name=f"{variable.op.name}/{title or self._name}")
            slots[variable] = found
        return found

    def own_variable(self, value: float, name: str) -> Variable:
        """A variable of the optimizer itself."""
        graph = get_default_graph()
        with graph.name_scope(None):
            variable = Variable(value, trainable=False, name=name, dtype="float32")
        self._own.append(variable)
        return variable

    def get_slot(self, var: Any, name: str) -> Any:
        """The variable ``name`` that goes with ``var``, or None."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names of the slots."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """The variables that the optimizer made."""
        every = [*self._own, *[slot for slots in self._slots.values() for slot in slots.values()]]
        return sorted(every, key=lambda variable: str(variable.name))


def _flat(var_list: Any) -> list[Any]:
    from .nesting import flatten

    variables = flatten(var_list)
    for variable in variables:
        if not isinstance(variable, Variable | Tensor):
            raise TypeError(f"Argument is not a tf.Variable: {variable}")
    return variables


def _number(value: Any, variable: Variable) -> Tensor:
    """A hyperparameter, which may be a number, a tensor or a function, in the variable's type."""
    from .ops_math import cast

    tensor = convert_to_tensor(value() if callable(value) else value)
    return cast(tensor, variable.dtype)


def _step(
    kind: str, variables: Sequence[Variable], inputs: Sequence[Tensor], kernel: Callable[..., Any]
) -> Operation:
    result: Operation = update(variables, inputs, kernel, kind)
    return result


class GradientDescentOptimizer(Optimizer):
    """``w -= learning_rate · g``."""

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._rate = learning_rate

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""

        def kernel(w: Any, g: Any, rate: Any) -> None:
            w.sub_(g * rate)

        return _step("ApplyGradientDescent", [variable], [gradient, _number(self._rate, variable)], kernel)


class MomentumOptimizer(Optimizer):
    """``a = momentum · a + g``, ``w -= learning_rate · a``; with Nesterov's momentum ``w -= rate · (g + momentum · a)``."""

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._momentum, self._nesterov = learning_rate, momentum, use_nesterov

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the accumulators."""
        for variable in variables:
            self.slot(variable, "momentum")

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""
        nesterov = self._nesterov

        def kernel(w: Any, a: Any, g: Any, rate: Any, momentum: Any) -> None:
            a.mul_(momentum).add_(g)
            w.sub_((g + a * momentum) * rate if nesterov else a * rate)

        numbers = [_number(self._rate, variable), _number(self._momentum, variable)]
        return _step(
            "ApplyMomentum", [variable, self.slot(variable, "momentum")], [gradient, *numbers], kernel
        )


class AdamOptimizer(Optimizer):
    """Adam, with ``epsilon`` added to the uncorrected root (the paper's "epsilon hat").

    ``m = β₁ m + (1 - β₁) g``, ``v = β₂ v + (1 - β₂) g²``, ``w -= rate · √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + epsilon)``.

    Source: D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._betas, self._epsilon = learning_rate, (beta1, beta2), epsilon
        self._powers: tuple[Variable, Variable] | None = None

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make m and v, and the powers of the betas."""
        if self._powers is None or self._powers[0].graph is not variables[0].graph:
            self._powers = (
                self.own_variable(self._betas[0], "beta1_power"),
                self.own_variable(self._betas[1], "beta2_power"),
            )
        for variable in variables:
            self.slot(variable, "m")
            self.slot(variable, "v")

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""

        def kernel(
            w: Any,
            m: Any,
            v: Any,
            g: Any,
            rate: Any,
            beta1: Any,
            beta2: Any,
            epsilon: Any,
            power1: Any,
            power2: Any,
        ) -> None:
            m.add_((g - m) * (1 - beta1))
            v.add_((g * g - v) * (1 - beta2))
            scaled = rate * (1 - power2).sqrt() / (1 - power1)
            w.sub_(m * scaled / (v.sqrt() + epsilon))

        assert self._powers is not None
        numbers = [
            _number(value, variable) for value in (self._rate, *self._betas, self._epsilon, *self._powers)
        ]
        slots = [variable, self.slot(variable, "m"), self.slot(variable, "v")]
        return _step("ApplyAdam", slots, [gradient, *numbers], kernel)

    def finish(self, updates: list[Operation]) -> list[Operation]:
        """Raise the powers."""
        assert self._powers is not None
        with self._powers[0].graph.control_dependencies(updates):
            raised = [
                assign(power, power * beta).op for power, beta in zip(self._powers, self._betas, strict=True)
            ]
        return [*updates, *raised]


class AdagradOptimizer(Optimizer):
    """``a += g²``, ``w -= learning_rate · g / √a``, with ``a`` = ``initial_accumulator_value`` at the start.

    Source: J. Duchi et al., "Adaptive Subgradient Methods", 2011.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._rate, self._start = learning_rate, initial_accumulator_value

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the accumulators."""
        for variable in variables:
            self.slot(variable, "accumulator", self._start)

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""

        def kernel(w: Any, a: Any, g: Any, rate: Any) -> None:
            a.add_(g * g)
            w.sub_(g * rate / a.sqrt())

        slots = [variable, self.slot(variable, "accumulator")]
        return _step("ApplyAdagrad", slots, [gradient, _number(self._rate, variable)], kernel)


class AdadeltaOptimizer(Optimizer):
    """``d = g · √(u + ε) / √(a + ε)``, with ``a`` and ``u`` the moving means of g² and d²; ``w -= learning_rate · d``.

    Source: M. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._numbers = learning_rate, rho, epsilon

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the moving means."""
        for variable in variables:
            self.slot(variable, "accum")
            self.slot(variable, "accum_update")

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""

        def kernel(w: Any, a: Any, u: Any, g: Any, rate: Any, rho: Any, epsilon: Any) -> None:
            a.mul_(rho).add_(g * g * (1 - rho))
            change = g * (u + epsilon).sqrt() / (a + epsilon).sqrt()
            u.mul_(rho).add_(change * change * (1 - rho))
            w.sub_(change * rate)

        slots = [variable, self.slot(variable, "accum"), self.slot(variable, "accum_update")]
        numbers = [_number(value, variable) for value in self._numbers]
        return _step("ApplyAdadelta", slots, [gradient, *numbers], kernel)


class RMSPropOptimizer(Optimizer):
    """``s = decay · s + (1 - decay) · g²``, ``m = momentum · m + rate · g / √(s + epsilon)``, ``w -= m``; s begins at 1.

    ``centered`` takes the square of the mean gradient off ``s``.

    Source: T. Tieleman and G. Hinton, lecture 6.5, 2012.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._numbers, self._centered = (learning_rate, decay, momentum, epsilon), centered

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the moving means and the momentum."""
        for variable in variables:
            self.slot(variable, "rms", 1.0)
            if self._centered:
                self.slot(variable, "mg")
            self.slot(variable, "momentum")

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""
        centered = self._centered

        def kernel(w: Any, s: Any, m: Any, *rest: Any) -> None:
            mean = rest[0] if centered else None
            g, rate, decay, momentum, epsilon = rest[1:] if centered else rest
            s.add_((g * g - s) * (1 - decay))
            spread = s
            if mean is not None:
                mean.add_((g - mean) * (1 - decay))
                spread = s - mean * mean
            m.mul_(momentum).add_(g * rate / (spread + epsilon).sqrt())
            w.sub_(m)

        slots = [variable, self.slot(variable, "rms"), self.slot(variable, "momentum")]
        if centered:
            slots.append(self.slot(variable, "mg"))
        numbers = [_number(value, variable) for value in self._numbers]
        return _step("ApplyRMSProp", slots, [gradient, *numbers], kernel)


class FtrlOptimizer(Optimizer):
    """Follow the regularized leader, with L1 and L2 penalties.

    Source: H. B. McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
    ) -> None:
        if initial_accumulator_value < 0.0:
            raise ValueError(
                f"initial_accumulator_value {initial_accumulator_value} needs to be positive or zero"
            )
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power} needs to be negative or zero")
        super().__init__(use_locking, name)
        self._rate, self._power, self._start = learning_rate, learning_rate_power, initial_accumulator_value
        self._l1, self._l2 = l1_regularization_strength, l2_regularization_strength

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the accumulators."""
        for variable in variables:
            self.slot(variable, "accum", self._start)
            self.slot(variable, "linear")

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""
        power, l1, l2 = self._power, self._l1, self._l2

        def kernel(w: Any, a: Any, z: Any, g: Any, rate: Any) -> None:
            new = a + g * g
            z.add_(g - (new**-power - a**-power) / rate * w)
            quadratic = new**-power / rate + 2 * l2
            w.copy_((z.clamp(-l1, l1) - z) / quadratic)
            a.copy_(new)

        slots = [variable, self.slot(variable, "accum"), self.slot(variable, "linear")]
        return _step("ApplyFtrl", slots, [gradient, _number(self._rate, variable)], kernel)


def _shrunk(value: Any, rate: Any, l1: float, l2: float) -> Any:
    """``value`` with the penalties' share taken off: towards 0 by ``rate · l1``, then divided."""
    if l1 > 0:
        value = value.sign() * (value.abs() - rate * l1).clamp(min=0)
    return value / (1 + rate * l2)


class ProximalGradientDescentOptimizer(Optimizer):
    """A gradient step, then a step towards 0 for the L1 and L2 penalties.

    Source: J. Duchi and Y. Singer, "Efficient Learning using Forward-Backward Splitting", 2009.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._l1, self._l2 = learning_rate, l1_regularization_strength, l2_regularization_strength

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""

        def kernel(w: Any, g: Any, rate: Any) -> None:
            w.copy_(_shrunk(w - g * rate, rate, self._l1, self._l2))

        return _step(
            "ApplyProximalGradientDescent", [variable], [gradient, _number(self._rate, variable)], kernel
        )


class ProximalAdagradOptimizer(Optimizer):
    """Adagrad's step, then a step towards 0 for the L1 and L2 penalties.

    Source: J. Duchi and Y. Singer, "Efficient Learning using Forward-Backward Splitting", 2009.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._rate, self._start = learning_rate, initial_accumulator_value
        self._l1, self._l2 = l1_regularization_strength, l2_regularization_strength

    def create_slots(self, variables: Sequence[Variable]) -> None:
        """Make the accumulators."""
        for variable in variables:
            self.slot(variable, "accumulator", self._start)

    def apply_one(self, gradient: Tensor, variable: Variable) -> Operation:
        """The operation that changes one variable."""

        def kernel(w: Any, a: Any, g: Any, rate: Any) -> None:
            a.add_(g * g)
            step = rate / a.sqrt()
            w.copy_(_shrunk(w - g * step, step, self._l1, self._l2))

        slots = [variable, self.slot(variable, "accumulator")]
        return _step("ApplyProximalAdagrad", slots, [gradient, _number(self._rate, variable)], kernel)


class ExponentialMovingAverage:
    """Moving averages of variables or tensors: ``shadow -= (1 - decay) · (shadow - value)`` on every ``apply``.

    Args:
        decay: close to 1.
        num_updates: if given, the decay is at most ``(1 + num_updates) / (10 + num_updates)``.
        zero_debias: not available.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        if zero_debias:
            raise NotImplementedError("ExponentialMovingAverage: zero_debias is not available")
        self._decay, self._updates, self._name = decay, num_updates, name
        self._averages: dict[Any, Variable] = {}

    def apply(self, var_list: Sequence[Any] | None = None) -> Operation:
        """An operation that brings the averages of the variables (the trainable ones by default) up to date."""
        from .ops_math import cast, minimum

        graph = get_default_graph()
        items = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES) if var_list is None else list(var_list)
        if not items:
            return no_op()
        decay: Any = convert_to_tensor(self._decay, "float32")
        if self._updates is not None:
            count = cast(self._updates, "float32")
            decay = minimum(decay, (1.0 + count) / (10.0 + count))
        steps = []
        for item in items:
            average = self._averages.get(item)
            if average is None:
                average = self._averages[item] = self._make(item)
                graph.add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, item)

            def kernel(shadow: Any, value: Any, keep: Any) -> None:
                shadow.sub_((shadow - value) * (1 - keep))

            steps.append(
                _step(
                    "MovingAverage", [average], [convert_to_tensor(item), cast(decay, average.dtype)], kernel
                )
            )
        return group(*steps, name=self._name)

    def _make(self, item: Any) -> Variable:
        graph = get_default_graph()
        with graph.name_scope(None):
            initial: Any = item.initial_value if isinstance(item, Variable) else None
            if initial is None:  # a function: it may be needed inside a branch, and the variable is outside

                def initial() -> Tensor:
                    return zeros(item.shape, item.dtype)

            return Variable(initial, trainable=False, name=f"{item.op.name}/{self._name}")

    def average(self, var: Any) -> Any:
        """The variable that holds the average of ``var``, or None."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name that the average of ``var`` has, or would have."""
        return self._averages[var].op.name if var in self._averages else f"{var.op.name}/{self._name}"

    def variables_to_restore(self, moving_avg_variables: Sequence[Any] | None = None) -> dict[str, Any]:
        """For a ``Saver``: the averaged variables under their averages' names, the others under their own."""
        graph = get_default_graph()
        averaged = (
            graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
            if moving_avg_variables is None
            else list(moving_avg_variables)
        )
        names = {self.average_name(variable): variable for variable in averaged}
        shadows = set(self._averages.values())
        for variable in graph.get_collection(GraphKeys.GLOBAL_VARIABLES):
            if variable not in averaged and variable not in shadows:
                names.setdefault(variable.op.name, variable)
        return names
