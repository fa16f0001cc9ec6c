"""What programs ask before they begin: versions, backends, the configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rushlight as torch
from rushlight.torch_version import TorchVersion


def test_versions_compare_by_their_numbers() -> None:
    version = TorchVersion("2.13.0+cpu")
    assert version > "2.4" and version >= (2, 13) and version < (2, 13, 1) and version <= "2.13"
    assert version == "2.13.0+cpu" and version != "2.13.0" and version == (2, 13)
    assert not version < "2.2.1" and not version > "10"
    assert isinstance(torch.__version__, str) and torch.__version__ >= (2, 0)
    assert {version: 1}["2.13.0+cpu"] == 1
    with pytest.raises(TypeError):
        assert version < object()


def test_backends_are_modules() -> None:
    code = (
        "import rushlight.backends.cudnn as cudnn, rushlight as torch\n"
        "from rushlight.backends import mps\n"
        "cudnn.benchmark = True\n"
        "assert torch.backends.cudnn is cudnn and torch.backends.cudnn.benchmark and not mps.is_available()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_options_hold_in_their_block() -> None:
    cudnn = torch.backends.cudnn
    assert (cudnn.version(), cudnn.deterministic) == (None, False)
    with cudnn.flags(deterministic=True):
        assert cudnn.deterministic
    assert not cudnn.deterministic
    with torch.backends.cuda.sdp_kernel(enable_flash=False):
        assert not torch.backends.cuda.flash_sdp_enabled() and torch.backends.cuda.math_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()


def test_the_configuration_in_words() -> None:
    assert "NumPy" in torch.__config__.show()
    assert str(torch.get_num_threads()) in torch.__config__.parallel_info()
