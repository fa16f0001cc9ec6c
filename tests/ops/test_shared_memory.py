"""Memory that several processes see."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

import rushlight as torch
import rushlight.multiprocessing as mp

METHODS = [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]


def add_to(tensor, model, rank):
    tensor[rank] += rank + 1
    with torch.no_grad():
        model.weight[rank].fill_(rank + 10)


def send_back(given, taken):
    tensor = given.get(timeout=60)
    tensor.mul_(2)
    taken.put(tensor.sum().item())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings(
    "ignore:.*fork.*:DeprecationWarning"
)  # Python 3.12 and newer, where threads are running
def test_what_processes_write_all_see(method):
    torch.set_num_threads(1)
    tensor, model = torch.zeros(3), torch.nn.Linear(2, 3)
    assert not tensor.is_shared()
    assert tensor.share_memory_() is tensor
    assert tensor.is_shared()
    assert model.share_memory() is model
    context = mp.get_context(method)
    processes = [context.Process(target=add_to, args=(tensor, model, rank)) for rank in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    np.testing.assert_array_equal(tensor.numpy(), [1, 2, 3])
    np.testing.assert_array_equal(model.weight.detach().numpy(), [[10, 10], [11, 11], [12, 12]])
    assert isinstance(model.weight, torch.nn.Parameter)
    assert model.weight.requires_grad


def test_through_a_queue():
    context = mp.get_context("spawn")
    given, taken = context.Queue(), context.Queue()
    tensor = torch.arange(4.0).share_memory_()
    process = context.Process(target=send_back, args=(given, taken))
    process.start()
    given.put(tensor)
    assert taken.get(timeout=120) == 12
    process.join(60)
    np.testing.assert_array_equal(tensor.numpy(), [0, 2, 4, 6])


def test_training_goes_on_in_the_shared_memory():
    w = torch.nn.Parameter(torch.ones(2)).share_memory_()
    memory = w.data_ptr()
    updates = torch.optim.SGD([w], 0.5)
    (w * torch.tensor([1.0, 2.0])).sum().backward()
    updates.step()
    assert w.data_ptr() == memory
    assert w.is_shared()
    np.testing.assert_allclose(w.detach().numpy(), [0.5, 0.0])


def test_memory_that_others_look_at_is_refused():
    base = torch.zeros(4)
    part, array = base[:2], torch.zeros(2)
    seen = array.numpy()
    for tensor in (base, part, array):
        with pytest.raises(RuntimeError, match="something else looks at this tensor's memory"):
            tensor.share_memory_()
    assert seen.sum() == 0
    with pytest.raises(RuntimeError, match="only tensors on the CPU"):
        torch.zeros(2, device="meta").share_memory_()
    assert torch.zeros(0).share_memory_().numel() == 0
