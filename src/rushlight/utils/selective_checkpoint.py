"""Selective checkpointing: which operations' results a checkpointed function keeps.

Gradients do not depend on that. Here every result is computed again, those too that a policy would keep: a program runs
unchanged and needs no more memory than it asked for, only more time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from ._python_dispatch import TorchDispatchMode


class CheckpointPolicy(Enum):
    """What a policy answers for an operation."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


class SelectiveCheckpointContext:
    """What a policy is told besides the operation: whether it is being computed again."""

    def __init__(self, *, is_recompute: bool) -> None:
        self.is_recompute = is_recompute


class _Asking(TorchDispatchMode):
    def __init__(self, policy: Callable[..., Any], is_recompute: bool) -> None:
        super().__init__()
        self.policy, self.context = policy, SelectiveCheckpointContext(is_recompute=is_recompute)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        self.policy(self.context, func, *args, **kwargs)
        return func(*args, **kwargs)


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[TorchDispatchMode, TorchDispatchMode]:
    """The contexts for forward and for computing again, for ``checkpoint(..., context_fn=...)``.

    Args:
        policy_fn_or_list: ``policy(context, operation, *args, **kwargs)``, which gives a ``CheckpointPolicy``, or a list of
            operations (``torch.ops.aten.mm.default``) to keep. It is asked for every operation, and all are computed again.
        allow_cache_entry_mutation: accepted, without effect: nothing is cached.

    Raises ``TypeError`` for other policies, ``ValueError`` for a list of something else.

    Example:
        >>> import rushlight as torch
        >>> from functools import partial
        >>> from rushlight.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
        >>> x = torch.ones(2, 2, requires_grad=True)
        >>> contexts = partial(create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
        >>> checkpoint(lambda t: (t @ t).sum(), x, use_reentrant=False, context_fn=contexts).backward()
        >>> x.grad
        tensor([[4., 4.],
                [4., 4.]])
    """
    if isinstance(policy_fn_or_list, list):
        from ..operators import OpOverload

        for each in policy_fn_or_list:
            if not isinstance(each, OpOverload):
                raise ValueError(
                    f"Expected op in `op_list` to be an OpOverload but got: {each} of type {type(each)}. "
                    "Did you pass an OpOverloadPacket? Name the form too, as in torch.ops.aten.sin.default."
                )
        kept = set(policy_fn_or_list)

        def policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
            return CheckpointPolicy.MUST_SAVE if operation in kept else CheckpointPolicy.PREFER_RECOMPUTE

    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    return _Asking(policy, False), _Asking(policy, True)
