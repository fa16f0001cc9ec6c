"""The alias ``torch`` -> ``rushlight``.

Each program runs in a process of its own: the alias belongs to a whole process, and other tests import
PyTorch.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run_program(source: str, tmp_path: Path) -> str:
    """Run ``source`` as a script in ``tmp_path`` and return what it prints; warnings are errors there."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_form_of_import_gives_the_same_modules(tmp_path: Path) -> None:
    printed = run_program(
        """
        import sys
        from rushlight.compat import alias
        alias.install()

        import torch
        import torch.nn as nn
        import torch.nn.functional as F
        import torch.optim.lr_scheduler
        import torch.utils.data
        from torch import autograd, optim
        from torch.utils.data import DataLoader
        import rushlight, rushlight.nn, rushlight.nn.functional, rushlight.utils.data

        assert torch is rushlight
        assert nn is rushlight.nn and torch.nn is nn
        assert F is rushlight.nn.functional and torch.nn.functional is F
        assert optim is rushlight.optim and autograd is rushlight.autograd
        assert torch.utils.data is rushlight.utils.data
        assert DataLoader is rushlight.utils.data.DataLoader
        assert torch.optim.lr_scheduler is rushlight.optim.lr_scheduler
        for name, module in sorted(sys.modules.items()):
            if name == "torch" or name.startswith("torch."):
                assert module is sys.modules["rushlight" + name[len("torch"):]], name
        print("same")
        """,
        tmp_path,
    )
    assert printed == "same\n"


def test_aliased_modules_go_on_describing_themselves(tmp_path: Path) -> None:
    printed = run_program(
        """
        import importlib.util, pickle
        from rushlight.compat import alias
        alias.install()
        import torch.nn.functional
        for module in (torch, torch.nn, torch.nn.functional):
            print(module.__name__, module.__spec__.name, module.__spec__.parent)
        print(pickle.loads(pickle.dumps(torch.nn.Linear)) is torch.nn.Linear)
        print(importlib.util.find_spec("torch.nn") is not None)
        """,
        tmp_path,
    )
    assert printed.splitlines() == [
        "torch rushlight rushlight",  # the name is what libraries choose a backend by
        "rushlight.nn rushlight.nn rushlight.nn",
        "rushlight.nn.functional rushlight.nn.functional rushlight.nn.functional",
        "True",
        "True",
    ]


def test_version_is_rushlights(tmp_path: Path) -> None:
    printed = run_program(
        """
        from rushlight.compat import alias
        alias.install()
        import torch
        import torch.version
        import rushlight
        print(torch.__version__ == rushlight.__version__, torch.version is rushlight.version)
        print(torch.version.cuda)
        """,
        tmp_path,
    )
    assert printed.splitlines() == ["True True", "None"]


@pytest.mark.parametrize("name", ["torch.foo", "torch.nn.foo", "torch.foo.bar"])
def test_a_missing_submodule_is_named_as_the_program_wrote_it(name: str, tmp_path: Path) -> None:
    printed = run_program(
        f"""
        from rushlight.compat import alias
        alias.install()
        try:
            import {name}
        except ModuleNotFoundError as error:
            print(error.name)
            print(error)
        """,
        tmp_path,
    )
    missing = "torch.foo" if name == "torch.foo.bar" else name
    assert printed.splitlines() == [missing, f"No module named {missing!r}: Rushlight does not have it"]


def test_a_failure_inside_a_module_is_not_reported_as_a_missing_one(tmp_path: Path) -> None:
    printed = run_program(
        """
        import sys
        from importlib.machinery import ModuleSpec
        from rushlight.compat import alias

        class Broken:
            def find_spec(self, name, path=None, target=None):
                return ModuleSpec(name, self) if name == "rushlight.broken" else None
            def create_module(self, spec):
                return None
            def exec_module(self, module):
                import a_dependency_that_is_not_installed

        sys.meta_path.insert(0, Broken())
        alias.install()
        try:
            import torch.broken
        except ModuleNotFoundError as error:
            print(error)
        """,
        tmp_path,
    )
    assert printed == "No module named 'a_dependency_that_is_not_installed'\n"


