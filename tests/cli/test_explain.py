"""``rushlight explain``, as a user starts it: each test is a process."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")

from .test_run import rushlight, write

PROGRAM = """
    import os, sys, torch

    @torch.compile
    def doubled(x):
        return (x * 2).relu().sum()

    model = torch.compile(torch.nn.Linear(4, 3), fullgraph=True)
    unused = torch.compile(lambda x: x)
    for i in range(3):
        print(doubled(torch.ones(10)).item(), model(torch.ones(2, 4)).shape)
    os.chdir(os.path.dirname(os.getcwd()))
    sys.exit(int(sys.argv[1]))
"""
PRINTED = "20.0 torch.Size([2, 3])\n" * 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "in" / "program.py", textwrap.dedent(PROGRAM))
    return tmp_path / "in"


def test_as_text(folder: Path) -> None:
    done = rushlight("explain", "--call", "2", "program.py", "3", cwd=folder)
    assert done.returncode == 3 and done.stderr == ""
    assert done.stdout.startswith(PRINTED + "doubled: recorded mode, 1 program, 1 kernel")
    assert "return (x * 2).relu().sum()" in done.stdout
    assert "Linear: static mode, 1 program" in done.stdout and "matrix product" in done.stdout


def test_as_pages(folder: Path) -> None:
    done = rushlight("explain", "--html", "page.html", "program.py", "0", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{PRINTED}doubled: {folder / 'page.html'}\nLinear: {folder / 'page-2.html'}\n"
    for name in ("page.html", "page-2.html"):
        text = (folder / name).read_text()
        assert text.startswith("<!DOCTYPE html>") and "<svg" in text


def test_nothing_to_explain(folder: Path) -> None:
    done = rushlight("explain", "--call", "4", "program.py", "0", cwd=folder)
    assert done.stdout == PRINTED
    assert "no compiled function was called 4 times (3 were made)" in done.stderr


def test_what_came_before_an_error_is_shown(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import torch
        torch.compile(lambda x: x + 1)(torch.ones(3))
        raise KeyError("late")
        """,
    )
    done = rushlight("explain", "program.py", cwd=tmp_path)
    assert done.returncode == 1 and "recorded mode, 1 program" in done.stdout
    assert (
        done.stderr.startswith("Traceback (most recent call last):\n  File")
        and "KeyError: 'late'" in done.stderr
    )
    assert "cli/explain.py" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--call", "0", "program.py"], "--call takes a whole number from 1 on, not '0'"),
        (["--nothing", "program.py"], "unexpected '--nothing'"),
        (["--call"], "unexpected '--call'"),
        ([], "usage: rushlight explain"),
        (["nowhere.py"], "no such file: 'nowhere.py'"),
    ],
)
def test_command_lines_that_make_no_sense(arguments: list[str], what: str, tmp_path: Path) -> None:
    done = rushlight("explain", *arguments, cwd=tmp_path)
    assert (
        done.returncode == 2
        and what in done.stderr
        and "compiled function was" not in done.stderr
        and done.stdout == ""
    )
