"""Libraries that sit on torch, through their own public use, with ``import torch`` answered by Rushlight.

Each program runs in a process of its own, in which PyTorch itself is never imported.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run_with(library: str, source: str, folder: Path) -> str:
    """What the program prints under ``rushlight run``; skips where the library is not installed."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    program = folder / "program.py"
    program.write_text("import torch\nassert 'rushlight' in torch.__file__\n" + textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(program)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_einops(tmp_path: Path) -> None:
    printed = run_with(
        "einops",
        """
        from einops import asnumpy, einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
        from einops.layers.torch import EinMix, Rearrange, Reduce

        x = torch.randn(2, 3, 4, 4, requires_grad=True)
        y = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=2, q=2)
        assert torch.equal(rearrange(y, "b (h w) (p q c) -> b c (h p) (w q)", p=2, q=2, h=2), x)
        (y * y).sum().backward()
        assert torch.equal(x.grad, 2 * x)
        assert torch.equal(reduce(x, "b c h w -> b c", "max"), x.amax((2, 3)))
        assert repeat(x, "b c h w -> b c h w r", r=3).shape == (2, 3, 4, 4, 3)
        assert torch.allclose(einsum(x, x, "b c h w, b c h v -> b c w v"), x.transpose(2, 3) @ x, atol=1e-5)
        packed, shapes = pack([x, x[:, :1]], "b * h w")
        assert torch.equal(unpack(packed, shapes, "b * h w")[1], x[:, :1])
        assert parse_shape(x, "b c h w") == dict(b=2, c=3, h=4, w=4)
        assert asnumpy(x.detach()).shape == (2, 3, 4, 4)
        model = torch.nn.Sequential(
            EinMix("b c h w -> b d h w", weight_shape="c d", c=3, d=5), Reduce("b c h w -> b c h", "mean"),
            Rearrange("b c h -> b (c h)"), torch.nn.Linear(20, 2),
        )
        print(tuple(model(x).shape))
        """,
        tmp_path,
    )
    assert printed == "(2, 2)\n"


def test_opt_einsum(tmp_path: Path) -> None:
    printed = run_with(
        "opt_einsum",
        """
        import opt_einsum

        a, b, c = torch.randn(3, 4, requires_grad=True), torch.randn(4, 5), torch.randn(5, 6)
        product = opt_einsum.contract("ij,jk,kl->il", a, b, c)
        assert torch.allclose(product, a @ b @ c, atol=1e-5)
        product.sum().backward()
        assert torch.allclose(a.grad, (b @ c).sum(1).expand(3, 4), atol=1e-5)
        assert opt_einsum.contract_expression("ij,jk->ik", (3, 4), (4, 5))(a, b).shape == (3, 5)
        print(opt_einsum.contract("ii->", torch.eye(3)).item())
        """,
        tmp_path,
    )
    assert printed == "3.0\n"


def test_safetensors(tmp_path: Path) -> None:
    printed = run_with(
        "safetensors",
        f"""
        from safetensors import safe_open
        from safetensors.torch import load, load_file, load_model, save, save_file, save_model

        path = {str(tmp_path / "tensors.safetensors")!r}
        tensors = {{
            "a": torch.randn(2, 3), "b": torch.arange(4), "c": torch.ones(2, dtype=torch.bfloat16),
            "d": torch.tensor([True, False]), "e": torch.tensor(1.5, dtype=torch.float64),
        }}
        save_file(tensors, path, metadata={{"k": "v"}})
        for read in (load_file(path), load(save(tensors))):
            for name, tensor in tensors.items():
                assert type(read[name]) is torch.Tensor and read[name].dtype == tensor.dtype
                assert torch.equal(read[name], tensor), name
        with safe_open(path, framework="pt") as file:
            assert torch.equal(file.get_tensor("a"), tensors["a"])
            assert torch.equal(file.get_slice("a")[:1], tensors["a"][:1])
        model, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
        save_model(model, path)
        load_model(other, path)
        print(torch.equal(other.weight, model.weight))
        """,
        tmp_path,
    )
    assert printed == "True\n"


def test_torchdiffeq(tmp_path: Path) -> None:
    printed = run_with(
        "torchdiffeq",
        """
        import math
        from torchdiffeq import odeint, odeint_adjoint, odeint_event

        class Decay(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.rate = torch.nn.Parameter(torch.tensor(-1.0))

            def forward(self, t, y):
                return self.rate * y

        decay, times = Decay(), torch.linspace(0.0, 1.0, 5)
        for method in ("dopri5", "dopri8", "rk4", "bosh3", "adaptive_heun", "explicit_adams"):
            last = odeint(decay, torch.ones(3), times, method=method)[-1]
            assert torch.allclose(last, torch.full((3,), math.exp(-1)), atol=1e-3), method
        for integrate in (odeint, odeint_adjoint):
            decay.rate.grad = None
            integrate(decay, torch.ones(3), times)[-1].sum().backward()
            assert abs(decay.rate.grad.item() - 3 * math.exp(-1)) < 1e-4
        event, _ = odeint_event(decay, torch.ones(1), torch.tensor(0.0), event_fn=lambda t, y: y - 0.5)
        print(round(event.item(), 3))
        """,
        tmp_path,
    )
    assert printed == "0.693\n"


def test_torchmetrics(tmp_path: Path) -> None:
    printed = run_with(
        "torchmetrics",
        """
        from torchmetrics import MeanSquaredError
        from torchmetrics.classification import MulticlassAccuracy

        accuracy = MulticlassAccuracy(3, average="micro")
        accuracy.update(torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 1, 1]))
        print(accuracy.compute().item(), MeanSquaredError()(torch.ones(3), torch.zeros(3)).item())
        """,
        tmp_path,
    )
    assert printed == "0.75 1.0\n"
