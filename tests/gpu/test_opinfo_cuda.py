"""Every entry of PyTorch's operator database on a pretended GPU gives what Rushlight's CPU gives (see ``sweep.py``), and
nothing goes through the CPU but what is listed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OTHER_STREAM = "random: a GPU's numbers are another stream than the CPU's (see test_philox.py)"
DRAWN = ("normal.in_place", "rand_like", "randn", "randn_like", "uniform")
DRAWN_INTEGERS = ("geometric", "randint", "randint_like")
DRAWN_FLOATS = (
    "bernoulli", "cauchy", "exponential", "log_normal", "multinomial", "normal", "normal.number_mean",
    "nn.functional.alpha_dropout", "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d",
    "nn.functional.feature_alpha_dropout.with_train", "nn.functional.fractional_max_pool3d",
    "nn.functional.multi_head_attention_forward", "nn.functional.scaled_dot_product_attention",
)  # fmt: skip
EVERYWHERE = {
    "to": "a sample moves to the CPU, and the sweep weighs its result on the GPU",
    "to_sparse": "sparse tensors are on the CPU",
}
FLOATS = {**EVERYWHERE, **dict.fromkeys((*DRAWN, *DRAWN_INTEGERS, *DRAWN_FLOATS), OTHER_STREAM)}
# What falls short, by dtype, each with its reason; a test asserts that it still does.
KNOWN = {
    "float32": {**FLOATS, "nn.functional.rrelu": OTHER_STREAM},
    "float16": {**FLOATS, "nn.functional.normalize": "a gradient rounded in another order"},
    "bfloat16": {
        **FLOATS,
        "nn.functional.rrelu": OTHER_STREAM,
        "div.trunc_rounding": "without its compiled kernel: not rounded to bfloat16 before it is cut off",
        "fmod": "without its compiled kernel: a gradient of one rounding less",
    },
    "complex64": {
        **EVERYWHERE,
        **dict.fromkeys(DRAWN, OTHER_STREAM),
        "logcumsumexp": "by doubling: logarithms that differ by whole turns, so equal exponentials",
    },
    "int64": {**EVERYWHERE, **dict.fromkeys(DRAWN_INTEGERS, OTHER_STREAM)},
}
LDL = "cuSOLVER's sytrf is not in CuPy's API"
AIRY = "airy_ai: CuPy has no Airy functions"
EMPTY = "layer_norm of nothing"
INTEGER_WINDOWS = "PyTorch has no such kernel on CUDA either"
# The records that go through the CPU, by dtype, and why.
HOST = {
    "float32": {
        "linalg_ldl_factor_ex": LDL, "linalg_ldl_solve": LDL, "special_bessel": AIRY, "normalize_gradient": EMPTY,
    },
    "float16": {"normalize_gradient": EMPTY},
    "bfloat16": {"normalize_gradient": EMPTY},
    "complex64": {"linalg_ldl_factor_ex": LDL, "linalg_ldl_solve": LDL},
    "int64": {"avg_pool": INTEGER_WINDOWS, "max_pool": INTEGER_WINDOWS, "special_bessel": AIRY},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.parametrize("dtype", sorted(KNOWN))
def test_every_operator(dtype: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("scipy")  # the stand-in's special functions
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(HERE / "sweep.py"), "--pretend", f"--dtype={dtype}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout[done.stdout.index("{") :])
    known, host = KNOWN[dtype], HOST[dtype]
    new = {name: found for name, found in result["wrong"].items() if name not in known}
    assert not new, json.dumps(new, indent=1)
    mended = sorted(set(known) - set(result["wrong"]))
    assert not mended, f"right now, to be taken off the table: {mended}"
    assert sorted(result["host_trips"]) == sorted(host), "other records than listed go through the CPU"
    assert result["count"] > 600
