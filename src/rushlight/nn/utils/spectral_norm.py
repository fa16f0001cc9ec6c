"""The older spectral normalisation, by a hook that computes the weight before each call."""

from __future__ import annotations

from typing import Any

from ...core.grad_mode import GRAD_MODE
from ...core.tensor import Tensor
from ...ops.creation import empty
from ..functional.distance import normalize
from ..module import Module
from ..parameter import Parameter, is_lazy


class SpectralNorm:
    """The hook: the weight divided by its largest singular value, estimated by power iterations."""

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """The weight with dimension ``dim`` as rows and all others as columns."""
        if self.dim != 0:
            weight = weight.movedim(self.dim, 0)
        return weight.reshape(weight.shape[0], -1)  # type: ignore[no-any-return]

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The normalised weight, after more power iterations if asked for."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            token = GRAD_MODE.set(False)
            try:
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(normalize(matrix.mv(v), dim=0, eps=self.eps))
            finally:
                GRAD_MODE.reset(token)
            # Copies: the next call changes the buffers before backward has used them.
            u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))  # type: ignore[no-any-return]

    def remove(self, module: Module) -> None:
        """Make the weight an ordinary parameter again."""
        token = GRAD_MODE.set(False)
        try:
            weight = self.compute_weight(module, do_power_iteration=False)
        finally:
            GRAD_MODE.reset(token)
        for name in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + name)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Put the hook on ``module``."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run the dummy forward "
                "before applying spectral normalization"
            )
        rows, columns = hook.reshape_weight_to_matrix(weight.detach()).shape
        u = normalize(empty(rows, dtype=weight.dtype, device=weight.device).normal_(0, 1), dim=0, eps=eps)
        v = normalize(empty(columns, dtype=weight.dtype, device=weight.device).normal_(0, 1), dim=0, eps=eps)
        del module._parameters[name]
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(hook.note_version)
        module._register_load_state_dict_pre_hook(hook.complete_old_state)
        return hook

    def note_version(self, module: Module, state_dict: Any, prefix: str, local_metadata: Any) -> None:
        """Leave PyTorch's mark of the layout in the metadata."""
        local_metadata.setdefault("spectral_norm", {})[self.name + ".version"] = 1

    def complete_old_state(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """States of PyTorch before 1.0 have the weight itself in place of the vector ``v``: the least-squares one is found."""
        if local_metadata.get("spectral_norm", {}).get(self.name + ".version"):
            return
        key = prefix + self.name
        if key not in state_dict and all([key + ending in state_dict for ending in ("_orig", "_u", "_v")]):
            return  # made by hand, without metadata
        missing = [key + ending for ending in ("_orig", "", "_u") if key + ending not in state_dict]
        if missing:
            if strict:
                missing_keys.extend(missing)
            return
        token = GRAD_MODE.set(False)
        try:
            original, weight, u = state_dict[key + "_orig"], state_dict.pop(key), state_dict[key + "_u"]
            matrix = self.reshape_weight_to_matrix(original)
            v = matrix.t().mm(matrix).pinverse().mv(matrix.t().mv(u))
            v.mul_((original / weight).mean() / u.dot(matrix.mv(v)))
            state_dict[key + "_v"] = v
        finally:
            GRAD_MODE.reset(token)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value before each call; prefer ``parametrizations.spectral_norm``.

    Keeps ``name_orig``, and the vectors of the power iteration ``name_u`` and ``name_v``.
    Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    Example:
        >>> import rushlight as torch
        >>> list(torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40)).state_dict())
        ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo ``spectral_norm``; ``ValueError`` where there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
        for key, state_hook in hooks.items():
            if getattr(state_hook, "__self__", None) is hook:
                del hooks[key]
                break
    return module
