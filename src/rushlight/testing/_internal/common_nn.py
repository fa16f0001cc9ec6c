"""What PyTorch's tests of modules share: checks of one module, without the lists of modules to check."""

from __future__ import annotations

from typing import Any

from ...autograd import grad as _grad
from ...ops.creation import zeros_like
from ...ops.random import rand_like, randn
from .common_utils import TestCase
from .switches_of_modules import database_names

module_tests: list[Any] = []
criterion_tests: list[Any] = []
loss_reference_fns: dict[str, Any] = {}


class NNTestCase(TestCase):
    """A ``TestCase`` for modules."""

    def _zero_grad_parameters(self, module: Any) -> None:
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad = zeros_like(parameter.grad)

    def _get_parameters(self, module: Any) -> tuple[list[Any], list[Any]]:
        parameters = list(module.parameters())
        return parameters, [
            zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters
        ]


def get_new_module_tests() -> list[Any]:
    """The list of modules to check: empty."""
    return []


def single_batch_reference_fn(input: Any, parameters: Any, module: Any) -> Any:
    """What a module gives for one sample, through a batch of that one."""
    return module(input.unsqueeze(0)).squeeze(0)


def _test_module_empty_input(
    test_case: Any, module: Any, inp: Any, check_size: bool = True, inference: bool = False
) -> None:
    """Check a module's forward and backward for an input without elements."""
    if not inference:
        inp.requires_grad_(True)
    out = module(inp)
    if not inference:
        out.backward(rand_like(out))
    if check_size:
        test_case.assertEqual(out.size(), inp.size())
    if not inference:
        for parameter in module.parameters():
            if parameter.requires_grad:
                test_case.assertEqual(parameter.grad, zeros_like(parameter.grad))
        test_case.assertEqual(inp.grad, zeros_like(inp))


def _test_bfloat16_ops(
    test_case: Any, op: Any, device: Any, inp_dims: Any = (), prec: float = 1e-2, scale_factor: Any = None
) -> None:
    """Check that ``op`` gives in bfloat16, forward and backward, nearly what it gives in float32."""
    from copy import deepcopy

    first = randn(inp_dims, device=device)
    if scale_factor is not None:
        first = (rand_like(first).ge(1 - scale_factor)) * first
    first = first.detach().requires_grad_()
    second = first.detach().bfloat16().requires_grad_()
    exact, rounded = op(first), deepcopy(op)
    rounded = (rounded.bfloat16() if hasattr(rounded, "bfloat16") else rounded)(second)
    test_case.assertEqual(exact, rounded, atol=prec, rtol=prec, exact_dtype=False)
    cotangent = randn(exact.shape, device=device)
    (of_first,) = _grad(exact, first, cotangent)
    (of_second,) = _grad(rounded, second, cotangent.bfloat16())
    test_case.assertEqual(of_first, of_second, atol=prec, rtol=prec, exact_dtype=False)


__getattr__ = database_names(__name__)
