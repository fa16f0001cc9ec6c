"""``FlopCounterMode``: how many multiplications and additions the products and convolutions in a ``with`` block take."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from ..nn.global_hooks import register_module_forward_hook, register_module_forward_pre_hook
from ..profiler.recording import BACKWARD_SCOPE, FUNCTION, OPEN, Recorded, Session, closed, opened

# What profiles call an operation, and the operator under which PyTorch counts it; products and convolutions alone count.
_COUNTED: Final = {
    "mm": "mm", "bmm": "bmm", "matmul": "mm", "linear": "addmm", "addmm": "addmm", "baddbmm": "baddbmm", "addmv": "addmm",
    "mv": "mm", "einsum": "bmm",
}  # fmt: skip
_IN_BACKWARD: Final = {"convolution": "convolution_backward", "addmm": "mm", "baddbmm": "bmm"}
_MODULE: Final = "flops: "


class FlopCounterMode:
    """Counts floating-point operations by module and operator.

    Args:
        mods: accepted, without effect: every module that runs is followed.
        depth: how deep the table's rows go; None for all.
        display: print the table at the end.
        custom_mapping: formulas for other operators; not there, so it raises ``NotImplementedError``.

    A multiplication and an addition count as two. Work in backward counts for the module whose forward asked for it. Of
    recurrent layers the products with the input are counted, those with the state are not; of ``einsum`` those of two operands.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.utils.flop_counter import FlopCounterMode
        >>> model = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU())
        >>> with FlopCounterMode(display=False) as counter:
        ...     _ = model(torch.ones(2, 10))
        >>> counter.get_total_flops()
        640
    """

    def __init__(
        self, mods: Any = None, depth: int | None = 2, display: bool = True, custom_mapping: Any = None
    ) -> None:
        if custom_mapping:
            raise NotImplementedError(
                "FlopCounterMode: custom_mapping is not there; count the operators' work yourself"
            )
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[Any, int]] = {}

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts = {}
        self._names: dict[int, str] = {}
        self._running: list[tuple[int, Recorded]] = []
        self._hooks = [
            register_module_forward_pre_hook(self._begin_module),
            register_module_forward_hook(self._end_module, always_call=True),
        ]
        self._session = Session(flops=True)
        self._session.begin()
        return self

    def _begin_module(self, module: Any, args: Any) -> None:
        name = self._names.setdefault(id(module), type(module).__name__)
        for part, child in module.named_children():
            self._names.setdefault(id(child), f"{name}.{part}")
        self._running.append((id(module), opened(_MODULE + name, FUNCTION)))

    def _end_module(self, module: Any, args: Any, output: Any) -> None:
        if self._running and self._running[-1][0] == id(module):
            closed(self._running.pop()[1])

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        while self._running:
            closed(self._running.pop()[1])
        OPEN.innermost = None if OPEN.innermost in self._session.events else OPEN.innermost
        self._session.finish()
        self._count()
        if self.display:
            print(self.get_table(self.depth))

    def _count(self) -> None:
        from ..operators import namespace

        operators = namespace("aten")
        counts: dict[str, Counter[Any]] = {"Global": Counter()}
        # By the number of the node that its result's history begins with: a product's work in backward, and where it counts.
        products: dict[int, tuple[str, int, set[str]]] = {}
        for event in self._session.events:
            if event.scope == BACKWARD_SCOPE:
                name, work, holders = products.get(event.sequence, ("", 0, set()))
                for holder in holders:
                    counts.setdefault(holder, Counter())[getattr(operators, name)] += work
                continue
            operation = event.name.removeprefix("aten::")
            known = "convolution" if operation.startswith("conv") else _COUNTED.get(operation)
            if not event.flops or known is None:
                continue
            holders, inner, parent = {"Global"}, False, event.parent
            while parent is not None:
                if parent.name.startswith(_MODULE):
                    holders.add(parent.name.removeprefix(_MODULE))
                # An operation that is made of others that count, and is counted itself; or it is part of backward.
                inner = inner or bool(parent.flops) or parent.scope == BACKWARD_SCOPE
                parent = parent.parent
            if inner:
                continue
            for holder in holders:
                counts.setdefault(holder, Counter())[getattr(operators, known)] += event.flops
            if event.differentiable and event.sequence >= 0:
                # Each factor's gradient is a product of as many multiplications.
                backward = _IN_BACKWARD.get(known, known)
                products[event.sequence] = (backward, event.differentiable * event.flops, holders)
        self.flop_counts = {name: dict(found) for name, found in counts.items()}

    def get_total_flops(self) -> int:
        """The count of everything."""
        return sum(self.flop_counts.get("Global", {}).values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """For "Global" and each module's name (``Net.layer.0``): the count of each operator."""
        return {name: dict(found) for name, found in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The counts as text, a row for each module and operator, modules at most ``depth`` deep."""
        depth = self.depth if depth is None else depth
        total = max(self.get_total_flops(), 1)
        lines = []
        for name, found in self.flop_counts.items():
            level = 0 if name == "Global" else name.count(".") + 1
            if depth is not None and level > depth:
                continue
            count = sum(found.values())
            lines.append(f"{' ' * level}{name:<40} {count:>16,} {100 * count / total:7.2f}%")
            lines += [f"{' ' * level} - {operator!s:<37} {n:>16,}" for operator, n in found.items()]
        return "\n".join(lines)
