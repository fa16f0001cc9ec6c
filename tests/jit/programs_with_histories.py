"""Programs about the histories of arguments, state and results: where gradients go, hooks, and who sees a change in place.

Each is a function of ``C``, see ``test_adversarial``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

Compile = Callable[[Callable[..., Any]], Any]
CALLS = 9  # enough for a replay to begin, and to run


def T(*values: float) -> Any:
    return torch.tensor([float(value) for value in values])


def seen_of(tensor: Any) -> Any:
    gradient = tensor.grad if tensor.is_leaf else None
    return (
        tensor.detach().clone(),
        tensor.requires_grad,
        tensor.is_leaf,
        tensor.grad_fn is None,
        tensor._version,
        None if gradient is None else gradient.clone(),
    )


def attempt(function: Callable[[], Any]) -> str:
    try:
        function()
    except RuntimeError as error:
        if "compile(" in str(error):
            raise
        return str(error)[:60]
    return "done"


def an_argument_that_was_computed_from_the_weights(C: Compile) -> Any:
    """As with an embedding whose weights are those of the last layer."""
    w = torch.ones(3, requires_grad=True)
    run = C(lambda hidden: hidden * w)
    seen = []
    for i in range(CALLS):
        w.grad = None
        run(w * T(1, 2, i)).sum().backward()
        seen.append(w.grad.clone())
    return seen


def arguments_that_were_computed_from_each_other(C: Compile) -> Any:
    run = C(lambda a, b, c: a * b * c.exp())
    seen = []
    for i in range(CALLS):
        a = T(1, 2, i).requires_grad_()
        b = a.sin()
        c = b * a
        found = torch.autograd.grad(run(a, b, c).sum(), [a, b, c], create_graph=True)
        found[0].sum().backward()
        seen.append([*[gradient.detach() for gradient in found], a.grad.clone()])
    return seen


def a_loss_and_what_it_is_computed_from(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        hidden = x * w
        return (hidden.exp() * x).sum(), hidden

    run = C(forward)
    seen: list[Any] = []
    for i in range(CALLS):
        w.grad = None
        x = T(0.1 * i, 1, 0.5).requires_grad_()
        loss, hidden = run(x)
        hidden.register_hook(lambda g: g * 5)
        hidden.retain_grad()
        seen.append(torch.autograd.grad(loss, hidden, retain_graph=True)[0])
        (loss + hidden.sum() if i % 2 else loss).backward()
        seen.append((seen_of(w), seen_of(x), hidden.grad.clone(), seen_of(loss), seen_of(hidden)))
    return seen


def second_derivatives_through_two_results(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        hidden = (x * w).sin()
        return (hidden * hidden * w).sum(), hidden

    run = C(forward)
    seen = []
    for i in range(CALLS):
        w.grad = None
        x = T(0.1 * i, 1, 0.5).requires_grad_()
        loss, hidden = run(x)
        (first,) = torch.autograd.grad(loss, x, create_graph=True)
        (second,) = torch.autograd.grad(loss, hidden, create_graph=True)
        (first.square().sum() + second.square().sum() + hidden.sum()).backward()
        seen.append((first.detach(), second.detach(), seen_of(w), seen_of(x)))
    return seen


def results_with_nothing_in_common(C: Compile) -> Any:
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    run = C(lambda x: ((x * a).exp(), (x * b).exp()))
    seen = []
    for i in range(CALLS):
        a.grad = b.grad = None
        first, second = run(T(0.1 * i, 1, 0.5))
        first.sum().backward()
        seen.append(b.grad is None)
        second.sum().backward()
        seen.append((a.grad.clone(), b.grad.clone()))
    return seen


def backward_twice_through_what_keeps_nothing(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)
    run = C(lambda x: (w + x) - 1)
    seen = []
    for i in range(CALLS):
        w.grad = None
        total = run(T(i, 1, 2)).sum()
        total.backward()
        total.backward()
        seen.append(w.grad.clone())
    return seen


def a_result_without_gradient_that_is_infinite(C: Compile) -> Any:
    w, v = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
    run = C(lambda x: (x * w, w.sqrt() * v))
    seen = []
    for i in range(CALLS):
        w.grad = v.grad = None
        results = run(T(i, 1, 2))
        results[i == 4].sum().backward()
        seen.append((seen_of(w), seen_of(v)))
    return seen


def copies_of_what_is_changed_before_backward(C: Compile) -> Any:
    """Backward needs the copies; what they were copied from may be anything by then."""
    w, s, e = torch.ones(3, requires_grad=True), torch.ones(3), torch.ones(3)

    def forward(x: Any) -> Any:
        e.copy_(x)
        column = x.view(3, 1).t().contiguous()
        return (x.clone() * w).sum() + (e.clone() * w).exp().sum() + (s.clone() * column * w * w).sum()

    run = C(forward)
    seen = []
    for i in range(CALLS):
        w.grad = None
        x = T(0.1 * i, 1, 0.5)
        result = run(x)
        x.numpy()[...] += 1
        s.add_(1)
        result.backward()
        seen.append((seen_of(w), result.detach()))
    return seen


def whether_state_needs_gradients(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        return x * 2 if w.requires_grad else x * 3

    run = C(forward)
    seen = []
    for i in range(CALLS):
        w.requires_grad_(i != 7)
        seen.append(run(T(i, 1, 2)))
    return seen


def an_argument_that_is_changed(C: Compile) -> Any:
    """What was saved of it before is no longer what it was."""
    run = C(lambda x: x.mul_(2))
    of_copy = C(lambda x: x.detach().mul_(2).sum())
    seen = []
    for _ in range(CALLS):
        for changed in (run, of_copy):
            w, base = torch.ones(3, requires_grad=True), torch.ones(2, 3)
            x = base[0]
            product = (w * base).sum()
            changed(x)
            seen.append((attempt(product.backward), seen_of(x), seen_of(base)))
    return seen


def results_that_share_memory(C: Compile) -> Any:
    def forward(x: Any) -> Any:
        y = x * 2
        return y, y[0], y.view(-1), y.detach(), y.data

    run = C(forward)
    w = torch.ones(3, requires_grad=True)
    seen: list[Any] = []
    for i in range(CALLS):
        results = run(torch.zeros(2, 3) + i)
        product = (results[1] * w).sum()
        results[2][4] = 9.0
        results[3][1, 2] = 7.0
        seen.append((attempt(product.backward), [seen_of(one) for one in results]))
        results[1].mul_(w)
        seen.append(
            (results[0].requires_grad, [one._is_view() for one in results], results[1]._base is results[0])
        )
    return seen


def results_that_share_memory_and_a_history(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        y = x * w
        return y, y[0], w[1:], w.view(3, 1)

    run = C(forward)
    seen: list[Any] = []
    for i in range(CALLS):
        w.grad = None
        whole, row, part, column = run(torch.ones(2, 3) + i)
        row.mul_(4)
        (whole.sum() + part.sum() + column.sum()).backward()
        seen.append((seen_of(w), attempt(lambda part=part: part.add_(1)), part._is_view()))
    return seen


def views_of_the_argument(C: Compile) -> Any:
    run = C(lambda x: (x[0], x.view(-1)[1:3], x.data, x.t()))
    w = torch.ones(3, requires_grad=True)
    seen = []
    for i in range(CALLS):
        x = torch.zeros(2, 3) + i
        results = run(x)
        for number, one in enumerate(results):
            one.add_(number)
        seen.append([seen_of(one) for one in (x, *results)])
        results[0].mul_(w)
        seen.append((x.requires_grad, [one._is_view() for one in results]))
    return seen


def gradients_that_are_taken_away(C: Compile) -> Any:
    w, s = torch.ones(3, requires_grad=True), torch.zeros(3)
    v = torch.ones(3, requires_grad=True)

    def cleared(x: Any) -> Any:
        w.grad = None
        x.grad = None
        return x * 2

    def swapped(x: Any) -> Any:
        w.grad, v.grad = v.grad, w.grad
        return x * 2

    def stored(x: Any) -> Any:
        w.grad = s
        s.add_(1)
        return x * 2

    seen = []
    for function in (cleared, swapped, stored):
        run = C(function)
        for i in range(CALLS):
            w.grad, v.grad = torch.full((3,), float(i)), torch.full((3,), -float(i))
            x = T(1, 2, 3).requires_grad_()
            x.grad = torch.ones(3)
            run(x)
            seen.append((seen_of(w), seen_of(v), seen_of(x), seen_of(s), w.grad is s))
    return seen


def gradients_that_an_optimizer_clears(C: Compile) -> Any:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    clear, step = C(optimizer.zero_grad), C(optimizer.step)
    seen = []
    for _ in range(CALLS):
        clear()
        seen.append([p.grad is None for p in model.parameters()])
        model(torch.ones(1, 2)).square().sum().backward()
        step()
        seen.append([seen_of(p) for p in model.parameters()])
    return seen


def histories_that_are_taken_away(C: Compile) -> Any:
    w = torch.ones(3)

    def frozen(x: Any) -> Any:
        w.requires_grad_(False)
        return x * 2

    def detached(x: Any) -> Any:
        x.detach_()
        return x * 2

    seen = []
    for function in (frozen, detached):
        run = C(function)
        for _ in range(CALLS):
            w.requires_grad_(True)
            x = w * 2
            result = run(x)
            seen.append((seen_of(w), seen_of(x), seen_of(result)))
    return seen


def hooks_that_a_call_leaves(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        w.register_hook(lambda g: g * 2)
        return x * 2

    run = C(forward)
    seen = []
    for i in range(CALLS):
        w.grad = None
        run(T(i, 1, 2))
        w.sum().backward()
        seen.append(w.grad.clone())
    return seen


def a_grad_mode_that_a_call_leaves(C: Compile) -> Any:
    def forward(x: Any) -> Any:
        torch.set_grad_enabled(False)
        return x * 2

    run = C(forward)
    seen = []
    for i in range(CALLS):
        try:
            result = run(T(i, 1, 2))
            seen.append((result, torch.is_grad_enabled()))
        finally:
            torch.set_grad_enabled(True)
    return seen


def arguments_that_overlap_at_first(C: Compile) -> Any:
    """Changing one of them in place is an error then, which the function catches."""

    def forward(x: Any, y: Any) -> Any:
        try:
            y.add_(x)
        except RuntimeError:
            return x * 2
        return y * 2

    run = C(forward)
    seen = []
    for i in range(CALLS):
        base = torch.ones(4, 3) * i
        y = base[1:3] if i in (0, 1, 6) else torch.ones(2, 3) * i
        seen.append((run(base[2:] if i in (0, 1, 6) else base[:2].clone(), y), y.clone()))
    return seen


def results_of_inference_mode(C: Compile) -> Any:
    w = torch.ones(3, requires_grad=True)

    def forward(x: Any) -> Any:
        with torch.inference_mode():
            inferred = x * w
        return inferred, x * w

    run = C(forward)
    seen = []
    for i in range(CALLS):
        inferred, result = run(T(i, 1, 2))
        seen.append(
            (inferred.is_inference(), result.is_inference(), attempt(lambda inferred=inferred: inferred * w))
        )
    return seen


def keyword_defaults_that_change(C: Compile) -> Any:
    def forward(x: Any, *, factor: float = 2.0) -> Any:
        return x * factor

    run = C(forward)
    seen = []
    for i in range(CALLS):
        if i == 7:
            forward.__kwdefaults__["factor"] = 9.0
        seen.append(run(T(i, 1, 2)))
    return seen


PROGRAMS: dict[str, Callable[[Compile], Any]] = {
    program.__name__: program
    for program in (
        an_argument_that_was_computed_from_the_weights,
        arguments_that_were_computed_from_each_other,
        a_loss_and_what_it_is_computed_from,
        second_derivatives_through_two_results,
        results_with_nothing_in_common,
        backward_twice_through_what_keeps_nothing,
        a_result_without_gradient_that_is_infinite,
        copies_of_what_is_changed_before_backward,
        whether_state_needs_gradients,
        an_argument_that_is_changed,
        results_that_share_memory,
        results_that_share_memory_and_a_history,
        views_of_the_argument,
        gradients_that_are_taken_away,
        gradients_that_an_optimizer_clears,
        histories_that_are_taken_away,
        hooks_that_a_call_leaves,
        a_grad_mode_that_a_call_leaves,
        arguments_that_overlap_at_first,
        results_of_inference_mode,
        keyword_defaults_that_change,
    )
}
