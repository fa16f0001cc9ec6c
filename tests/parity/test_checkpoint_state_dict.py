"""``torch.distributed.checkpoint.state_dict`` in one process, against PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]


def parts(module: Any) -> tuple[Any, Any]:
    if module is torch:
        import torch.distributed.checkpoint.state_dict as functions
    else:
        import rushlight.distributed.checkpoint.state_dict as functions
    return module, functions


def trained(module: Any) -> tuple[Any, Any]:
    model = module.nn.Sequential(module.nn.Linear(3, 2), module.nn.BatchNorm1d(2))
    for parameter in model.parameters():
        module.nn.init.constant_(parameter, 0.5)
    optimizer = module.optim.Adam(model.parameters(), lr=0.25)
    model(module.arange(6.0).reshape(2, 3)).pow(2).sum().backward()
    optimizer.step()
    return model, optimizer


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return tuple(value.shape) if hasattr(value, "shape") else value


def test_the_same_dictionaries() -> None:
    results = []
    for module in (torch, rushlight):
        lib, functions = parts(module)
        model, optimizer = trained(lib)
        state, optim_state = functions.get_state_dict(model, optimizer)
        for group in optim_state[
            "param_groups"
        ]:  # options that PyTorch has for its kernels are no question here
            for name in (
                "foreach",
                "capturable",
                "fused",
                "differentiable",
                "decoupled_weight_decay",
                "maximize",
            ):
                group.pop(name, None)
        results.append((shape(state), shape(optim_state)))
    assert results[0] == results[1]


@pytest.mark.parametrize("module", [torch, rushlight], ids=["torch", "rushlight"])
def test_setting_them(module: Any) -> None:
    lib, functions = parts(module)
    model, optimizer = trained(lib)
    state, optim_state = functions.get_state_dict(model, optimizer)
    other = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.BatchNorm1d(2))
    other_optimizer = lib.optim.Adam(reversed(list(other.parameters())), lr=9.0)
    functions.set_state_dict(
        other, other_optimizer, model_state_dict=state, optim_state_dict=optim_state,
        options=functions.StateDictOptions(strict=True),
    )  # fmt: skip
    assert lib.equal(other[0].weight, model[0].weight) and other_optimizer.param_groups[0]["lr"] == 0.25
    assert lib.equal(
        other_optimizer.state[other[0].weight]["exp_avg"], optimizer.state[model[0].weight]["exp_avg"]
    )
    with pytest.raises(RuntimeError):
        functions.set_model_state_dict(other, {"0.weight": state["0.weight"]})
    lenient = functions.StateDictOptions(strict=False)
    found = functions.set_model_state_dict(other, {"0.weight": state["0.weight"]}, options=lenient)
    assert "0.bias" in found.missing_keys


def test_names_without_wrappers() -> None:
    from rushlight.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict

    model = rushlight.nn.DataParallel(rushlight.nn.Linear(2, 1))
    state = get_model_state_dict(model)
    assert list(state) == ["weight", "bias"]
    set_model_state_dict(model, {name: value * 0 + 1 for name, value in state.items()})
    assert model.module.weight.tolist() == [[1, 1]]
    model.module.bias.requires_grad_(False)
    from rushlight.distributed.checkpoint.state_dict import StateDictOptions

    options = StateDictOptions(ignore_frozen_params=True)
    assert list(get_model_state_dict(model, options=options)) == ["weight"]
