"""``FileCheck``: that pieces of text follow each other in a text."""

from __future__ import annotations


class FileCheck:
    """Rules for a text, added one by one and tried by ``run``: each rule looks behind what the last one found.

    Raises ``RuntimeError`` in ``run`` for the first rule that does not hold.

    Example:
        >>> from rushlight.testing import FileCheck
        >>> FileCheck().check("mul").check_not("div").check("add").run("x = mul(a, b)\\ny = add(x, a)")
        >>> FileCheck().check_count("mul", 2).run("mul")
        Traceback (most recent call last):
            ...
        RuntimeError: Expected to find "mul" 2 times, found it 1 times; the text is:
        mul
    """

    def __init__(self) -> None:
        self._rules: list[tuple[str, str, int]] = []

    def _with(self, kind: str, text: str, count: int = 1) -> FileCheck:
        self._rules.append((kind, text, count))
        return self

    def check(self, text: str) -> FileCheck:
        """``text`` comes next, somewhere."""
        return self._with("check", text)

    def check_not(self, text: str) -> FileCheck:
        """``text`` does not come before what the next rule finds, or before the end."""
        return self._with("not", text)

    def check_next(self, text: str) -> FileCheck:
        """``text`` is on the next line."""
        return self._with("next", text)

    def check_same(self, text: str) -> FileCheck:
        """``text`` comes on the same line."""
        return self._with("same", text)

    def check_count(self, text: str, count: int, exactly: bool = False) -> FileCheck:
        """``text`` comes ``count`` times, and with ``exactly`` not again before what the next rule finds."""
        self._with("count", text, count)
        return self.check_not(text) if exactly else self

    def check_dag(self, text: str) -> FileCheck:
        """``text`` comes somewhere; several such rules on end may be met in any order."""
        return self._with("dag", text)

    def check_source_highlighted(self, text: str) -> FileCheck:
        """``text`` comes, with a line of ``~`` under it."""
        return self._with("check", text)._with("next", "~")

    def check_regex(self, text: str) -> FileCheck:
        """What the regular expression ``text`` describes comes next, somewhere."""
        return self._with("regex", text)

    def run(self, text: str) -> None:
        """Try all rules on ``text``."""
        place, absent = 0, list[str]()
        group_start = group_end = 0
        before = ""
        for kind, wanted, count in self._rules:
            if kind == "not":
                absent.append(wanted)
                continue
            start = place
            if kind == "dag":
                if before != "dag":
                    group_start = group_end = place
                found, end = _find(text, wanted, group_start, kind)
                group_end = max(group_end, end)
                place = group_end
            elif kind == "count":
                found = -1
                for i in range(count):
                    at = text.find(wanted, place)
                    if at < 0:
                        raise RuntimeError(
                            f'Expected to find "{wanted}" {count} times, found it {i} times; the text is:\n{text}'
                        )
                    found = at if found < 0 else found
                    place = at + len(wanted)
            else:
                found, place = _find(text, wanted, place, kind)
            _refuse(text, absent, start, found if found >= start else start)
            absent, before = [], kind
        _refuse(text, absent, place, len(text))


def _find(text: str, wanted: str, place: int, kind: str) -> tuple[int, int]:
    if kind == "regex":
        import re

        match = re.compile(wanted).search(text, place)
        if match is None:
            raise RuntimeError(f'Expected to find regex "{wanted}" but did not find it; the text is:\n{text}')
        return match.start(), match.end()
    where, stop = "", len(text)
    if kind in ("next", "same"):
        where = f" on the {kind} line"
        if kind == "next":
            place = (text.find("\n", place) + 1) or stop
        line_end = text.find("\n", place)
        stop = stop if line_end < 0 else line_end
    at = text.find(wanted, place, stop)
    if at < 0:
        raise RuntimeError(f'Expected to find "{wanted}"{where} but did not find it; the text is:\n{text}')
    return at, at + len(wanted)


def _refuse(text: str, absent: list[str], start: int, end: int) -> None:
    for unwanted in absent:
        if text.find(unwanted, start, end) >= 0:
            raise RuntimeError(f'Expected to not find "{unwanted}" but found it; the text is:\n{text}')
