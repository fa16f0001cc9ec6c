"""NVIDIA's own compiler accepts the kernels: those of the golden texts here, and every kernel that another test runs
(``host_cuda``), where the wheel ``nvidia-cuda-nvrtc-cu12`` is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushlight.compiler import cuda_nvrtc

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.cu"))
needs_nvrtc = pytest.mark.skipif(
    not cuda_nvrtc.available(), reason="libnvrtc is needed: pip install nvidia-cuda-nvrtc-cu12"
)


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["compute_80", "sm_90"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_kernels_compile(path, architecture):
    text = cuda_nvrtc.ptx(path.read_text(), path.stem, architecture)
    assert ".visible .entry" in text


@needs_nvrtc
def test_vectors_are_loaded_at_once():
    (path,) = [path for path in GOLDEN if path.stem == "gelu"]
    text = cuda_nvrtc.ptx(path.read_text(), path.stem)
    assert "ld.global.v4" in text
    assert "st.global.v4" in text


@needs_nvrtc
def test_a_kernel_that_is_refused_is_named():
    with pytest.raises(RuntimeError, match=r"kernel broken: NVRTC refused it(.|\n)*undefined"):
        cuda_nvrtc.ptx('extern "C" __global__ void broken(float *p) { *p = nothing; }', "broken")
    assert cuda_nvrtc.ptx('extern "C" __global__ void whole(float *p) { *p = 1.0f; }', "whole")
