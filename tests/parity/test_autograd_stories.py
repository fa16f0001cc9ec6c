"""Nodes, hooks, gradients and errors of autograd that programs rely on: one program for both libraries."""

from __future__ import annotations

import gc
import weakref

import pytest

from .stories import compare, message, raised

pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def made(torch, backward, forward=lambda ctx, x: x * 2):
    return type(
        "Made",
        (torch.autograd.Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward)},
    )


def test_hooks_of_the_inputs_of_backward():
    def program(torch):
        seen = []
        a = torch.tensor(1.0, requires_grad=True)
        b = a.clone()
        b.grad_fn.register_prehook(lambda g: seen.append("node"))
        b.register_hook(lambda g: (seen.append("tensor"), g * 3)[1])
        b.sum().backward(inputs=(b,))
        return [seen, b.grad, a.grad]

    compare(program)


def test_hooks_of_views_that_were_changed_in_place():
    def program(torch):
        seen = []
        base = torch.tensor([1.0], requires_grad=True).clone()
        view, other = base[:], base[:]
        view.register_hook(lambda g: seen.append("view"))
        other.register_hook(lambda g: seen.append("other"))
        view.mul_(2)
        assert other.grad_fn is not None
        other.register_hook(lambda g: seen.append("other, new"))
        (view + other).sum().backward()
        return seen

    compare(program)


def test_what_hooks_may_return():
    def program(torch):
        x = torch.rand(2, requires_grad=True)
        x.register_post_accumulate_grad_hook(lambda t: t.grad)
        return [message(lambda: x.sum().backward())]

    compare(program)


def test_materialized_gradients():
    def program(torch):
        x, a = torch.tensor(0.5, requires_grad=True), torch.tensor(1.0, requires_grad=True)
        first = torch.autograd.grad(x * a, x, create_graph=True)
        second = torch.autograd.grad(first, x, create_graph=True, materialize_grads=True)
        edge = torch.autograd.graph.get_gradient_edge(a * 2)
        return [
            second[0],
            torch.autograd.grad(second, x, materialize_grads=True)[0],
            raised(lambda: torch.autograd.grad(x * 2, (x, edge), allow_unused=True, materialize_grads=True)),
        ]

    compare(program)


def test_leaves_that_see_other_memory():
    def program(torch):
        x = torch.rand(2, requires_grad=True)
        edge = torch.autograd.graph.get_gradient_edge(x)
        y = x.clone().sum()
        with torch.no_grad():
            x.set_(torch.rand(2))
        return [raised(lambda: torch.autograd.grad(y, x, retain_graph=True)), torch.autograd.grad(y, edge)[0]]

    compare(program)


def test_results_that_are_returned_twice():
    def program(torch):
        def forward(ctx, x):
            y = x * 2
            return y, y

        first, second = made(torch, lambda ctx, g, h: g * 2 + h * 3, forward).apply(
            torch.ones(2, requires_grad=True)
        )
        x = torch.ones(2, requires_grad=True)
        a, b = made(torch, lambda ctx, g, h: g * 2 + h * 3, forward).apply(x)
        (a + b).sum().backward()
        return [first is second, x.grad]

    compare(program)


def test_gradients_of_results_without_gradient():
    def program(torch):
        seen = []

        def forward(ctx, x):
            a, b = x.clone(), x.clone()
            ctx.mark_non_differentiable(b)
            ctx._materialize_non_diff_grads = False
            return a, b

        def backward(ctx, g, h):
            seen.append(h is None)
            return g

        made(torch, backward, forward).apply(torch.ones(1, requires_grad=True))[0].backward()
        return seen

    compare(program)


def test_old_name_of_saved_tensors():
    def program(torch):
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        x = torch.ones(2, requires_grad=True)
        made(torch, lambda ctx, g: g * ctx.saved_variables[0], forward).apply(x).sum().backward()
        return [x.grad]

    compare(program)


