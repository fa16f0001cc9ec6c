"""What all optimizers share: parameter groups, state, hooks, and the loop around one parameter's update.

An optimizer of this package defines two things: ``init_state(param, group)``, what it remembers about a parameter, and
``update(param, grad, state, group)``, how one parameter changes. Everything else is here. A program's own optimizer may
do that too, or override ``step`` as in PyTorch.
"""

from __future__ import annotations

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import wraps
from typing import Any

from ..core.grad_mode import GRAD_MODE
from ..core.history import RemovableHandle
from ..core.sparse_arrays import SparseArray
from ..core.tensor import Tensor
from ..missing import lazily as _lazily
from ..nn.parameter import is_lazy
from ..ops.complex_numbers import view_as_complex, view_as_real
from ..ops.movement import cast
from ..runtime.large_update import LARGE_PARAMETER, update_large

Group = dict[str, Any]
State = dict[str, Any]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


_RequiredParameter = _Required
required = _Required()
_NOTHING = object()


class Optimizer:
    """Base of all optimizers.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dictionaries of group options with a ``"params"`` entry.
        defaults: the options of a group that does not give its own.

    Raises ``TypeError`` for a single tensor, ``ValueError`` for an empty list, for tensors that are not leaves, and for
    a tensor in two groups.

    Example:
        >>> import rushlight as torch
        >>> w = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w
        tensor([0., 0.], requires_grad=True)
    """

    _has_complex = False
    takes_sparse = False  # whether a gradient may be a sparse tensor
    sparse_name = ""  # what the refusal of one calls this class, where it names another one to use

    # Empty ones, for a subclass that wraps another optimizer and makes none of its own.
    _optimizer_step_pre_hooks: OrderedDict[int, Any] = OrderedDict()  # noqa: RUF012
    _optimizer_step_post_hooks: OrderedDict[int, Any] = OrderedDict()  # noqa: RUF012

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        if defaults.get("fused"):
            if defaults.get("differentiable"):
                raise RuntimeError("`fused` does not support `differentiable`")
            if defaults.get("foreach"):
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        self._make_hook_tables()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{params.type()}"
            )
        self.state: defaultdict[Any, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group) if isinstance(group, dict) else group)

    def _make_hook_tables(self) -> None:
        self._optimizer_step_pre_hooks = OrderedDict()
        self._optimizer_step_post_hooks = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if step is not None and not getattr(step, "_runs_hooks", False):
            cls.step = _with_hooks(step)  # type: ignore[method-assign]

    # --- the loop -----------------------------------------------------------------------------------------------------

    def init_state(self, param: Tensor, group: Group) -> State:
        """What the optimizer remembers about ``param`` before its first update."""
        return {}

    def update(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        """Change ``param`` in place by one step; runs without recording history."""
        raise NotImplementedError(f"{type(self).__name__}: define update(), or override step()")

    def update_differentiable(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        """As ``update``, with a history of what is done; a subclass whose options may need gradients defines it."""
        self.update(param, grad, state, _with_numbers(group))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; ``closure`` recomputes the loss, which is returned."""
        loss = None
        if closure is not None:
            token = GRAD_MODE.set(True)
            try:
                loss = closure()
            finally:
                GRAD_MODE.reset(token)
        differentiable = bool(self.defaults.get("differentiable"))
        token = GRAD_MODE.set(differentiable)
        try:
            update, all_state = self._update_complex if self._has_complex else self.update, self.state
            if differentiable and not self._has_complex:
                update = self.update_differentiable
            for group in self.param_groups:
                maximize = group.get("maximize", False)
                exact = differentiable or isinstance(group.get("lr"), float)
                options = group if exact else _with_numbers(group)
                for param in group["params"]:
                    grad = param._grad
                    if grad is None:
                        continue
                    is_sparse = isinstance(grad._array, SparseArray)
                    if is_sparse and not self.takes_sparse:
                        raise RuntimeError(
                            f"{self.sparse_name or type(self).__name__} does not support sparse gradients"
                            + (", please consider SparseAdam instead" if self.sparse_name else "")
                        )
                    state = all_state.get(param)
                    if state is None or not state:
                        state = self.init_state(param, group)
                        if state:
                            all_state[param] = state
                    if is_sparse or param._array.size < LARGE_PARAMETER or differentiable:
                        update(param, -grad if maximize else grad, state, options)
                    else:
                        update_large(update, param, -grad if maximize else grad, state, options)
        finally:
            GRAD_MODE.reset(token)
        return loss

    def _update_complex(self, param: Tensor, grad: Tensor, state: State, group: Group) -> None:
        """One step of a parameter that may be complex: as that of the real and imaginary parts beside each other."""
        group = _with_numbers(group)
        if param._array.dtype.kind != "c":
            self.update(param, grad, state, group)
            return
        parts = {
            key: view_as_real(value) if isinstance(value, Tensor) and value.is_complex() else value
            for key, value in state.items()
        }
        before = dict(parts)
        self.update(view_as_real(param), view_as_real(grad), parts, group)
        for key, value in parts.items():
            if value is not before.get(key, _NOTHING):
                isolated = isinstance(value, Tensor) and value.shape == (*param.shape, 2)
                state[key] = view_as_complex(value) if isolated else value
        if parts and param not in self.state:
            self.state[param] = state

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or zero them in place."""
        for group in self.param_groups:
            for param in group["params"]:
                grad = param._grad
                if grad is None:
                    continue
                if set_to_none:
                    param._grad = None
                else:
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    # --- groups -------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own, for example layers that were unfrozen."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set | frozenset):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        else:
            params = list(params)
        names: list[str] = []
        tensors: list[Tensor] = []
        for entry in params:
            if isinstance(entry, tuple):
                names.append(entry[0])
                tensors.append(entry[1])
            else:
                tensors.append(entry)
        if names and len(names) != len(tensors):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(tensor).__name__}"
                )
            if not self.defaults.get("differentiable", None) and not (tensor.is_leaf or tensor.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        param_group["params"] = tensors
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        if len({id(t) for t in tensors}) != len(tensors):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in group) != ("param_names" in param_group):
                raise ValueError("all optimizer param groups should be with/without names")
        present = {id(t) for group in self.param_groups for t in group["params"]}
        if any(id(t) in present for t in tensors):
            raise ValueError("some parameters appear in more than one parameter group")
        self._has_complex = self._has_complex or any(
            t._array.dtype.kind == "c" for t in tensors if not is_lazy(t)
        )
        self.param_groups.append(param_group)

    # --- state --------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Groups and state with parameters replaced by their numbers; tensors are shared, not copied."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for param in group["params"]:
                number.setdefault(id(param), len(number))
            packed["params"] = [number[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            number[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over groups and state from ``state_dict``; state tensors are copied and cast to the parameters' dtype.

        Raises ``ValueError`` if the groups differ in number or size.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for own, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(own["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
        params = {
            number: param
            for own, saved in zip(self.param_groups, saved_groups, strict=True)
            for number, param in zip(saved["params"], own["params"], strict=True)
        }
        state: defaultdict[Any, State] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = params.get(key)
            if param is None:
                state[key] = value
            else:
                state[param] = _take_over(param, value)
        groups = []
        for own, saved in zip(self.param_groups, saved_groups, strict=True):
            saved["params"] = own["params"]
            if "param_names" in own and "param_names" not in saved:
                saved["param_names"] = own["param_names"]
            groups.append(saved)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._has_complex = any(
            p._array.dtype.kind == "c"
            for group in self.param_groups
            for p in group["params"]
            if not is_lazy(p)
        )
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hook_tables()
        for group in self.param_groups:
            for name, default in self.__dict__.get("defaults", {}).items():
                group.setdefault(name, default)
            for param in group["params"]:
                own = self.state.get(param) if param in self.state else None
                if own and isinstance(own.get("step"), int | float):
                    # Saved by a version of PyTorch that had numbers where there are tensors now.
                    fresh = self.init_state(param, group)
                    for name, value in own.items():
                        if isinstance(value, int | float) and isinstance(fresh.get(name), Tensor):
                            own[name] = fresh[name].fill_(value)

    # --- hooks and printing -------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before every step; a returned pair replaces the arguments.

        The optimizer itself is the first of ``args``.
        """
        return RemovableHandle(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after every step."""
        return RemovableHandle(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict``."""
        return _registered(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``; what it returns replaces the result."""
        return _registered(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; what it returns is loaded instead."""
        return _registered(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return _registered(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    @staticmethod
    def _group_tensors_by_device_and_dtype(tensorlistlist: Any, with_indices: bool = False) -> dict[Any, Any]:
        from .own_optimizers import _group_tensors_by_device_and_dtype

        return _group_tensors_by_device_and_dtype(tensorlistlist, with_indices)

    @staticmethod
    def profile_hook_step(func: Any) -> Any:
        """A ``step`` that calls the hooks of steps."""
        return func if getattr(func, "_runs_hooks", False) else _with_hooks(func)

    def _cuda_graph_capture_health_check(self) -> None:
        """Nothing to check: nothing is captured while Python runs."""

    _accelerator_graph_capture_health_check = _cuda_graph_capture_health_check

    def _patch_step_function(self) -> None:
        """Nothing to do: classes get their hooks when they are made."""

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines += ["", f"Parameter Group {i}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return f"{type(self).__name__} (" + "\n".join(lines) + "\n)"


# Hooks of all optimizers.
_for_all_pre: OrderedDict[int, Any] = OrderedDict()
_for_all_post: OrderedDict[int, Any] = OrderedDict()
_global_optimizer_pre_hooks, _global_optimizer_post_hooks = _for_all_pre, _for_all_post


def register_optimizer_step_pre_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer; a returned pair replaces the arguments."""
    return RemovableHandle(_for_all_pre, hook)


def register_optimizer_step_post_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return RemovableHandle(_for_all_post, hook)


def _with_hooks(step: Any) -> Any:
    @wraps(step)
    def stepped(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if (
            not self._optimizer_step_pre_hooks
            and not self._optimizer_step_post_hooks
            and not _for_all_pre
            and not _for_all_post
        ):
            return step(self, *args, **kwargs)
        for hook in (*_for_all_pre.values(), *self._optimizer_step_pre_hooks.values()):
            changed = hook(self, (self, *args), kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"step pre-hook must return None or a tuple of (new_args, new_kwargs), got {changed}"
                    )
                args, kwargs = changed[0][1:], changed[1]
        result = step(self, *args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_for_all_post.values()):
            hook(self, (self, *args), kwargs)
        return result

    stepped._runs_hooks = True  # type: ignore[attr-defined]
    return stepped


def _with_numbers(group: Group) -> Group:
    """``group`` with the options that a program gave as tensors, to change them in place, as numbers."""
    numbers: Group = {}
    if isinstance(group.get("lr"), Tensor):
        numbers["lr"] = group["lr"].item()
    if isinstance(group.get("betas", (0,))[0], Tensor):
        numbers["betas"] = tuple(beta.item() for beta in group["betas"])
    return {**group, **numbers} if numbers else group


Optimizer.step = _with_hooks(Optimizer.step)  # type: ignore[method-assign]


def _registered(table: OrderedDict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    handle = RemovableHandle(table, hook)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _take_over(param: Tensor, value: Any, key: str | None = None) -> Any:
    """``value`` from a loaded state, its tensors copied in the dtype of the parameter that they belong to."""
    if isinstance(value, Tensor):
        value = value.detach()
        if key != "step" and param.dtype.is_floating_point and value.dtype.is_floating_point:
            return cast(value, param._array.dtype).clone()
        return value.clone()
    if isinstance(value, dict):
        return {k: _take_over(param, v, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return type(value)(_take_over(param, v) for v in value)  # type: ignore[call-arg]
    return value


def shifted(root: Tensor, eps: float, group: Group) -> Tensor:
    """``root + eps``, in place unless the history of the step, which holds ``root``, is kept."""
    return root.add(eps) if group["differentiable"] else root.add_(eps)  # type: ignore[no-any-return]


def check_at_least(name: str, value: Any, low: float) -> None:
    """``ValueError`` unless ``value`` is at least ``low``."""
    if isinstance(value, Tensor) and value._array.size != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not low <= value:
        raise ValueError(f"Invalid {name}: {value}")


def check_beta(index: int, value: Any) -> None:
    """``ValueError`` unless ``value`` lies in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"Invalid beta parameter at index {index}: {value}")


# Names that programs' own optimizers import.
__getattr__ = _lazily(
    __name__,
    {
        name: f"rushlight.optim.own_optimizers:{name}"
        for name in (
            "ParamsT", "_capturable_doc", "_default_to_fused_or_foreach", "_device_dtype_check_for_fused",
            "_differentiable_doc", "_disable_dynamo_if_unsupported", "_dispatch_sqrt", "_foreach_doc",
            "_foreach_supported_types", "_fused_doc",
            "_get_capturable_supported_devices", "_get_foreach_kernels_supported_devices",
            "_get_fused_kernels_supported_devices", "_get_scalar_dtype", "_get_value", "_group_tensors_by_device_and_dtype",
            "_maximize_doc", "_params_doc", "_params_t", "_stack_if_compiling", "_to_scalar", "_use_grad_for_differentiable",
            "_view_as_real",
        )
    },
)  # fmt: skip
