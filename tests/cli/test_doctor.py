from __future__ import annotations

import builtins
import importlib.metadata
import json
import os
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy
import pytest

from rushlight.cli import doctor
from rushlight.core import machine


def test_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings[:2] == ["Versions", "Machine"]
    assert headings[-2:] == ["Threads", "Optional parts"]
    assert set(headings[2:-2]) == {"BLAS"}
    rows = {line[2:22].rstrip(): line[22:] for line in lines if line.startswith("  ")}
    assert rows["numpy"] == numpy.__version__
    assert rows["ml_dtypes"] == ml_dtypes.__version__
    assert rows["usable"] == str(machine.processors().usable)


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["numpy"] == numpy.__version__
    processors = machine.processors()
    assert found["threads"] == {
        "logical processors": os.cpu_count(),
        "affinity": processors.affinity,
        "cgroup quota": processors.quota,
        "usable": processors.usable,
    }
    versions = {part["name"]: part["version"] for part in found["optional"]}
    for module, distribution in (("sklearn", "scikit-learn"), ("torch", "torch"), ("cupy", "cupy-cuda13x")):
        try:
            expected = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            expected = None
        assert versions[module] == expected


def test_a_missing_part_comes_with_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_installed_version", lambda module: None if module == "sklearn" else "1.2.3")
    doctor.main([])
    parts = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert parts["sklearn"][0] == "missing"
    assert parts["sklearn"][-3:] == ["pip", "install", "scikit-learn"]
    assert parts["matplotlib"][0] == "1.2.3"
    assert "pip" not in parts["matplotlib"]


def test_blas_without_threadpoolctl(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_threadpoolctl(name: str, *arguments: Any) -> Any:
        if name == "threadpoolctl":
            raise ModuleNotFoundError(name=name)
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_threadpoolctl)
    (library,) = doctor.report()["blas"]
    built = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index]
    assert (library["name"], library["version"]) == (built["name"], built["version"])
    assert library["source"] == "NumPy's build configuration"


def test_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--jsn"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "rushlight doctor: cannot use '--jsn'; it takes --json and --coverage PROGRAM\n"


def test_optional_parts_are_looked_up_without_importing_them() -> None:
    source = """
import sys
from rushlight.cli import main
assert main(["doctor"]) == 0
heavy = {"sklearn", "matplotlib", "torch", "cupy", "mpi4py", "tensorboard"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = [sys.executable, "-m", "rushlight", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # before anything is written: every flush fails
        assert process.stderr.read() == b""
    assert process.returncode == 0
