"""Module: the base class of every layer and model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Self

from ..core.device import CPU, require_available
from ..core.dtypes import dtype
from ..core.grad_mode import GRAD_MODE
from ..core.history import RemovableHandle
from ..core.tensor import Tensor
from ..ops.conversion import cuda, dtype_from, parse_to
from ..ops.creation import empty_like
from ..ops.movement import cast
from ..ops.placement import moved
from . import global_hooks
from .conversion_settings import SETTINGS, exchange_parameter, fits_in_place, swap_tensors
from .global_hooks import (
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    registered,
)
from .module_state import IncompatibleKeys, ModuleState, type_name_of
from .parameter import Buffer, Parameter, is_lazy

__all__ = [
    "IncompatibleKeys",
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# The tables themselves: looked at in every call.
_global_forward_pre_hooks = global_hooks.FORWARD_PRE
_global_forward_hooks = global_hooks.FORWARD
_global_backward_hooks = global_hooks.BACKWARD
_global_backward_pre_hooks = global_hooks.BACKWARD_PRE

# What libraries call by PyTorch's private names.
_IncompatibleKeys = IncompatibleKeys
_EXTRA_STATE_KEY_SUFFIX = "_extra_state"

_RESERVED = "_parameters", "_buffers", "_modules"

# What programs ask of a module that they gave to torch.jit, which gives the module itself back.
_SCRIPTED = frozenset(("code", "graph", "inlined_graph", "save", "save_to_buffer"))
_OF_SCRIPTS = ": torch.jit.script and torch.jit.trace give back the module as it is; use torch.save(module.state_dict(), file)"


def _moved(tensor: Tensor, where: Any) -> Tensor:
    try:
        return moved(tensor, where)
    except NotImplementedError as error:  # from the meta device
        raise NotImplementedError(
            f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module from meta to a "
            "different device."
        ) from None


class Module(ModuleState):
    """Base class of layers and models. Assign parameters and other modules to attributes and define ``forward``.

    Example:
        >>> import rushlight as torch
        >>> class Double(torch.nn.Module):
        ...     def forward(self, x):
        ...         return 2 * x
        >>> Double()(torch.ones(2))
        tensor([2., 2.])
    """

    # Whether ``__init__`` passes its arguments on to the next class of a subclass with several bases.
    call_super_init = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if (args or kwargs) and not self.call_super_init:
            given = f"{len(args)} positional" if args else f"unexpected keyword '{next(iter(kwargs))}'"
            raise TypeError(
                f"{type(self).__name__}.__init__(): takes no arguments for Module itself, but {given} given"
            )
        # Straight into __dict__: __setattr__ below sorts values by looking at these very tables.
        state = self.__dict__
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_non_persistent_buffers_set"] = set()
        state["_modules"] = {}
        state["_forward_pre_hooks"] = OrderedDict()
        state["_forward_pre_hooks_with_kwargs"] = {}
        state["_forward_hooks"] = OrderedDict()
        state["_forward_hooks_with_kwargs"] = {}
        state["_forward_hooks_always_called"] = {}
        state["_is_full_backward_hook"] = None
        state["_backward_hooks"] = OrderedDict()
        state["_backward_pre_hooks"] = OrderedDict()
        state["_state_dict_hooks"] = OrderedDict()
        state["_state_dict_pre_hooks"] = OrderedDict()
        state["_load_state_dict_pre_hooks"] = OrderedDict()
        state["_load_state_dict_post_hooks"] = OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # --- calling ------------------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _global_forward_hooks
            or _global_forward_pre_hooks
            or _global_backward_hooks
            or _global_backward_pre_hooks
        ):
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def compile(self, **options: Any) -> None:
        """Compile this module's ``forward`` in place: ``torch.compile``'s arguments, without a wrapper around the module.

        The names in ``state_dict`` stay as they are. Hooks run as Python around the compiled part.

        Example:
            >>> import rushlight as torch
            >>> model = torch.nn.Linear(2, 1)
            >>> model.compile()
            >>> model(torch.ones(3, 2)).shape
            torch.Size([3, 1])
        """
        from .compiled import CompiledForward

        object.__setattr__(self, "forward", CompiledForward(self, options))

    def _optimized(self, make: Any) -> Module:
        # What ``compile`` asks of a model: nn does not know the compiler.
        from .compiled import OptimizedModule

        return OptimizedModule(self, make)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        result: Any = None
        try:
            for key, hook in (*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
                if key in self._forward_pre_hooks_with_kwargs:
                    changed = hook(self, args, kwargs)
                    if changed is not None:
                        if not (isinstance(changed, tuple) and len(changed) == 2):
                            raise RuntimeError(
                                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                                f"{changed}."
                            )
                        args, kwargs = changed
                else:
                    changed = hook(self, args)
                    if changed is not None:
                        args = changed if isinstance(changed, tuple) else (changed,)
            watcher = None
            backward: list[Any] = []
            older: list[Any] = []
            if _global_backward_hooks or self._backward_hooks:
                for full, hooks in (
                    (global_hooks.KIND["full"], _global_backward_hooks),
                    (self._is_full_backward_hook, self._backward_hooks),
                ):
                    (backward if full else older).extend(hooks.values())
            backward_pre = [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]
            if backward or backward_pre:
                from .backward_hooks import BackwardWatcher

                watcher = BackwardWatcher(self, backward_pre, backward)
                args = watcher.watch_inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
                called.add(key)
                changed = self._run_forward_hook(key, hook, args, kwargs, result)
                if changed is not None:
                    result = changed
            if watcher is not None:
                result = watcher.watch_outputs(result)
            if older:
                from .backward_hooks import watch_node

                watch_node(self, older, args, result)
        except Exception:
            for key, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
                always = key in self._forward_hooks_always_called or key in global_hooks.FORWARD_ALWAYS_CALLED
                if always and key not in called:
                    try:
                        changed = self._run_forward_hook(key, hook, args, kwargs, result)
                    except Exception as error:  # the first error is the one to report
                        import warnings

                        warnings.warn(
                            "module forward hook with ``always_call=True`` raised an exception that was silenced as another "
                            f"error was raised in forward: {error}",
                            stacklevel=3,
                        )
                        continue
                    if changed is not None:
                        result = changed
            raise
        return result

    def _run_forward_hook(self, key: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
        if key in self._forward_hooks_with_kwargs or key in global_hooks.FORWARD_WITH_KWARGS:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    # --- attributes ---------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        for table in _RESERVED:
            entries = state.get(table)
            if entries is not None and name in entries:
                return entries[name]
        if "_modules" not in state:
            raise AttributeError(
                f"{type(self).__name__}: '{name}' was read before Module.__init__() ran; call super().__init__() first"
            )
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}'"
            + (_OF_SCRIPTS if name in _SCRIPTED else "")
        )

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        parameters = state.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, keep="_parameters")
            self.register_parameter(name, value)
            return
        if parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type_name_of(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
            return
        modules = state.get("_modules")
        if isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, keep="_modules")
            modules[name] = registered("module", self, name, value)
            return
        if modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type_name_of(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            modules[name] = registered("module", self, name, None)
            return
        buffers = state.get("_buffers")
        if isinstance(value, Buffer):
            if buffers is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            if name in state and name not in state["_buffers"]:
                raise KeyError(f"attribute '{name}' already exists")
            self._forget(name, keep="_buffers")
            if type(self).register_buffer is Module.register_buffer:
                self.register_buffer(name, value, getattr(value, "persistent", True))
            else:  # whose signature may lack ``persistent``
                self.register_buffer(name, value)
            return
        if buffers is not None and name in buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{type_name_of(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or "
                    "None expected)"
                )
            buffers[name] = registered("buffer", self, name, value)
            return
        object.__setattr__(self, name, value)

    def _forget(self, name: str, keep: str) -> None:
        state = self.__dict__
        state.pop(name, None)
        for table in _RESERVED:
            if table != keep:
                state.get(table, {}).pop(name, None)
        if keep != "_buffers":
            state.get("_non_persistent_buffers_set", set()).discard(name)

    def __delattr__(self, name: str) -> None:
        for table in _RESERVED:
            if name in self.__dict__[table]:
                del self.__dict__[table][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[:1].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        Module.__init__(self)
        self.__dict__.update(state)

    def _check_name(self, kind: str, name: str, table: str) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type_name_of(name)}")
        if "." in name:
            given = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{given}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter (None: a place without one) under ``name``."""
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type_name_of(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly."
            )
        self._parameters[name] = registered("parameter", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but not learned; ``persistent=False`` keeps it out of ``state_dict``."""
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type_name_of(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under ``name``."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type_name_of(module)} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = registered("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Alias of ``add_module``."""
        self.add_module(name, module)

    # --- walking the tree ---------------------------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; ``AttributeError`` where there is none."""
        module: Module = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at a dotted path."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        found = self._get_at(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{target.rpartition('.')[2]}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        found = self._get_at(target)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]

    def _get_at(self, target: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        return getattr(owner, name)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names, each module once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their dotted names."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[Any] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in module.__dict__[table].items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, shared ones once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, shared ones once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # --- changing the whole tree --------------------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below and then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training (or evaluation) mode here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below."""
        return self.train(False)

    def _replicate_for_data_parallel(self) -> Any:
        """A copy that shares everything but the tables of its members and has no parameters: those are set one by one."""
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica.__dict__.update(
            _parameters={}, _buffers=self._buffers.copy(), _modules=self._modules.copy(), _is_replica=True
        )
        return replica

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters require gradients."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the parameters' gradients, or zero them in place."""
        for parameter in self.parameters():
            gradient = parameter._grad
            if gradient is None:
                continue
            if set_to_none:
                parameter._grad = None
            else:
                if gradient.grad_fn is not None:
                    gradient.detach_()
                else:
                    gradient.requires_grad_(False)
                gradient.zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if recurse:
            for module in self.children():
                module._apply(fn)
        token = GRAD_MODE.set(False)
        try:
            for key, parameter in self._parameters.items():
                if parameter is None:
                    continue
                if is_lazy(parameter):
                    parameter.data = fn(parameter.data)
                else:
                    self._parameters[key] = self._converted(key, parameter, fn)
            for name, buffer in self._buffers.items():
                if is_lazy(buffer):
                    buffer.data = fn(buffer.data)
                elif buffer is not None:
                    self._buffers[name] = fn(buffer)
        finally:
            GRAD_MODE.reset(token)
        return self

    def _converted(self, key: str, parameter: Any, fn: Callable[[Any], Any]) -> Any:
        """``parameter`` with ``fn`` of its values and of its gradient: itself, unless it can't take them."""
        gradient = parameter._grad
        converted = fn(parameter)
        swap = SETTINGS["swap"]
        if swap:
            parameter._grad = None
            try:
                exchange_parameter(parameter, Parameter(converted, requires_grad=parameter.requires_grad))
            except Exception as error:
                parameter._grad = gradient
                raise RuntimeError(f"_apply(): Couldn't swap {self._get_name()}.{key}") from error
        elif fits_in_place(parameter, converted):
            parameter.data = converted
        else:
            parameter = Parameter(converted, requires_grad=parameter.requires_grad)
        if gradient is not None:
            of_gradient = fn(gradient)
            if swap:
                swap_tensors(gradient, of_gradient.requires_grad_(gradient.requires_grad))
            elif fits_in_place(gradient, of_gradient):
                gradient.data = of_gradient
            else:
                gradient = of_gradient.requires_grad_(gradient.requires_grad)
            parameter._grad = gradient
        return parameter

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move and/or cast floating-point parameters and buffers: ``to(dtype)``, ``to(device)``, ``to(tensor)``."""
        order = kwargs.get("memory_format")
        if "copy" in kwargs:
            raise RuntimeError(".to() does not accept copy argument")
        target, _, where = parse_to(args, dict(kwargs))
        if order is not None:
            # Only what has the rank for it: convolutions' weights, not biases.
            self._apply(lambda t: t.to(memory_format=order) if t.ndim in (4, 5) else t)
        if target is None:
            return self if where is None else self._apply(lambda t: _moved(t, where))
        if not (target.is_floating_point or target.is_complex):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={target}"
            )
        if where is not None:
            self._apply(lambda t: _moved(t, where))
        return self._cast_floating(target)

    def _cast_floating(self, target: dtype) -> Self:
        return self._apply(
            lambda t: cast(t, target.numpy) if t.dtype.is_floating_point or t.dtype.is_complex else t
        )

    def type(self, dst_type: Any) -> Self:
        """Cast all parameters and buffers to a dtype."""
        target = dtype_from(dst_type)
        return self._apply(lambda t: cast(t, target.numpy))

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._cast_floating(dtype_from("torch.FloatTensor"))

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._cast_floating(dtype_from("torch.DoubleTensor"))

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._cast_floating(dtype_from("torch.HalfTensor"))

    def bfloat16(self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._cast_floating(dtype_from("torch.BFloat16Tensor"))

    def cpu(self) -> Self:
        """Move to the CPU."""
        return self._apply(lambda t: moved(t, CPU))

    def cuda(self, device: Any = None) -> Self:
        """Move to a GPU, the current one unless given; raises where there is none."""
        return self._apply(lambda t: cuda(t, device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Give every parameter and buffer new, uninitialised memory."""
        where = require_available(device)
        return self._apply(lambda t: empty_like(t, device=where), recurse)

    def share_memory(self) -> Self:
        """Move the memory of all parameters and buffers to where other processes see it too (``Tensor.share_memory_``)."""
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.share_memory_()
        return self

    # --- hooks --------------------------------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments."""
        handle = RemovableHandle(self._forward_pre_hooks, hook, (self._forward_pre_hooks_with_kwargs,))
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        if prepend:
            self._forward_pre_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output."""
        handle = RemovableHandle(
            self._forward_hooks, hook, (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        )
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        if prepend:
            self._forward_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_full_backward_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known.

        What it returns replaces ``grad_input``. Raises ``RuntimeError`` where ``register_backward_hook`` was used before.
        """
        self._choose_backward_hooks(full=True)
        handle = RemovableHandle(self._backward_hooks, hook)
        if prepend:
            self._backward_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_backward_hook(self, hook: Any) -> RemovableHandle:
        """The older form: ``hook(module, grad_input, grad_output)`` sees the gradients of the operation that made the result,
        whose inputs need not be the module's. Raises ``RuntimeError`` where ``register_full_backward_hook`` was used before.
        """
        self._choose_backward_hooks(full=False)
        return RemovableHandle(self._backward_hooks, hook)

    def _choose_backward_hooks(self, *, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of "
                "them."
            )
        self.__dict__["_is_full_backward_hook"] = full

    def register_full_backward_pre_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; what it returns replaces ``grad_output``."""
        handle = RemovableHandle(self._backward_pre_hooks, hook)
        if prepend:
            self._backward_pre_hooks.move_to_end(handle.id, last=False)
        return handle

    # --- printing -----------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands in the parentheses when the module is printed."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()
        ]
        name = self._get_name()
        if not lines and not children:
            return f"{name}()"
        if len(lines) == 1 and not children:
            return f"{name}({lines[0]})"
        inner = "\n  ".join(lines + children)
        return f"{name}(\n  {inner}\n)"
