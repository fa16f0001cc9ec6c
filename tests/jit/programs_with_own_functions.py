"""Programs with functions of their own (``autograd.Function``) whose ``backward`` is more than arithmetic.

What ``backward`` does beside that is done in every backward pass, and what it reads is what it is then. Each program is a
function of ``C``, see ``test_adversarial``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight.autograd import Function

Compile = Callable[[Callable[..., Any]], Any]
CALLS = 9  # enough for a replay to begin, and to run
SCALE = 1.0


def T(*values: float) -> Any:
    return torch.tensor([float(value) for value in values])


def trained(C: Compile, function: Any, after: Callable[[int], Any], *, between: Any = None) -> list[Any]:
    """Calls of ``function`` on ``w * x``, each with a backward pass, and what ``after`` finds."""
    w = torch.ones(3, requires_grad=True)
    run = C(lambda x: function.apply(w * x))
    seen = []
    for i in range(CALLS):
        w.grad = None
        result = run(T(i, 1, 2))
        if between is not None:
            between(i)
        (result.sum() * (i + 1)).backward()
        seen.append((result.detach(), w.grad.clone(), after(i)))
    return seen


def keeps_a_list(C: Compile) -> Any:
    ran: list[str] = []

    class Counted(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            ran.append("backward")
            return g * 2

    return trained(C, Counted, lambda i: len(ran))


def lists_forward_and_backward(C: Compile) -> Any:
    ran: list[str] = []

    class Listed(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ran.append("forward")
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            ran.append("backward")
            return g * 2

    return trained(C, Listed, lambda i: list(ran))


def counts_in_its_class(C: Compile) -> Any:
    class Counting(Function):
        count = 0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            Counting.count += 1
            return g * Counting.count

    return trained(C, Counting, lambda i: Counting.count)


def reads_a_flag_of_its_class(C: Compile) -> Any:
    class Scaled(Function):
        factor = 1.0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * Scaled.factor

    def between(i: int) -> None:
        Scaled.factor = 1.0 + i

    return trained(C, Scaled, lambda i: None, between=between)


def reads_a_global_number(C: Compile) -> Any:
    """A program may hold such code, as long as the number is what it was."""
    global SCALE
    SCALE = 1.0

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * SCALE

    def between(i: int) -> None:
        global SCALE
        SCALE = 3.0 if i == 7 else 1.0

    return trained(C, Scaled, lambda i: None, between=between)


def reads_an_enclosing_number(C: Compile) -> Any:
    factor = 1.0

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * factor

    def between(i: int) -> None:
        nonlocal factor
        factor = float(i)

    return trained(C, Scaled, lambda i: None, between=between)


def are_made_by_a_function(C: Compile) -> Any:
    """The same code, with other numbers around it."""
    factors = [1.0, 2.0]

    def make(number: int, factor: float) -> Any:
        class Scaled(Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.sizes = [2.0, 3.0]
                return x * 2

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return g * ctx.sizes[number] * factor * (factors[0] if number else 1.0)

        return Scaled

    first, second = make(0, 2.0), make(1, 3.0)
    w = torch.ones(3, requires_grad=True)
    run = C(lambda x: first.apply(second.apply(first.apply(w * x))))
    seen = []
    for i in range(CALLS):
        w.grad = None
        result = run(T(i, 1, 2))
        factors[0] = float(i)
        result.sum().backward()
        seen.append(w.grad.clone())
    return seen


def reads_an_enclosing_tensor(C: Compile) -> Any:
    factor = torch.ones(3)

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * factor

    return trained(C, Scaled, lambda i: None, between=lambda i: factor.add_(1))


def reads_an_unsaved_argument(C: Compile) -> Any:
    factor = torch.ones(3)

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: Any) -> Any:
            ctx.factor = factor
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.factor, None

    w = torch.ones(3, requires_grad=True)
    run = C(lambda x: Scaled.apply(w * x, factor))
    seen = []
    for i in range(CALLS):
        w.grad = None
        result = run(T(i, 1, 2))
        factor.add_(1)
        result.sum().backward()
        seen.append(w.grad.clone())
    return seen


def keeps_the_gradient(C: Compile) -> Any:
    kept: list[Any] = []

    class Kept(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            kept[:] = [g * 1]
            return g * 2

    return trained(C, Kept, lambda i: kept[0].clone())


def stores_the_gradient_in_its_class(C: Compile) -> Any:
    class Stored(Function):
        last: Any = None

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            Stored.last = g * 3
            return g * 2

    return trained(C, Stored, lambda i: Stored.last.clone())


def counts_in_a_list_of_its_context(C: Compile) -> Any:
    class Grows(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.seen = [1]
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            ctx.seen.append(1)
            return g * len(ctx.seen)

    return trained(C, Grows, lambda i: None)


def calls_a_function_that_counts(C: Compile) -> Any:
    ran = []

    def scaled(g: Any) -> Any:
        ran.append(1)
        return g * len(ran)

    class Calls(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return scaled(g)

    return trained(C, Calls, lambda i: len(ran))


def _two_results(C: Compile, function: Any) -> Any:
    w = torch.ones(3, requires_grad=True)
    run = C(lambda x: function.apply(x * w))
    seen = []
    for i in range(CALLS + 3):
        w.grad = None
        first, second = run(T(i, 5, 2))
        (first if i % 3 == 0 else second if i % 3 == 1 else first * second).sum().backward()
        seen.append(w.grad.clone())
    return seen


def tells_gradients_from_none(C: Compile) -> Any:
    class Unmaterialized(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            if g is None:
                return h * 1000
            return g * 100 if h is None else g + h

    return _two_results(C, Unmaterialized)


def is_not_linear_in_the_gradients(C: Compile) -> Any:
    class Shifted(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g + 1

    w, v = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    run = C(lambda x: (Shifted.apply(x * w) * v, x * w * v))
    seen = []
    for i in range(CALLS):
        w.grad = v.grad = None
        results = run(T(i, 5, 2))
        results[i % 2].sum().backward()
        seen.append((w.grad.clone(), v.grad.clone()))
    return seen


def packs_what_is_saved(C: Compile) -> Any:
    unpacked = []

    def unpack(tensor: Any) -> Any:
        unpacked.append(1)
        return tensor * len(unpacked)

    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            return (x * w).exp()

    run = C(forward)
    seen = []
    for i in range(CALLS):
        w.grad = None
        run(T(i % 3, 1, 2)).sum().backward()
        seen.append((w.grad.clone(), len(unpacked)))
    return seen


PROGRAMS: dict[str, Callable[[Compile], Any]] = {
    program.__name__: program
    for program in (
        keeps_a_list,
        lists_forward_and_backward,
        counts_in_its_class,
        reads_a_flag_of_its_class,
        reads_a_global_number,
        reads_an_enclosing_number,
        are_made_by_a_function,
        reads_an_enclosing_tensor,
        reads_an_unsaved_argument,
        keeps_the_gradient,
        stores_the_gradient_in_its_class,
        counts_in_a_list_of_its_context,
        calls_a_function_that_counts,
        tells_gradients_from_none,
        is_not_linear_in_the_gradients,
        packs_what_is_saved,
    )
}
