"""The table that ``key_averages().table()`` gives: PyTorch's columns, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_UNITS: Final = {"us": 1.0, "ms": 1e3, "s": 1e6}


def time_text(microseconds: float, unit: str | None = None) -> str:
    """A time with the unit that suits it, or with ``unit``.

    Example:
        >>> time_text(3.25), time_text(3250.0), time_text(3250.0, "s")
        ('3.250us', '3.250ms', '0.003s')
    """
    if unit is None:
        unit = "s" if microseconds >= 1e6 else "ms" if microseconds >= 1e3 else "us"
    elif unit not in _UNITS:
        raise ValueError(f"table: time_unit is {unit!r}; give 'us', 'ms' or 's'")
    return f"{microseconds / _UNITS[unit]:.3f}{unit}"


def memory_text(size: int) -> str:
    """Bytes in the unit that suits them.

    Example:
        >>> memory_text(80), memory_text(2816), memory_text(-3 << 20)
        ('80 B', '2.75 KB', '-3.00 MB')
    """
    for power, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if abs(size) >= 1 << power:
            return f"{size / (1 << power):.2f} {unit}"
    return f"{size} B"


def _share(part: float, whole: float) -> str:
    if whole == 0:
        return "NaN" if part else "0.00%"
    return f"{part * 100 / whole:.2f}%"


_FLOP_UNITS: Final = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")


def _flop_scale(largest: int) -> tuple[str, float]:
    step = 0
    while largest >= 1000 ** (step + 1) and step < len(_FLOP_UNITS) - 1:
        step += 1
    return _FLOP_UNITS[step], 1000.0**step


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width or width < 0 else text[: max(width - 3, 0)] + "..."


def build_table(
    events: Sequence[Any],
    *,
    sort_by: str | None,
    row_limit: int,
    widths: tuple[int, int, int],
    header: str | None,
    memory: bool,
    flops: bool,
    top_level_events_only: bool,
    unit: str | None,
) -> str:
    """``EventList.table``; ``widths``: of names, places and shapes."""
    if not events:
        return ""
    total = sum([event.self_cpu_time_total for event in events])
    rows = list(events)
    if sort_by is not None:
        rows.sort(key=lambda event: getattr(event, sort_by), reverse=True)
    name_width, place_width, shape_width = widths
    with_shapes = any(event.input_shapes for event in events)
    with_places = any(event.stack for event in events)
    flop_unit, flop_scale = _flop_scale(max([event.flops for event in events])) if flops else ("", 1.0)
    if top_level_events_only:
        rows = [event for event in rows if event.cpu_parent is None]
    lines: list[list[str]] = []
    places: list[list[str]] = []
    for event in rows[: max(row_limit, 0) if row_limit >= 0 else None]:
        cells = [
            _shortened(event.key, name_width),
            _share(event.self_cpu_time_total, total),
            time_text(event.self_cpu_time_total, unit),
            "NaN" if event.is_async else _share(event.cpu_time_total, total),
            time_text(event.cpu_time_total, unit),
            time_text(event.cpu_time, unit),
        ]
        if memory:
            cells += [memory_text(event.cpu_memory_usage), memory_text(event.self_cpu_memory_usage)]
        cells.append(str(event.count))
        if with_shapes:
            cells.append(_shortened(str(event.input_shapes), shape_width))
        if flops:
            cells.append(f"{event.flops / flop_scale:.3f}" if event.flops else "--")
        lines.append(cells)
        places.append([_shortened(entry, place_width) for entry in event.stack])
    titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
    titles += ["CPU Mem", "Self CPU Mem"] if memory else []
    titles.append("# of Calls")
    titles += ["Input Shapes"] if with_shapes else []
    titles += [f"Total {flop_unit}"] if flops else []
    columns = [max(12, len(title)) for title in titles]
    columns[0] = min(
        name_width if name_width > 0 else 1 << 30, max([len(event.key) for event in rows], default=0)
    )
    columns[0] = max(columns[0], len("Name"), *[len(cells[0]) for cells in lines]) if lines else 12
    if with_shapes:
        at = titles.index("Input Shapes")
        columns[at] = max(12, *[len(cells[at]) for cells in lines]) if lines else 12
    columns = [width if number == 0 else max(width, 12) for number, width in enumerate(columns)]
    rule = "  ".join(["-" * width for width in columns]) + "  "
    if with_places:
        source_width = max([len("Source Location"), *[len(entry) for stack in places for entry in stack]])
        rule += "-" * source_width + "  "
    text: list[str] = []
    if header is not None:
        text += ["=" * len(rule), header]
    if top_level_events_only:
        text += ["=" * len(rule), "This report only display top-level ops statistics"]
    text += [rule, _line(titles, columns) + ("Source Location" if with_places else ""), rule]
    for cells, stack in zip(lines, places, strict=True):
        text.append(_line(cells, columns) + (stack[0] if stack else ""))
        blank = _line([""] * len(columns), columns)
        text += [blank + entry for entry in stack[1:]]
    text += [rule, f"Self CPU time total: {time_text(total, unit)}", ""]
    return "\n".join(text)


def _line(cells: Sequence[str], columns: Sequence[int]) -> str:
    return "".join([f"{cell:>{width}}  " for cell, width in zip(cells, columns, strict=True)])
