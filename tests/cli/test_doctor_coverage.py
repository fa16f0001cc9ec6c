"""``rushlight doctor --coverage``: what a program uses, read from its source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushlight.cli import main
from rushlight.cli.doctor_coverage import missing_names, names_used

PROGRAM = """
import torch, torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader as Loader
from torchvision import models
import tensorflow as tf
from layers import block
raise SystemExit("reading must not run this")

class Net(nn.Module):
    def forward(self, x):
        import torch.fx
        return F.reluu(nn.Linear(1, 2)(x).to(torch.device("cpu")))

torch.backends.cudnn.benchmark = True
models.resnet18, models.densenet121, tf.placeholder(tf.float32), Loader.from_nothing
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    (tmp_path / "main.py").write_text(PROGRAM)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "__init__.py").write_text("from . import block\nimport broken\n")
    (tmp_path / "layers" / "block.py").write_text("import torch as t\nt.optim.Adamw\nt.optim.Adam\n")
    (tmp_path / "broken.py").write_text("def (:\n")
    return str(tmp_path / "main.py")


def test_names_that_a_program_uses(program: str) -> None:
    names = [use.name for use in names_used(program)]
    assert names == [
        "tensorflow.float32", "tensorflow.placeholder", "torch.backends.cudnn.benchmark", "torch.device", "torch.fx",
        "torch.nn.Linear",
        "torch.nn.Module", "torch.nn.functional.reluu", "torch.optim.Adam", "torch.optim.Adamw",
        "torch.utils.data.DataLoader.from_nothing", "torchvision.models.densenet121", "torchvision.models.resnet18",
    ]  # fmt: skip


def test_missing_names_and_what_is_nearest(program: str) -> None:
    missing = {entry.use.name: entry for entry in missing_names(names_used(program))}
    assert set(missing) == {
        "torch.nn.functional.reluu", "torch.optim.Adamw", "torch.utils.data.DataLoader.from_nothing",
    }  # fmt: skip
    assert missing["torch.optim.Adamw"].nearest.startswith("torch.optim.AdamW")
    assert (
        missing["torch.optim.Adamw"].use.file.endswith("block.py")
        and missing["torch.optim.Adamw"].use.line == 2
    )


def test_the_command(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--coverage", program]) == 1
    printed = capsys.readouterr().out
    assert "13 names used, 3 of them missing" in printed
    assert "nearest: torch.nn.functional.relu" in printed and "main.py:13" in printed
    for arguments in (["--coverage", program, "--json"], ["--json", "--coverage", program]):
        assert main(["doctor", *arguments]) == 1
        found = json.loads(capsys.readouterr().out)
        assert len(found["used"]) == 13 and {entry["name"] for entry in found["missing"]} >= {
            "torch.optim.Adamw"
        }


def test_a_program_with_everything_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.py").write_text("import torch\ntorch.ones(2)\n")
    assert main(["doctor", "--coverage", str(tmp_path / "good.py")]) == 0
    assert "1 names used, 0 of them missing" in capsys.readouterr().out


def test_programs_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--coverage", str(tmp_path / "absent.py")]) == 2
    (tmp_path / "bad.py").write_text("def (:\n")
    assert main(["doctor", "--coverage", str(tmp_path / "bad.py")]) == 2
    assert main(["doctor", "--coverage"]) == 2
    assert "needs one program" in capsys.readouterr().err
