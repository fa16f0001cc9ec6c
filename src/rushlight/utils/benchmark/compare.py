"""``Compare``: measurements side by side, rows by sub-label and columns by description."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

from .measurement import Measurement, ordered_unique, select_unit, trim_sigfig, unit_to_english

_GREEN: Final = "\033[92m"
_BLUE: Final = "\033[34m"
_PALE_RED: Final = "\033[2m\033[91m"
_RED: Final = "\033[31m"
_BOLD: Final = "\033[1m"
_PLAIN: Final = "\033[0m\033[0m"
_WARNING_WIDTH: Final = 7

_Row = tuple[int, str, str]  # threads, environment, name


class Colorize(Enum):
    """What a time's color compares it with: nothing, the others of its column, or those of its row."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class Compare:
    """Prints measurements as a table: one for each label, a row for each sub-label (and environment, and number of threads),
    a column for each description. Measurements of one task are merged.

    Example:
        >>> from rushlight.utils.benchmark import Compare, Measurement, TaskSpec
        >>> def measured(seconds, row, column):
        ...     return Measurement(1, [seconds], TaskSpec("", "", label="Sum", sub_label=row, description=column))
        >>> text = str(Compare([measured(1e-6, "small", "ours"), measured(2e-6, "small", "theirs")]))
        >>> [line.strip() for line in text.splitlines()[2:4]]
        ['1 threads: --------------------', 'small  |  1.0   |   2.0']
    """

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim = False
        self._colors = Colorize.NONE
        self._warnings = False

    def __str__(self) -> str:
        return "\n".join(self._render())

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements; ``ValueError`` for what is none."""
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(result)} instead.")
            self._results.append(result)

    def trim_significant_figures(self) -> None:
        """Show no more figures than mean something."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Color the best times of each column (of each row, with ``rowwise``) green and those far behind red."""
        self._colors = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Say beside a time how much it varied, where that was much."""
        self._warnings = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))

    def _render(self) -> list[str]:
        groups: dict[str | None, list[Measurement]] = {}
        for result in Measurement.merge(self._results):
            groups.setdefault(result.task_spec.label, []).append(result)
        return [self._table(group) for group in groups.values()]

    def _table(self, results: Sequence[Measurement]) -> str:
        unit, scale = select_unit(min([result.median for result in results]))
        several = len({result.env for result in results}) > 1
        rows: list[_Row] = ordered_unique([_row_of(result) for result in results])
        rows.sort(key=lambda row: row[:2])
        columns = ordered_unique([result.task_spec.description for result in results])
        cells = {(_row_of(result), result.task_spec.description): result for result in results}
        texts: list[list[str]] = [["", *[column or "" for column in columns]]]
        formats = [
            self._format([cells[row, column] for row in rows if (row, column) in cells], scale)
            for column in columns
        ]
        names = [f"({row[1]})" if several else "  " for row in rows]
        env_width = max([len(name) for name in names])
        for number, row in enumerate(rows):
            repeated = number > 0 and rows[number - 1][:2] == row[:2]
            line = [f"  {('' if repeated else names[number]).ljust(env_width)}  {row[2]}"]
            for column, template in zip(columns, formats, strict=True):
                result = cells.get((row, column))
                line.append("" if result is None else self._cell(result, template, scale))
            texts.append(line)
        widths = [max([len(line[at]) for line in texts]) for at in range(len(columns) + 1)]
        header, *body = [
            [
                text.ljust(width) if at == 0 else text.center(width)
                for at, (text, width) in enumerate(zip(line, widths, strict=True))
            ]
            for line in texts
        ]
        if self._colors is not Colorize.NONE:
            body = self._colored(rows, columns, cells, body)
        total = len("  |  ".join(header))
        title = " - ".join(ordered_unique([result.task_spec.label or "" for result in results]))
        lines = [f"[{f' {title} '.center(total - 2, '-')}]", "  |  ".join(header)]
        threads = None
        for row, line in zip(rows, body, strict=True):
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(total, "-"))
            lines.append("  |  ".join(line))
        lines += ["", f"Times are in {unit_to_english(unit)}s ({unit}).", ""]
        if self._warnings and any(result.has_warnings for result in results):
            lines[-1:] = [
                "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.",
                "",
            ]
        return "\n".join(lines)

    def _format(self, results: Sequence[Measurement], scale: float) -> tuple[int, int, int]:
        """Width and decimals of a column's numbers, and the width of what is noted beside them."""
        leading = [math.ceil(math.log10(result.median / scale)) for result in results]
        decimals = 1
        if self._trim:
            decimals = min(
                [
                    max(result.significant_figures - digits, 0)
                    for result, digits in zip(results, leading, strict=True)
                ]
            )
        noted = self._warnings and any(result.has_warnings for result in results)
        return (
            max(leading) + decimals + (1 if decimals else 0),
            decimals,
            _WARNING_WIDTH if noted else 0,
        )

    def _cell(self, result: Measurement, template: tuple[int, int, int], scale: float) -> str:
        width, decimals, note_width = template
        value = result.median / scale
        if self._trim:
            value = trim_sigfig(value, result.significant_figures)
        text = f"{value:>{max(width, 1)}.{decimals}f}"
        if self._warnings:
            note = f" (! {100 * result.iqr / result.median:.0f}%)" if result.has_warnings else ""
            text += note.rjust(note_width)
        return text

    def _colored(
        self,
        rows: list[_Row],
        columns: list[str | None],
        cells: dict[tuple[_Row, str | None], Measurement],
        body: list[list[str]],
    ) -> list[list[str]]:
        colored = []
        for row, line in zip(rows, body, strict=True):
            new = [line[0]]
            for column, text in zip(columns, line[1:], strict=True):
                result = cells.get((row, column))
                if result is not None:
                    if self._colors is Colorize.ROWWISE:
                        others = [cells[row, other] for other in columns if (row, other) in cells]
                    else:
                        others = [
                            cells[other, column]
                            for other in rows
                            if other[0] == row[0] and (other, column) in cells
                        ]
                    text = _in_color(text, result.median, min([other.median for other in others]))
                new.append(text)
            colored.append(new)
        return colored


def _row_of(result: Measurement) -> _Row:
    return result.task_spec.num_threads, result.task_spec.env or "", result.as_row_name


def _in_color(text: str, value: float, best: float) -> str:
    if value <= best * 1.01 or value <= best + 100e-9:
        return f"{_GREEN}{_BOLD}{text}{_PLAIN}"
    if value <= best * 1.1:
        return f"{_BLUE}{_BOLD}{text}{_PLAIN}"
    if value >= best * 5:
        return f"{_RED}{_BOLD}{text}{_PLAIN}"
    if value >= best * 2:
        return f"{_PALE_RED}{text}{_PLAIN}"
    return text
