"""The state of a model and of its optimizers as dictionaries whose keys are parameters' names, whatever wraps the model.

Names are those of the plain model: without what ``DistributedDataParallel`` and ``torch.compile`` put before them. An
optimizer's state is keyed by these names too, so it fits a model whose parameters come in another order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ...nn.module import IncompatibleKeys, Module
from ...optim.optimizer import Optimizer

_WRAPPERS = ("module.", "_orig_mod.")


@dataclasses.dataclass
class StateDictOptions:
    """What to take and how to set it.

    Args:
        cpu_offload: give copies on the CPU.   ignore_frozen_params: leave out parameters that want no gradient.
        strict: refuse missing and unexpected keys.   flatten_optimizer_state_dict: not there.
        full_state_dict, broadcast_from_rank0: accepted; nothing is sharded, and each rank sets what it is given.
        keep_submodule_prefixes: accepted.
    """

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False


def _options(given: StateDictOptions | None) -> StateDictOptions:
    options = given or StateDictOptions()
    if options.flatten_optimizer_state_dict:
        raise NotImplementedError(
            "StateDictOptions: flatten_optimizer_state_dict is not there; leave it out, and the state is nested"
        )
    return options


def _plain(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper).replace("." + wrapper, ".")
    return name


def _copied(value: Any, options: StateDictOptions) -> Any:
    return value.cpu() if options.cpu_offload and hasattr(value, "cpu") else value


def get_model_state_dict(
    model: Module, *, submodules: set[Module] | None = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """The model's ``state_dict`` under the plain model's names.

    Example:
        >>> import rushlight as torch
        >>> list(get_model_state_dict(torch.nn.DataParallel(torch.nn.Linear(2, 1))))
        ['weight', 'bias']
    """
    chosen = _options(options)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    if submodules is not None:
        parts = {name for name, module in model.named_modules() if module in submodules}
    found = {}
    for name, value in model.state_dict().items():
        if chosen.ignore_frozen_params and name in frozen:
            continue
        if submodules is not None and not any(name.startswith(part + ".") for part in parts):
            continue
        found[_plain(name)] = _copied(value, chosen)
    return found


def set_model_state_dict(
    model: Module, model_state_dict: dict[str, Any], *, options: StateDictOptions | None = None
) -> IncompatibleKeys:
    """Load a state that ``get_model_state_dict`` gave, into a model that may be wrapped in another way.

    Raises ``RuntimeError`` for shapes that do not fit, and with ``strict`` for missing and unexpected keys.
    """
    chosen = _options(options)
    own = {_plain(name): name for name in model.state_dict()}
    renamed = {own.get(name, name): value for name, value in model_state_dict.items()}
    return model.load_state_dict(renamed, strict=chosen.strict)


def _listed(optimizers: Optimizer | Iterable[Optimizer]) -> list[Optimizer]:
    return [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)


def _names(model: Module) -> dict[int, str]:
    return {id(parameter): _plain(name) for name, parameter in model.named_parameters()}


def get_optimizer_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    *,
    submodules: set[Module] | None = None,
    options: StateDictOptions | None = None,
) -> dict[str, Any]:
    """``{"state": {name: ...}, "param_groups": [...]}``, with parameters' names where ``state_dict`` has numbers.

    Raises ``KeyError`` for an optimizer whose parameters are not the model's.

    Example:
        >>> import rushlight as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> state = get_optimizer_state_dict(model, torch.optim.SGD(model.parameters(), lr=0.1))
        >>> state["param_groups"][0]["params"]
        ['weight', 'bias']
    """
    chosen = _options(options)
    names = _names(model)
    state: dict[str, Any] = {}
    groups: list[dict[str, Any]] = []
    for optimizer in _listed(optimizers):
        plain = optimizer.state_dict()
        by_number: dict[int, str] = {}
        for group, real in zip(plain["param_groups"], optimizer.param_groups, strict=True):
            for number, parameter in zip(group["params"], real["params"], strict=True):
                by_number[number] = names[id(parameter)]
            groups.append({**group, "params": [by_number[number] for number in group["params"]]})
        for number, entry in plain["state"].items():
            state[by_number[number]] = {key: _copied(value, chosen) for key, value in entry.items()}
    return {"state": state, "param_groups": groups}


def set_optimizer_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    optim_state_dict: dict[str, Any],
    *,
    options: StateDictOptions | None = None,
) -> None:
    """Load a state that ``get_optimizer_state_dict`` gave; parameters are matched by their names.

    Raises ``RuntimeError`` where no group of the state has a parameter of the optimizer.
    """
    _options(options)
    names = _names(model)
    for optimizer in _listed(optimizers):
        plain = optimizer.state_dict()
        groups, state = [], {}
        for group, real in zip(plain["param_groups"], optimizer.param_groups, strict=True):
            own = [names[id(parameter)] for parameter in real["params"]]
            given = next(
                (each for each in optim_state_dict["param_groups"] if set(each["params"]) & set(own)), None
            )
            if own and given is None:
                raise RuntimeError(f"set_optimizer_state_dict: no group of the state has {own[0]!r}")
            groups.append({**group, **(given or {}), "params": group["params"]})
            for number, name in zip(group["params"], own, strict=True):
                if name in optim_state_dict["state"]:
                    state[number] = optim_state_dict["state"][name]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def get_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    *,
    submodules: set[Module] | None = None,
    options: StateDictOptions | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``get_model_state_dict`` and ``get_optimizer_state_dict``."""
    return (
        get_model_state_dict(model, submodules=submodules, options=options),
        get_optimizer_state_dict(model, optimizers, submodules=submodules, options=options),
    )


def set_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    *,
    model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any],
    options: StateDictOptions | None = None,
) -> IncompatibleKeys:
    """``set_model_state_dict`` and ``set_optimizer_state_dict``."""
    result = set_model_state_dict(model, model_state_dict, options=options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return result
