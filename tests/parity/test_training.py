"""Whole programs against PyTorch: with the same seed they print the same losses."""

from __future__ import annotations

import pathlib
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED_PROGRAMS = ROOT.parent / "shared" / "acceptance" / "seed"
# Losses agree to 1e-4: the sums inside matrix products are taken in another order, and training amplifies the difference.
TOLERANCE = 1e-4


def _example(name: str, library: str) -> dict[str, Any]:
    """The names of one of the examples, run on Rushlight as it stands or on PyTorch."""
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    if library == "torch":
        source = source.replace("import rushlight as torch", "import torch")
        source = re.sub(r"\bfrom rushlight\b", "from torch", source)
        assert "rushlight" not in source.replace("rushlight run", "")
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, name, "exec"), space)
    return space


@pytest.mark.parametrize(
    "form", ["manual gradients", "autograd", "custom Function", "nn + optim", "DynamicNet"]
)
def test_every_form_of_the_two_layer_net_gives_pytorchs_losses(form: str) -> None:
    histories = []
    for library in ("rushlight", "torch"):
        space = _example("two_layer_net.py", library)
        space["torch"].manual_seed(0)
        random.seed(0)
        histories.append(list(space["FORMS"][form](20)))
    assert len(histories[0]) == 20
    assert histories[0] == pytest.approx(histories[1], rel=TOLERANCE)


@pytest.mark.parametrize("model", ["mlp", "conv_net"])
def test_the_digit_classifiers_learn_as_on_pytorch(model: str) -> None:
    pytest.importorskip("sklearn")
    runs = []
    for library in ("rushlight", "torch"):
        space = _example("digits.py", library)
        runs.append(space["train"](space[model], space["load_digits"](), 2))
    # The same batches in the same order with the same dropout: the losses of two epochs agree.
    assert runs[0].losses == pytest.approx(runs[1].losses, rel=1e-3)
    assert runs[0].accuracy == pytest.approx(runs[1].accuracy, abs=0.01)


def _printed_losses(
    program: pathlib.Path, module: Any, capsys: pytest.CaptureFixture[str]
) -> Iterator[float]:
    source = "import random, torch\ntorch.manual_seed(0); random.seed(0)\n" + program.read_text(
        encoding="utf-8"
    )
    source = re.sub(r"(?m)^import torch$", "", source).replace("import random, torch", "import random")
    exec(compile(source, str(program), "exec"), {"__name__": "__main__", "torch": module})
    for line in capsys.readouterr().out.splitlines():
        yield float(line.split()[1])


@pytest.mark.skipif(not SEED_PROGRAMS.is_dir(), reason="the seed programs are not beside this checkout")
@pytest.mark.parametrize("number", ["02", "03", "04", "06", "07", "08", "09"])
def test_the_seed_programs_print_pytorchs_losses(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    import rushlight

    (program,) = SEED_PROGRAMS.glob(f"{number}_*.py")
    theirs = list(_printed_losses(program, torch, capsys))
    ours = list(_printed_losses(program, rushlight, capsys))
    assert len(ours) == 5
    assert ours == pytest.approx(theirs, rel=TOLERANCE)
