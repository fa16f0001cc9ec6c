"""The memory plan as a picture: which bytes of a program's arena hold what, kernel after kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from .explain_text import nbytes_text

if TYPE_CHECKING:
    from .explain import Block, ExplainedProgram

_HEIGHT: Final = 260.0
_LEFT: Final = 74.0
_TOP: Final = 12.0
_BOTTOM: Final = 34.0
_TINTS: Final = 5


def draw_memory(program: ExplainedProgram) -> str:
    """SVG: kernels from left to right (not to scale in time), bytes of the arena from top to bottom."""
    count = max(len(program.kernels), 1)
    step = max(7.0, min(64.0, 860.0 / count))
    total = max(program.arena_bytes, 1)
    width, height = _LEFT + step * count + 12, _TOP + _HEIGHT + _BOTTOM
    parts = []
    for part in range(5):
        y = _TOP + _HEIGHT * part / 4
        parts.append(f'<line class="mem-grid" x1="{_LEFT}" x2="{width - 12:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{nbytes_text(total * part // 4)}</text>'
        )
    every = max(1, round(28 / step))
    for number in range(1, count + 1, every):
        x = _LEFT + step * (number - 0.5)
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 14:.1f}" text-anchor="middle">{number}</text>')
    parts.append(
        f'<text x="{_LEFT}" y="{_TOP + _HEIGHT + 29:.1f}">kernel, in the order in which they run</text>'
    )
    for position, block in enumerate(program.memory):
        x, y = _LEFT + step * (block.first - 1), _TOP + _HEIGHT * block.offset / total
        wide, high = step * (block.last - block.first + 1), max(_HEIGHT * block.nbytes / total, 1.0)
        label = block_name(block)
        parts.append(
            f'<g class="mem-block mem-{position % _TINTS}"><title>{escape(describe_block(program, block))}</title>'
            f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{wide - 1:.1f}" height="{high:.1f}" rx="2"/>'
            + (
                f'<text x="{x + wide / 2:.1f}" y="{y + high / 2 + 4:.1f}" text-anchor="middle">{escape(label)}</text>'
                if wide > len(label) * 6.5 + 4 and high > 13
                else ""
            )
            + "</g>"
        )
    title = f"Memory plan: {len(program.memory)} blocks in {nbytes_text(program.arena_bytes)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="memory" role="img" aria-label={quoteattr(title)} '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        f"<title>{escape(title)}</title>" + "\n".join(parts) + "</svg>"
    )


def block_name(block: Block) -> str:
    """The values in a block, or that it is a kernel's own."""
    names = [f"%{node}" for node in block.nodes[:4]]
    return " ".join(names) + (" …" if len(block.nodes) > 4 else "") if names else "workspace"


def describe_block(program: ExplainedProgram, block: Block) -> str:
    """Where it lies, how long, and the types of what is in it."""
    from ..ir.printer import type_text

    values = [f"%{node} {type_text(program.after.nodes[node])}" for node in block.nodes]
    where = f"bytes {block.offset} to {block.offset + block.nbytes} ({nbytes_text(block.nbytes)})"
    when = f"kernel {block.first}" if block.first == block.last else f"kernels {block.first} to {block.last}"
    return "\n".join([where, when, *(values or ["a kernel's own workspace"])])
