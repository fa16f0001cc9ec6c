"""What programs notice of tensors beyond their values: strides, errors, memory that operands share, sharing of memory."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch
from rushlight import multiprocessing as mp

from .expressions import check_all


def test_strides() -> None:
    check_all(
        [
            "torch.ones(3)[None].stride(), torch.ones(3, 4)[..., None].stride(), torch.tensor(5)[None].stride()",
            "torch.ones(2).expand(1, 2).stride(), torch.ones(2, 1).expand(-1, 4).stride()",
            "torch.nonzero(torch.tensor([[1, 0], [1, 1]])).stride()",
            "[t.stride() for t in torch.ones(2, 2).nonzero(as_tuple=True)]",
            "x = torch.ones(3, 4).t(); x.softmax(0).stride(), x.log_softmax(1).stride(), x.cumsum(0).stride()",
            "x = torch.ones(3, 4).t(); x.softmax(0).view(-1).shape",
            "x = torch.arange(6.).view(2, 3); [i.stride() for r in (x.median(1), x.kthvalue(2, 1), x.mode(1)) for i in r]",
            "x = torch.ones(2, 3); torch.t_copy(x).stride(), torch.permute_copy(x, (1, 0)).stride()",
            "torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last).dim_order(), torch.ones(2, 3).t().dim_order()",
        ]
    )


def test_memory_that_operands_share() -> None:
    check_all(
        [
            "x = torch.arange(5.); x[1:].add_(x[:-1])",
            "x = torch.arange(4.); x[:-1].mul_(x[1:])",
            "x = torch.ones(2, 2); x.add_(x.t())",
            "x = torch.arange(4.).view(2, 2); x.sub_(x.t(), alpha=2)",
            "x = torch.arange(4.); torch.add(x[:-1], 1, out=x[1:])",
            "x = torch.arange(4.); torch.sin(x[:-1], out=x[1:])",
            "x = torch.arange(4.); torch.mul(x, x, out=x); x.add_(x); x[:2].add_(x[2:]); x",
            "x = torch.arange(4.); torch.neg(x, out=x); x.mul_(x.view(4)); x",
        ]
    )


def test_arguments() -> None:
    check_all(
        [
            "torch.add(1, 2), torch.sub(5, 2.5), torch.mul(2, 3.0), torch.div(1, 2), torch.floor_divide(7, 2)",
            "torch.add('a', 2)",
            "torch.ones(2, 3).reshape(shape=(3, 2))",
            "torch.Tensor(device='cpu').shape",
            "torch.Tensor(2, device='meta')",
            "torch.masked_select(torch.arange(3), torch.tensor([True, False, True]), out=torch.empty(0))",
            "torch.nonzero(torch.tensor([1]), out=torch.empty(0))",
            "torch.float_power(torch.tensor([1.0]), 2, out=torch.empty(1))",
            "torch.linspace(0, 1j, 3, dtype=torch.float)",
            "torch.clone(torch.tensor([1.0]), memory_format=torch.channels_last)",
            "torch.is_nonzero(3)",
            "torch.broadcast_shapes((-1,), (3,))",
            "torch.broadcast_shapes(1.5)",
            "torch.tensor([1, 2, 3]).put_(torch.tensor([0, 1]), torch.tensor([9]))",
            "torch.ones(3, requires_grad=True).apply_(lambda v: v)",
            "torch.use_deterministic_algorithms(1)",
            "torch.set_num_threads('a')",
            "torch.asarray(b'\\x01\\x02', dtype=torch.uint8)",
            "torch.tensor([2**63], dtype=torch.uint64).tolist()",
            "torch.empty(2, 3).bernoulli_(torch.ones(4))",
            "x = torch.arange(4.); s = x.storage(); s[1] = 9; x",
            "pickle.loads(pickle.dumps(torch.strided)) is torch.strided",
            "copy.deepcopy(torch.channels_last) is torch.channels_last",
            "torch.from_dlpack(torch.tensor([1.0]), copy=True), torch.from_dlpack(torch.tensor([1.0]), device='cpu')",
            "torch.ones(2, device='meta').__dlpack__()",
            "torch.segment_reduce(torch.arange(8.).view(2, 4), 'sum', lengths=torch.tensor([[1, 3], [2, 2]]), axis=1)",
            "torch.segment_reduce(torch.tensor([1.0, 2.0]), 'sum', lengths=torch.tensor([1]), unsafe=True)",
            "isinstance(torch.ones(1), torch._C.TensorBase), torch._C._LinAlgError is torch.linalg.LinAlgError",
        ]
    )


def test_precision_that_does_not_exist() -> None:
    with pytest.warns(UserWarning, match="foo is not one of"):
        torch.set_float32_matmul_precision("foo")
    assert torch.get_float32_matmul_precision() == "highest"


def test_what_is_sent_is_shared() -> None:
    queue: Any = mp.get_context("spawn").SimpleQueue()
    x = torch.zeros(4)
    queue.put([x])
    (received,) = queue.get()
    received.fill_(3)
    assert x.is_shared() and x.tolist() == [3.0, 3.0, 3.0, 3.0]
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        queue.put(torch.ones(2, requires_grad=True) * 2)
    for made in (torch.tensor([1.0]), torch.randn(3), torch.tensor(3.0)):  # parts of arrays of their own
        assert made.share_memory_().is_shared()
