"""Programs about what a call gives and leaves: results that share something, copies made half-way, errors that are caught."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import rushlight as torch

Compile = Callable[[Callable[..., Any]], Any]
CALLS = 8  # enough for a replay to begin, and to run


def a_tensor_that_is_returned_twice(C: Compile) -> Any:
    w = torch.nn.Parameter(torch.ones(3))
    plain = torch.zeros(2, 3)

    def f(x: Any) -> Any:
        y = x * w
        return {"a": y, "b": [plain, y]}

    f = C(f)
    seen = []
    for i in range(CALLS):
        result = f(torch.full((3,), float(i)))
        w.grad = None
        result["a"].sum().backward()
        seen.append((result["b"][1] is result["a"], result["b"][0] is plain, w.grad.clone()))
    return seen


def views_of_what_the_function_knows(C: Compile) -> Any:
    w = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    plain = torch.zeros(2, 3)

    def f(x: Any) -> Any:
        return w.t(), plain[0], x * 2, torch.tensor((2, 3)).double()

    f = C(f)
    seen = []
    for i in range(CALLS):
        columns, row, twice, shape = f(torch.ones(2))
        w.grad = None
        (columns.sum() * i).backward()
        row.add_(1)
        row.unsqueeze_(0)  # of this call's tensor alone
        seen.append((w.grad.clone(), plain.clone(), row.shape, twice, shape))
    return seen


def the_gradient_is_the_result(C: Compile) -> Any:
    w = torch.nn.Parameter(torch.ones(3))

    def f(x: Any) -> Any:
        (x * w).sum().backward()
        return w.grad

    f = C(f)
    seen, kept = [], []
    for i in range(CALLS):
        if i % 3 == 2:
            w.grad = None
        result = f(torch.full((3,), float(i)))
        kept.append(result)
        seen.append((result is w.grad, [one.clone() for one in kept]))
    return seen


def the_gradient_of_an_argument_is_the_result(C: Compile) -> Any:
    def f(x: Any) -> Any:
        (x * x).sum().backward()
        return x.grad

    f = C(f)
    seen = []
    for i in range(CALLS):
        x = torch.full((3,), float(i), requires_grad=True)
        result = f(x)
        seen.append((result is x.grad, result.clone()))
    return seen


def constants_that_the_caller_changes(C: Compile) -> Any:
    def f(x: Any) -> Any:
        return torch.ones(3), torch.tensor([1.0, 2.0]), torch.arange(3), x * 2

    f = C(f)
    seen = []
    for _ in range(CALLS):
        result = f(torch.ones(2))
        seen.append([one.clone() for one in result])
        for one in result:
            one.add_(1)
    return seen


def a_result_whose_history_is_overwritten(C: Compile) -> Any:
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([w], lr=0.1)

    def f(x: Any) -> Any:
        before = x * w * w
        w.pow(2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        return before

    f = C(f)
    seen: list[Any] = []
    for i in range(CALLS):
        result = f(torch.full((3,), float(i)))
        seen.append((result.detach(), w.detach().clone()))
        try:
            result.sum().backward()
        except RuntimeError:
            seen.append("changed")
    return seen


def a_value_that_the_function_does_without(C: Compile) -> Any:
    total = torch.zeros(2)

    def f(x: Any) -> Any:
        total.add_(1)
        try:
            factor = float(x.sum())
        except RuntimeError:
            factor = 100.0
        return x * factor

    f = C(f)
    return [(f(torch.full((2,), float(i))), total.clone()) for i in range(CALLS)]


def another_error_instead_of_the_value(C: Compile) -> Any:
    def f(x: Any) -> Any:
        try:
            return x * float(x.sum())
        except RuntimeError:
            raise KeyError("no value") from None

    f = C(f)
    return [f(torch.full((2,), float(i))) for i in range(CALLS)]


_last: Any = None


def a_global_that_is_only_stored(C: Compile) -> Any:
    def f(x: Any) -> Any:
        global _last
        _last = x.shape[0]
        return x * 2

    f = C(f)
    seen = []
    for size in (2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 2, 3, 2):
        f(torch.ones(size))
        seen.append(_last)
    return seen


def a_global_that_becomes_a_view_of_the_argument(C: Compile) -> Any:
    def f(x: Any) -> None:
        global _last
        _last = x.unsqueeze(0)

    f = C(f)
    seen = []
    for _ in range(CALLS):
        x = torch.zeros(2)
        f(x)
        x.add_(1)
        seen.append(_last.clone())
    return seen


def results_of_earlier_calls_are_written_to(C: Compile) -> Any:
    total = torch.ones(())
    kept: list[Any] = []

    def f(x: Any) -> None:
        torch.sin(x, out=total)  # which gives it another shape, and from then on writes to it
        if not kept:
            kept.extend((x + 1, x[0] * 2))
        elif len(kept) == 2:
            kept[0].copy_(x * 2)
            kept[1].fill_(3.0)
            kept.append(None)
        else:
            kept[0][1:] = x[1:]
            torch.add(x[0], 1.0, out=kept[1])

    f = C(f)
    seen = []
    for i in range(CALLS):
        f(torch.full((2, 2), float(i)))
        state = [one.clone() for one in kept if one is not None] if i > 3 else []
        seen.append((total.clone(), total.tolist(), state))
    return seen


def copies_half_way(C: Compile) -> Any:
    plain = torch.zeros(4)

    def f(x: Any) -> Any:
        y = x + 1
        part = y[1:]
        plain.add_(y)
        copied = copy.deepcopy([y, part, plain])
        copied[1].mul_(2)  # and with it the copy of y
        y.mul_(3)
        return [*copied, y]

    f = C(f)
    seen = []
    for i in range(CALLS):
        result = f(torch.arange(4.0) + i)
        result[0].add_(1)
        seen.append([one.clone() for one in (*result, plain)])
    return seen


def a_model_that_is_copied_half_way(C: Compile) -> Any:
    model = torch.nn.Linear(2, 2)

    def f(x: Any) -> Any:
        with torch.no_grad():
            model.weight.mul_(1.5)
        return copy.deepcopy(model)(x)

    f = C(f)
    return [f(torch.ones(1, 2)) for _ in range(CALLS)]


def pickles_and_files_half_way(C: Compile) -> Any:
    def f(x: Any) -> Any:
        y = x + 1
        part = y.view(2, 2)[1:].t()
        file = io.BytesIO()
        torch.save({"y": y, "part": part}, file)
        file.seek(0)
        loaded = torch.load(file)
        return pickle.loads(pickle.dumps([y, part])), loaded["y"], loaded["part"]

    f = C(f)
    return [f(torch.arange(4.0) + i) for i in range(CALLS)]


def memory_half_way(C: Compile) -> Any:
    def f(x: Any) -> Any:
        y = x * 2
        numbers = y.untyped_storage().nbytes(), y[1:].untyped_storage().tolist()[:4]
        other = torch.zeros(2).set_(y)
        other.add_(1)
        part = torch.empty(0).set_(y, 1, (2,), (1,))
        part.mul_(2)
        return y, other, part, numbers

    f = C(f)
    seen = []
    for i in range(CALLS):
        y, other, part, numbers = f(torch.arange(4.0) + i)
        y.add_(1)
        seen.append((y.clone(), other.clone(), part.clone(), numbers))
    return seen


def attributes_of_tensors(C: Compile) -> Any:
    def f(x: Any) -> Any:
        y = x * 2
        y.rows = x.shape[0]
        return y

    def g(x: Any) -> Any:
        x.tag = "seen"
        return x * 2

    f, g = C(f), C(g)
    seen = []
    for i in range(CALLS):
        y = f(torch.ones(2 + i % 2))
        seen.append((y, y.rows))
        y.rows = 0
    for _ in range(CALLS):
        x = torch.ones(2)
        seen.append((g(x), getattr(x, "tag", None)))
    return seen


def a_shape_that_every_call_changes(C: Compile) -> Any:
    shaped = torch.ones(())
    given = torch.ones(2)

    def f(x: Any) -> Any:
        x.mul_(1.5)
        shaped.unsqueeze_(0)
        return x * 2

    f = C(f)
    return [(f(given), shaped.shape) for _ in range(2 * CALLS)]


class Marked(torch.Tensor):
    pass


def results_of_a_class(C: Compile) -> Any:
    w = torch.nn.Parameter(torch.ones(2))

    def f(x: Any) -> Any:
        return (x * w).as_subclass(Marked), torch.ones(2).as_subclass(Marked)

    f = C(f)
    seen = []
    for i in range(CALLS):
        y, constant = f(torch.full((2,), float(i)))
        y.sum().backward()
        seen.append((type(y).__name__, type(constant).__name__, y.detach() + 0, w.grad.clone()))
    return seen


PROGRAMS = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", None) == __name__ and name[0].islower()
}
