"""Small behaviours of datasets, optimizers, schedulers and function transforms: one program for both libraries."""

from __future__ import annotations

import pytest

from .stories import compare, message, raised

pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def test_datasets_side_by_side():
    def program(torch):
        data = torch.utils.data
        named, plain = data.StackDataset(a=range(5), b=range(5, 10)), data.StackDataset(range(3), range(3))

        class Short:
            def __len__(self):
                return 3

            def __getitems__(self, indices):
                return indices[1:]

        return [
            named[1],
            named.__getitems__([0, 2]),
            plain.__getitems__([2, 1]),
            message(lambda: data.StackDataset(range(3), Short()).__getitems__([0, 1])),
            message(data.StackDataset),
            raised(lambda: data.StackDataset(range(3), b=range(3))),
        ]

    compare(program)


def test_splits_without_samples():
    def program(torch):
        split = torch.utils.data.random_split
        return [
            [len(part) for part in split(range(3), [0.0, 1.0])],
            [len(part) for part in split(range(3), [0, 3])],
        ]

    compare(program)


def test_chains_of_datasets_that_can_not_be_iterated():
    def program(torch):
        class Endless(torch.utils.data.Dataset):
            def __getitem__(self, index):
                return index

        return [message(lambda: list(torch.utils.data.ChainDataset([Endless()])))]

    compare(program)


def test_options_of_optimizers_that_exclude_each_other():
    def program(torch):
        def made(name, **options):
            return message(
                lambda: type(getattr(torch.optim, name)([torch.ones(1)], lr=0.1, **options)).__name__
            )

        names = ("SGD", "Adam", "AdamW", "Adagrad")
        pairs = ({"fused": True, "foreach": True}, {"fused": True, "differentiable": True})
        return [made(name, **pair) for name in names for pair in pairs]

    compare(program)


def test_a_step_that_was_replaced():
    def program(torch):
        optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
        optimizer.step = lambda: None
        scheduler.step()
        return [scheduler.get_last_lr()]

    compare(program)


def test_what_transforms_refuse():
    def program(torch):
        vmap, grad = torch.func.vmap, torch.func.grad

        def backward(x):
            y = x.sin()
            y.backward()
            return y

        def beginning(call, length):
            return message(call)[:length]

        x = torch.ones(3)
        in_place = "RuntimeError: vmap: inplace arithmetic(self, *extra_args) is not possible because"
        return [
            beginning(lambda: vmap(lambda x: x if x else 1)(x), 80),
            beginning(lambda: vmap(lambda x: x.item())(x), 60),
            beginning(lambda: vmap(lambda a, b: a.mul_(b), (None, 0))(x, torch.ones(2, 3)), len(in_place)),
            beginning(lambda: vmap(lambda a, b: a.copy_(b), (None, 0))(x, torch.ones(2, 3)), len(in_place)),
            message(lambda: vmap(torch.sin, out_dims="a")(x)),
            message(lambda: grad(backward)(x.sum())),
        ]

    compare(program)


def test_products_with_vectors_of_another_length():
    def program(torch):
        x = torch.ones(3)
        functional = torch.autograd.functional
        return [
            message(lambda: functional.vjp(lambda a: a * 2, x, (x, x))),
            message(lambda: functional.vjp(lambda a: (a, a), x, (x,))),
        ]

    compare(program)


def test_states_with_numbers_in_place_of_tensors():
    def program(torch):
        story = []
        for name in (
            "Adam",
            "AdamW",
            "Adamax",
            "NAdam",
            "RAdam",
            "Adadelta",
            "Adagrad",
            "RMSprop",
            "Rprop",
            "ASGD",
        ):
            x = torch.ones(2, requires_grad=True)
            optimizer = getattr(torch.optim, name)([x], lr=0.1)
            for _ in range(2):
                x.grad = torch.full((2,), 0.5)
                optimizer.step()
                state = optimizer.state_dict()
                own = state["state"][0]
                for key in ("step", "eta", "mu", "mu_product"):
                    if key in own:
                        own[key] = float(own[key])
                optimizer.load_state_dict(state)
            story += [x.detach(), optimizer.state[x]["step"]]
        return story

    compare(program)
