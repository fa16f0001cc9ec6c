"""What was measured, in words: the statement, its setup, and the labels that a comparison is laid out by."""

from __future__ import annotations

from typing import Any


def _indented(text: str) -> str:
    return "\n".join([f"  {line}" if line.strip() else line for line in text.splitlines()])


class TaskSpec:
    """What a ``Timer`` measures. Two of equal fields are equal."""

    __slots__ = (
        "description", "env", "global_setup", "label", "num_threads", "setup", "stmt", "sub_label",
    )  # fmt: skip

    def __init__(
        self,
        stmt: str,
        setup: str,
        global_setup: str = "",
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
    ) -> None:
        self.stmt, self.setup, self.global_setup = stmt, setup, global_setup
        self.label, self.sub_label, self.description = label, sub_label, description
        self.env, self.num_threads = env, num_threads

    def _fields(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskSpec) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    @property
    def title(self) -> str:
        """The label, or else the statement; with the sub-label."""
        name = self.stmt if self.label is None else self.label
        if self.label is None and "\n" in self.stmt:
            behind = f" ({self.sub_label})" if self.sub_label else ""
            return f"stmt:{behind}\n{_indented(self.stmt)}"
        return f"{name}: {self.sub_label}" if self.sub_label else name

    def setup_str(self) -> str:
        """The setup, if there is one that does something."""
        if not self.setup or self.setup == "pass":
            return ""
        return f"setup:\n{_indented(self.setup)}" if "\n" in self.setup else f"setup: {self.setup}"

    def summarize(self) -> str:
        """Title, description and setup, with an empty line after those of several lines."""
        parts = [self.title, self.description or "", self.setup_str()]
        return "\n".join([f"{part}\n" if "\n" in part else part for part in parts if part])