def test_changes_in_place_of_views_by_functions():
    def program(torch):
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x, x * 1

        function = made(torch, lambda ctx, g, h: g, forward)
        return [message(lambda: function.apply(torch.ones(2, requires_grad=True).clone()[:1]))[:60]]

    compare(program)


def test_dtype_of_gradients():
    def program(torch):
        double = made(torch, lambda ctx, g: g.to(torch.float64))
        story = []
        for kind in (torch.float32, torch.float16, None):
            x = torch.ones(2, requires_grad=True)
            x.grad_dtype = kind
            double.apply(x).sum().backward()
            story += [x.grad, str(x.grad_dtype)]
        x = torch.ones(2, requires_grad=True)
        x.grad = torch.ones(2)
        story += [
            message(lambda: setattr(x, "grad_dtype", torch.float16)),
            message(lambda: setattr(x, "grad_dtype", 3)),
        ]
        story += [message(lambda: (x * 2).grad_dtype)]
        story += [message(lambda: setattr(x, "grad", torch.ones(3)))]
        return story

    compare(program)


def test_saved_values_by_name():
    def program(torch):
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        power, exponential, product = x**2, x.exp(), x * torch.tensor([3.0, 4.0])
        saved = exponential.grad_fn._raw_saved_result
        saved.register_hooks(lambda t: t * 2, lambda t: t / 2)
        story = [power.grad_fn._saved_self, power.grad_fn._saved_exponent, exponential.grad_fn._saved_result]
        story += [product.grad_fn._saved_self, product.grad_fn._saved_other]
        story += [message(lambda: saved.register_hooks(lambda t: t, lambda t: t))]
        story += [message(lambda: product.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t))]
        story += [raised(lambda: saved.register_hooks(1, 2)), raised(lambda: power.grad_fn._saved_nothing)]
        exponential.sum().backward()
        story += [x.grad, message(lambda: saved.register_hooks(lambda t: t, lambda t: t))]
        story += [type(exponential.grad_fn).__name__, product.grad_fn._input_metadata[0].shape]
        return story

    compare(program)


def test_names_of_leaves():
    def program(torch):
        x = torch.ones(2, requires_grad=True)
        (node, number), _ = (x * 2).grad_fn.next_functions
        return [
            type(node).__name__,
            node.name(),
            number,
            isinstance(node, torch._C._functions.AccumulateGrad),
        ]

    compare(program)


def test_what_backward_does_now():
    def program(torch):
        a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        c = a.sin() * b
        unused = b.cos()
        nodes = [c.grad_fn, a.clone().grad_fn.next_functions[0][0], unused.grad_fn]
        seen = []

        def hook(g):
            seen.append([torch._C._will_engine_execute_node(node) for node in nodes])

        c.register_hook(hook)
        with torch.autograd.set_multithreading_enabled(False):
            c.sum().backward()
        seen.append(raised(lambda: torch._C._will_engine_execute_node(nodes[0])))
        seen.append(torch._C._current_autograd_node() is None)
        return seen

    compare(program)


def test_the_order_of_backward():
    def program(torch):
        seen = []

        def hook(g):
            seen.extend([node.name() for node in torch._C._current_graph_task_execution_order()])

        x = torch.tensor(1.0, requires_grad=True).clone().sin().exp()
        x.register_hook(hook)
        with torch.autograd.set_multithreading_enabled(False):
            x.backward()
        return [seen, raised(torch._C._current_graph_task_execution_order)]

    compare(program)


def test_errors_and_undefined_gradients_on_the_way():
    def program(torch):
        x = torch.ones(2, requires_grad=True)
        delayed = torch._C._functions.DelayedError("not this way", 1)(x)
        undefined = torch._C._functions.UndefinedGrad()(made(torch, lambda ctx, g: g + 1).apply(x))
        undefined.sum().backward()
        reference = torch._C._WeakTensorRef(x * 2)
        gc.collect()
        return [message(lambda: delayed.sum().backward()), x.grad, reference.expired()]

    compare(program)