def test_a_namespace_that_is_only_an_attribute_can_be_imported(tmp_path: Path) -> None:
    printed = run_program(
        """
        import types
        import rushlight
        from rushlight.compat import alias
        rushlight.elsewhere = types.ModuleType("rushlight.core.elsewhere")
        alias.install()
        import torch.elsewhere as elsewhere
        print(elsewhere is rushlight.elsewhere, elsewhere.__name__)
        """,
        tmp_path,
    )
    assert printed == "True rushlight.core.elsewhere\n"


def test_install_refuses_beside_real_pytorch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    printed = run_program(
        """
        import sys
        import torch
        from rushlight.compat import alias
        try:
            alias.install()
        except RuntimeError as error:
            print(error)
        print(alias.is_installed(), sys.modules["torch"] is torch)
        alias.uninstall()
        print(sys.modules["torch"] is torch)
        """,
        tmp_path,
    )
    message, *rest = printed.splitlines()
    assert message.startswith("install: 'torch' is already imported in this process, from ")
    assert str(tmp_path / "torch.py") in message
    assert "rushlight run" in message
    assert rest == ["False True", "True"]


def test_uninstall_gives_the_name_back(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("what = 'the installed torch'")
    printed = run_program(
        """
        import sys
        from rushlight.compat import alias
        alias.install()
        alias.install()
        import torch, torch.nn
        print(torch.__name__)
        alias.uninstall()
        print(torch.__name__)
        print([name for name in sys.modules if name.split(".")[0] == "torch"], "rushlight.nn" in sys.modules)
        import torch
        print(torch.what)
        """,
        tmp_path,
    )
    assert printed.splitlines() == ["torch", "rushlight", "[] True", "the installed torch"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("multiprocessing_comes", ["before", "after"])
def test_processes_of_multiprocessing_have_the_alias(
    method: str, multiprocessing_comes: str, tmp_path: Path
) -> None:
    if method == "forkserver" and sys.platform == "win32":
        pytest.skip("Windows has no fork server")
    early = "import multiprocessing.spawn" if multiprocessing_comes == "before" else ""
    printed = run_program(
        f"""
        {early}
        if __name__ == "__main__":
            from rushlight.compat import alias
            alias.install()
        import torch
        import multiprocessing

        def work(queue):
            queue.put(torch.__name__)

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            queue = context.Queue()
            process = context.Process(target=work, args=(queue,))
            process.start()
            process.join(60)
            print(process.exitcode, queue.get(timeout=5))
        """,
        tmp_path,
    )
    assert printed == "0 torch\n"


def test_multiprocessing_is_left_alone_after_uninstall(tmp_path: Path) -> None:
    printed = run_program(
        """
        import sys
        from rushlight.compat import alias
        alias.install()
        print("multiprocessing" in sys.modules)
        from multiprocessing import spawn
        print("rushlight_alias" in spawn.get_preparation_data("child"))
        alias.uninstall()
        print("rushlight_alias" in spawn.get_preparation_data("child"))
        """,
        tmp_path,
    )
    assert printed.splitlines() == ["False", "True", "False"]


def test_packages_of_the_standard_library_give_the_submodules_that_pytorch_loads(tmp_path: Path) -> None:
    printed = run_program(
        """
        import multiprocessing as before
        import sys
        from rushlight.compat import alias
        alias.install()

        import torch
        import concurrent
        import importlib
        import multiprocessing
        import unittest
        import urllib

        assert "urllib.request" not in sys.modules and "unittest.mock" not in sys.modules
        assert before.connection.Connection is multiprocessing.connection.Connection
        print(concurrent.futures.ThreadPoolExecutor.__name__, unittest.mock.Mock.__name__)
        print(importlib.metadata.version("torch").split("+")[0], urllib.request.urlopen.__name__)
        print(unittest.IsolatedAsyncioTestCase.__name__, hasattr(urllib, "parse"), hasattr(urllib, "robotparser"))
        try:
            multiprocessing.dummy
        except AttributeError as error:
            print(error)
        """,
        tmp_path,
    )
    assert printed == (
        "ThreadPoolExecutor Mock\n"
        "2.13.0 urlopen\n"
        "IsolatedAsyncioTestCase True False\n"
        "module 'multiprocessing' has no attribute 'dummy'\n"
    )
