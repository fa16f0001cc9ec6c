"""``rushlight doctor --coverage program.py``: which names of torch, torchvision and tensorflow a program uses, and which of
them Rushlight does not have.

The program is read, not run: the imports bind names to modules, and every dotted name that begins with one of those counts.
What is reached in other ways (methods of tensors, ``getattr`` with a computed name) is not seen.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from rushlight.cli import complain

USAGE = """\
usage: rushlight doctor --coverage PROGRAM [--json]

Lists the names of torch, torchvision and tensorflow that PROGRAM and the modules of its own folder that it
imports use, and for each that Rushlight does not have the nearest one that it has. Runs nothing of the program.
Exit code: 0 if everything is there, 1 if a name is missing, 2 if PROGRAM can't be read.
"""
PACKAGES = ("torch", "torchvision", "tensorflow")


class Use(NamedTuple):
    """Where a program uses a name first."""

    name: str
    file: str
    line: int


class Missing(NamedTuple):
    """A used name that is not there, and what to use instead (may be empty)."""

    use: Use
    nearest: str


def main(arguments: Sequence[str]) -> int:
    """Print the report for one program; returns the exit code."""
    paths = [argument for argument in arguments if argument != "--json"]
    if len(paths) != 1 or paths[0].startswith("-"):
        return complain("rushlight doctor", "--coverage needs one program", "see `rushlight doctor --help`")
    try:
        uses = names_used(paths[0])
    except (OSError, SyntaxError, ValueError) as error:
        return complain("rushlight doctor", f"can't read {paths[0]}: {error}")
    missing = missing_names(uses)
    if "--json" in arguments:
        import json

        print(
            json.dumps(
                {
                    "program": paths[0],
                    "used": [use.name for use in uses],
                    "missing": [{**entry.use._asdict(), "nearest": entry.nearest} for entry in missing],
                },
                indent=2,
            )
        )
    else:
        print("\n".join(_as_text(paths[0], uses, missing)))
    return 1 if missing else 0


def _as_text(program: str, uses: list[Use], missing: list[Missing]) -> Iterator[str]:
    yield f"{program}: {len(uses)} names used, {len(missing)} of them missing"
    if missing:
        yield ""
        yield "Missing"
        for use, nearest in missing:
            yield f"  {use.name:<40}{os.path.relpath(use.file)}:{use.line}" + (
                f"; nearest: {nearest}" if nearest else ""
            )
    absent = {entry.use.name for entry in missing}
    present = [use.name for use in uses if use.name not in absent]
    if present:
        yield ""
        yield "There"
        yield from ("  " + name for name in present)


def names_used(program: str) -> list[Use]:
    """The names that a program and the modules of its own folder use, sorted, each where it comes first.

    Raises ``OSError`` and ``SyntaxError`` for a program that can't be read; modules that can't be are left out.
    """
    folder = os.path.dirname(os.path.abspath(program))
    found: dict[str, Use] = {}
    waiting, seen = [os.path.abspath(program)], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            with open(path, "rb") as file:
                reader = _Reader(path, folder, ast.parse(file.read(), path))
        except (OSError, SyntaxError, ValueError):
            if len(seen) == 1:
                raise
            continue
        for use in reader.uses:
            found.setdefault(use.name, use)
        waiting += reader.own_modules
    # A longer name says more than its beginning: torch.nn.Linear is not also a use of torch.nn.
    names = set(found)
    return [found[name] for name in sorted(names) if not any(other.startswith(name + ".") for other in names)]


class _Reader(ast.NodeVisitor):
    """The uses in one file. One table of names for the whole file: a local import counts everywhere."""

    def __init__(self, path: str, folder: str, tree: ast.Module) -> None:
        self.path, self.folder = path, folder
        self.bound: dict[str, str] = {}
        self.uses: list[Use] = []
        self.own_modules: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._import(node)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)
        self.visit(tree)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _of_a_package(alias.name):
                root = alias.name if alias.asname else alias.name.partition(".")[0]
                self.bound[alias.asname or root] = root
                self._use(alias.name, node)
            else:
                self._own(self.folder, alias.name)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if not node.level and _of_a_package(module):
            for alias in node.names:
                if alias.name == "*":
                    self._use(module, node)
                    continue
                self.bound[alias.asname or alias.name] = f"{module}.{alias.name}"
                self._use(f"{module}.{alias.name}", node)
            return
        start = self.folder
        if node.level:
            start = os.path.dirname(self.path)
            for _ in range(node.level - 1):
                start = os.path.dirname(start)
        if module:
            self._own(start, module)
        for alias in node.names:
            self._own(start, f"{module}.{alias.name}" if module else alias.name)

    def _own(self, folder: str, module: str) -> None:
        base = os.path.join(folder, *module.split("."))
        for path in (base + ".py", os.path.join(base, "__init__.py")):
            if os.path.isfile(path):
                self.own_modules.append(path)

    def _use(self, name: str, node: ast.AST) -> None:
        self.uses.append(Use(name, self.path, int(getattr(node, "lineno", 0))))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in self.bound:
            self._use(".".join([self.bound[value.id], *reversed(parts)]), node)
        else:
            self.visit(value)


def _of_a_package(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


def missing_names(uses: list[Use]) -> list[Missing]:
    """Those of the names that Rushlight does not have.

    A name is followed as far as modules and classes go: of ``torch.tensor([1]).foo`` nothing can be said after
    ``torch.tensor``. Attributes of instances are not looked up.
    """
    return [Missing(use, nearest) for use in uses for nearest in _lack(use.name)]


def _lack(name: str) -> Iterator[str]:
    """Nothing for a name that is there; else one text with the nearest alternative."""
    from rushlight.compat.alias import _find_target
    from rushlight.missing import nearest

    top, *rest = name.split(".")
    place: Any = _find_target(top)
    walked = top
    for part in rest:
        try:
            place = getattr(place, part)
        except AttributeError:
            try:
                # A module that nothing imported yet.
                place = _find_target(f"{walked}.{part}")
            except ModuleNotFoundError:
                full = f"{walked}.{part}"
                yield nearest(name, []) or nearest(full, dir(place))
                return
        except Exception:  # a lazy part that does not import here
            yield ""
            return
        walked = f"{walked}.{part}"
        if not isinstance(place, ModuleType | type):
            return