def test_calls_at_the_end_of_backward():
    def program(torch):
        seen = []
        x = torch.ones(2, requires_grad=True)
        engine = torch.autograd.Variable._execution_engine
        x.register_hook(lambda g: engine.queue_callback(lambda: seen.append("end")))
        x.register_post_accumulate_grad_hook(lambda t: seen.append("leaf"))
        (x * 2).sum().backward()
        return [seen, raised(lambda: engine.queue_callback(lambda: None))]

    compare(program)


def test_sparse_gradients_of_gather():
    def program(torch):
        x = torch.arange(6.0).reshape(2, 3).requires_grad_()
        index = torch.tensor([[0, 0], [2, 1]])
        torch.gather(x, 1, index, sparse_grad=True).sum().backward()
        return [x.grad.is_sparse, x.grad.to_dense()]

    compare(program)


def test_saved_values_that_change():
    def program(torch):
        x = torch.ones(3, requires_grad=True)
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            y = x * 3
            z = (y**2).sum()
            y.sin_()
            z.backward()
        with torch.autograd._unsafe_preserve_version_counter(y):
            y.detach().mul_(2)
        return [x.grad, y._version]

    compare(program)


def test_values_that_a_stopped_recomputation_saved_are_free():
    def program(torch):
        references = []

        def forward(ctx, x):
            y = x.clone()
            ctx.save_for_backward(y)
            references.append(weakref.ref(y))
            return y

        def backward(ctx, g):
            assert ctx.saved_tensors
            return g

        function = made(torch, backward, forward)
        checkpoint = torch.utils.checkpoint.checkpoint
        gc.disable()
        try:
            checkpoint(
                function.apply, torch.ones(2, requires_grad=True), use_reentrant=False
            ).sum().backward()
            return [reference() is None for reference in references]
        finally:
            gc.enable()

    compare(program)


def test_reentrant_checkpoints_and_chosen_inputs():
    def program(torch):
        x = torch.ones(2, requires_grad=True)
        y = torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=True)
        return [message(lambda: torch.autograd.grad(y.sum(), x))]

    compare(program)


def test_deletions():
    def program(torch):
        def without(name):
            x = torch.ones(1, requires_grad=True)
            return raised(lambda: delattr(x, name))

        x = torch.ones(1)
        return [without("data"), without("requires_grad"), message(lambda: setattr(x, "requires_grad", 1))]

    compare(program)


def test_marking_what_is_no_input():
    def program(torch):
        def forward(ctx, x):
            y = x.clone()
            ctx.mark_dirty(y)
            return y

        def forward_to_view(ctx, x):
            y = x.clone().view(1)
            ctx.mark_dirty(y)
            return y

        x = torch.ones(1, requires_grad=True)
        made(torch, lambda ctx, g: g * 3, forward).apply(x).sum().backward()
        return [x.grad, message(lambda: made(torch, lambda ctx, g: g, forward_to_view).apply(x))[:80]]

    compare(program)


def test_saved_values_as_objects():
    def program(torch):
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x * 1

        def unpack(tensor):
            return tensor

        x = torch.ones(1, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            y = x**2
        z = made(torch, lambda ctx, g: g * ctx.saved_tensors[0], forward).apply(y)
        of_power, of_function = y.grad_fn._raw_saved_self, z.grad_fn._raw_saved_tensors
        story = [
            of_power.data is x,
            of_power.unpack_hook is unpack,
            len(of_function),
            of_function[0].unpack_hook,
        ]
        story += [message(torch.autograd.SavedTensor)]
        of_function[0].register_hooks(lambda tensor: tensor * 2, lambda tensor: tensor)
        story += [message(lambda: of_function[1].register_hooks(lambda t: t, lambda t: t))]
        z.sum().backward()
        return [*story, x.grad, raised(lambda: z.grad_fn._raw_saved_tensors)]

    compare(program)
