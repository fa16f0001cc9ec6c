"""Convolutions, pooling and normalisation, as functions, against PyTorch on its own samples."""

from __future__ import annotations

import pytest

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = [
    *(f"nn.functional.conv{d}d" for d in (1, 2, 3)),
    *(f"nn.functional.conv_transpose{d}d" for d in (1, 2, 3)),
    *(
        f"nn.functional.{kind}_pool{d}d"
        for kind in ("avg", "max", "adaptive_avg", "adaptive_max")
        for d in (1, 2, 3)
    ),
    *(f"nn.functional.max_unpool{d}d" for d in (1, 2, 3)),
    *(
        f"nn.functional.{kind}_norm"
        for kind in ("batch", "group", "instance", "layer", "rms", "local_response")
    ),
]
KNOWN: dict[tuple[str, str], str] = {}
# A convolution's result is a sum of up to a thousand products of up to 80 each, of which either library loses other last
# bits: eps · √terms · products; PyTorch's own tests allow its devices 1e-4 to 1e-3 here.
CONVOLUTION = {"float32": (1.3e-6, 1e-4), "complex64": (1.3e-6, 4e-4)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    tolerance = CONVOLUTION if "conv" in name else None
    opinfo.run(check, name, known=KNOWN, tolerance=tolerance)
