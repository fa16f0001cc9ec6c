"""Versions, under the names that programs ask ``torch.version`` for."""

from __future__ import annotations

#: Rushlight's own version.
VERSION = "0.1.0"

#: The PyTorch release whose names, semantics and random streams Rushlight follows.
torch_api = "2.13.0"

#: What ``rushlight.__version__``, and so ``torch.__version__`` in a program that runs on Rushlight, answers: programs
#: compare it with PyTorch's releases. Rushlight's own version stands behind the plus, as local versions do (PEP 440).
api_version = f"{torch_api}+rushlight.{VERSION}"
__version__ = api_version

#: None, as in a CPU build of PyTorch: Rushlight is not built against CUDA, ROCm or SYCL.
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
debug = False
git_version = "unknown"
