"""Plans of a few kernels that eager operations run, without a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..compiler.launch import KernelCall, Launch, Place, Role, Space
from .plan import Plan

_PAGE: Final = 4096


def plan_of_calls(
    calls: Sequence[KernelCall],
    operands: Sequence[Place],
    inputs: Sequence[tuple[tuple[int, ...], Any]],
    results: Sequence[tuple[tuple[int, ...], Any]],
    label: str = "",
    flops: int = 0,
    moved: int = 0,
) -> Plan:
    """The plan that does ``calls`` one after the other. ``operands``: where each lies in the inputs. ``label``, ``flops`` and
    ``moved`` (bytes of the operands): what a profile shows, where the calls do not say it."""
    starts, size = [], 0
    for workspace in calls[0].workspaces:
        starts.append(size)
        size += -(-workspace // _PAGE) * _PAGE

    def place(role: Role, number: int, offset: int) -> Place:
        if role is Role.OPERAND:
            known = operands[number]
            return known._replace(offset=known.offset + offset)
        if role is Role.RESULT:
            return Place(Space.OUTPUT, number, offset)
        return Place(Space.ARENA, 0, starts[number] + offset)

    lines = [
        Launch(
            call.text,
            call.name,
            call.ints,
            tuple([place(*pointer) for pointer in call.pointers]),
            call.units,
            call.grain,
            call.scratch,
            label=label or call.label,
            flops=call.flops,
            bytes=moved,
        )
        for call in calls
    ]
    if flops:
        lines[-1] = lines[-1]._replace(flops=flops)
    return Plan(lines, size, inputs, results)
