"""What ordinary programs print or catch, here and in PyTorch: words of errors, names that they import, streams of seeds."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

FAILING: dict[str, Callable[[Any], Any]] = {
    "in place into integers": lambda lib: lib.arange(3).add_(1.5),
    "division in place": lambda lib: lib.arange(3).div_(2),
    "complex into integers": lambda lib: lib.arange(3).add_(1j),
    "out of another dtype": lambda lib: lib.add(lib.ones(2), 1.5, out=lib.ones(2, dtype=lib.int64)),
    "cat into another dtype": lambda lib: lib.cat([lib.ones(2)], out=lib.ones(2, dtype=lib.int64)),
    "integers that require grad": lambda lib: lib.tensor([1, 2], requires_grad=True),
    "integer factory that requires grad": lambda lib: lib.ones(2, dtype=lib.int64, requires_grad=True),
    "integer parameter": lambda lib: lib.nn.Parameter(lib.ones(2, dtype=lib.int64)),
    "integers asked for grad": lambda lib: lib.arange(3).requires_grad_(),
    "one tensor for an optimizer": lambda lib: lib.optim.SGD(lib.ones(1), lr=0.1),
    "collating None": lambda lib: lib.utils.data.default_collate([None, None]),
}


@pytest.mark.parametrize("case", FAILING)
def test_words_of_errors(case: str) -> None:
    with pytest.raises((RuntimeError, TypeError)) as expected:
        FAILING[case](torch)
    with pytest.raises(expected.type) as raised:
        FAILING[case](rushlight)
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([object()])], ids=["text", "objects"])
def test_the_type_of_an_array_that_no_tensor_can_hold(array: Any) -> None:
    said = []
    for lib in (torch, rushlight):
        with pytest.raises(TypeError) as raised:
            lib.as_tensor(array)
        said.append(str(raised.value).split(". The only")[0])
    assert said[0] == said[1]


class Draws:
    """A data set whose samples are random numbers of the library."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[float, int]:
        return self.lib.rand(1).item(), index


class Failing:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        raise KeyError(f"no sample {index}")


def test_workers_that_are_kept_go_on_with_their_random_streams() -> None:
    epochs = []
    for lib in (torch, rushlight):
        lib.manual_seed(3)
        loader = lib.utils.data.DataLoader(
            Draws(lib), batch_size=2, num_workers=2, persistent_workers=True, shuffle=True
        )
        epochs.append([[[part.tolist() for part in batch] for batch in loader] for _ in range(3)])
        epochs[-1].append(lib.rand(2).tolist())
        del loader
    assert epochs[0] == epochs[1]


def test_a_key_error_in_a_worker_is_a_key_error_here() -> None:
    with pytest.raises(KeyError) as raised:
        next(iter(rushlight.utils.data.DataLoader(Failing(), num_workers=1)))
    assert str(raised.value).startswith("Caught KeyError in DataLoader worker process 0.\nOriginal Traceback")


def test_a_model_compiled_for_the_eager_backend_is_wrapped() -> None:
    printed = []
    for lib in (torch, rushlight):
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU())
        compiled = lib.compile(model, backend="eager")
        assert compiled._orig_mod is model
        printed.append((repr(compiled), list(compiled.state_dict()), compiled(lib.ones(1, 2)).tolist()))
        assert compiled.eval() is compiled and not model.training
    assert printed[0] == printed[1]


def test_a_module_compiles_in_place() -> None:
    model, x = rushlight.nn.Linear(2, 1), rushlight.ones(3, 2)
    expected = model(x).detach()
    model.compile()
    assert rushlight.equal(model(x), expected)
    assert list(model.state_dict()) == ["weight", "bias"]
    other = copy.deepcopy(model)
    with rushlight.no_grad():
        other.weight.zero_()
        other.bias.zero_()
    assert not other(x).any() and rushlight.equal(model(x), expected)
    assert rushlight.equal(pickle.loads(pickle.dumps(model))(x), expected)
    model(x).sum().backward()
    assert model.weight.grad.tolist() == [[3.0, 3.0]]


def test_names_that_programs_import() -> None:
    from rushlight.nn.common_types import _size_2_t
    from rushlight.utils.data._utils.collate import default_collate
    from rushlight.utils.model_zoo import load_url

    assert _size_2_t == int | tuple[int, int]
    assert default_collate([1, 2]).tolist() == [1, 2]
    assert load_url is rushlight.hub.load_state_dict_from_url
    assert rushlight.nn.modules.utils._pair(3) == (3, 3)
    eye = rushlight.eye(2).to_sparse()
    assert rushlight.spmm(eye, rushlight.ones(2, 2)).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    rushlight._dynamo.config.cache_size_limit = 64
    rushlight._dynamo.reset()
    assert not rushlight._dynamo.is_compiling()
