"""``rushlight run``, as a user starts it: each test is a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def rushlight(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rushlight", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source).lstrip())
    return path


def test_a_pytorch_program_trains(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import torch
        from torch import nn, optim
        import torch.nn.functional as F

        torch.manual_seed(0)
        x = torch.randn(8, 3)
        y = x.sum(dim=1, keepdim=True)
        model = nn.Linear(3, 1)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        losses = []
        for _ in range(20):
            loss = F.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(torch.__name__, losses[-1] < 0.1 * losses[0])
        """,
    )
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "torch True\n", "")


def test_the_program_sees_what_python_would_show_it(tmp_path: Path) -> None:
    write(tmp_path / "code" / "beside.py", "where = __file__\n")
    program = write(
        tmp_path / "code" / "program.py",
        """
        import os, sys
        import beside
        print(__name__)
        print(os.path.abspath(__file__))
        print(sys.argv)
        print(os.path.realpath(sys.path[0]))
        print(sys.modules["__main__"].__dict__ is globals())
        print(__spec__, __package__, __doc__, __cached__)
        print(sorted(name for name in globals() if not name.startswith("__")))
        print(type(__loader__).__name__, os.path.basename(beside.where), os.getcwd())
        """,
    )
    arguments = [os.path.join("code", "program.py"), "-m", "--lr=0.1", "two words"]
    by_rushlight = rushlight("run", *arguments, cwd=tmp_path)
    by_python = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert by_rushlight.stderr == ""
    assert by_rushlight.stdout == by_python.stdout
    assert str(program) in by_rushlight.stdout


def test_a_module_sees_what_python_would_show_it(tmp_path: Path) -> None:
    source = """
        import sys
        from . import beside
        print(__name__, __package__, __spec__.name)
        print(__file__ == sys.argv[0], sys.argv[1:])
        print(sys.path[0], beside.__name__)
        """
    write(tmp_path / "package" / "__init__.py", "import sys\nprint(sys.argv[1:])\n")
    write(tmp_path / "package" / "beside.py", "")
    write(tmp_path / "package" / "program.py", source)
    write(tmp_path / "package" / "__main__.py", source)
    for name in ("package.program", "package"):
        by_rushlight = rushlight("run", "-m", name, "-x", "y", cwd=tmp_path)
        by_python = subprocess.run(
            [sys.executable, "-m", name, "-x", "y"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert by_rushlight.stderr == ""
        assert by_rushlight.stdout == by_python.stdout


@pytest.mark.parametrize(
    ("statement", "code", "stderr"),
    [
        ("raise SystemExit", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('gave up')", 1, "gave up\n"),
    ],
)
def test_exit_codes_are_the_programs(statement: str, code: int, stderr: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", f"import torch\n{statement}\n")
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", stderr)


def test_a_traceback_begins_at_the_program(tmp_path: Path) -> None:
    program = write(
        tmp_path / "program.py",
        """
        import torch
        def train():
            raise ValueError("no data")
        try:
            train()
        except ValueError as error:
            raise RuntimeError("training failed") from error
        """,
    )
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert done.returncode == 1
    files = [line.split('"')[1] for line in done.stderr.splitlines() if line.startswith('  File "')]
    assert files == [str(program)] * 3
    assert done.stderr.splitlines()[-1] == "RuntimeError: training failed"
    assert "The above exception was the direct cause" in done.stderr


def test_a_missing_torch_module_shows_only_the_programs_line(tmp_path: Path) -> None:
    program = write(tmp_path / "program.py", "import torch.foo\n")
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert done.returncode == 1
    files = [line.split('"')[1] for line in done.stderr.splitlines() if line.startswith('  File "')]
    assert files == [str(program)]
    last = done.stderr.splitlines()[-1]
    assert last == "ModuleNotFoundError: No module named 'torch.foo': Rushlight does not have it"


def test_a_syntax_error_shows_the_programs_line(tmp_path: Path) -> None:
    program = write(tmp_path / "program.py", "x = 1\nif x\n")
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f'  File "{program}", line 2'
    assert done.stderr.splitlines()[-1].startswith("SyntaxError: ")


def test_the_programs_own_excepthook_is_called(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import sys, traceback
        def hook(kind, value, trace):
            print(kind.__name__, len(traceback.extract_tb(trace)))
        sys.excepthook = hook
        raise ValueError
        """,
    )
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "ValueError 1\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="exit by signal is POSIX")
def test_an_interrupt_ends_the_process_as_python_would(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "raise KeyboardInterrupt\n")
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert "runpy" not in done.stderr


def test_spawned_processes_run_under_rushlight_too(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import multiprocessing
        import torch

        def work(number):
            return torch.__name__, number

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1, 2]))
        """,
    )
    done = rushlight("run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "[('torch', 1), ('torch', 2)]\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.py"], "rushlight run: no such file: 'missing.py'"),
        (["run", "."], "rushlight run: '.' is a folder"),
        (["run", "-m", "missing_module"], "rushlight run: no module named 'missing_module'"),
        (["run", "-m", "missing.inner"], "rushlight run: no module named 'missing.inner'"),
        (["run", "-m", ".relative"], "rushlight run: '.relative' is not the name of a module"),
        (["run", "-m", "math"], "rushlight run: 'math' has no Python source to run"),
        (["run"], "usage: rushlight run PROGRAM"),
        (["run", "--unknown"], "usage: rushlight run PROGRAM"),
        (["run", "-m"], "usage: rushlight run PROGRAM"),
        (["fly"], "rushlight: unknown command 'fly'"),
        ([], "usage: rushlight COMMAND"),
    ],
)
def test_a_command_line_that_makes_no_sense(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = rushlight(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_an_error_while_a_modules_package_is_imported_is_the_programs_own(tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "import torch.foo\n")
    write(tmp_path / "package" / "program.py", "")
    done = rushlight("run", "-m", "package.program", cwd=tmp_path)
    assert done.returncode == 1
    assert "No module named 'torch.foo'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["doctor", "--help"]])
def test_help(arguments: list[str], tmp_path: Path) -> None:
    done = rushlight(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: rushlight ")


def test_version(tmp_path: Path) -> None:

    from rushlight.version import VERSION

    done = rushlight("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"rushlight {VERSION}\n")
