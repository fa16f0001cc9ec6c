"""PyTorch's lists of what autocast does to which operation, for the CPU and for CUDA, as (place, names).

Sources: "Autocast Op Reference" of PyTorch's documentation. ``tests/gpu/test_autocast_cuda.py`` compares the dtypes that come
out with PyTorch's own, on tensors that only pretend to be on a GPU.
"""

from __future__ import annotations

from typing import Final

Lists = tuple[tuple[str, tuple[str, ...]], ...]

# --- CPU --------------------------------------------------------------------------------------------------------------

CPU_LOWER: Final[Lists] = (
    ("", ("matmul", "mm", "bmm", "addmm", "addbmm", "baddbmm", "einsum", "tensordot", "prelu")),
    ("linalg", ("vecdot", "multi_dot")),
    ("nn.functional", (
        "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc",
        "scaled_dot_product_attention", "prelu",
    )),
    ("Tensor", ("__matmul__", "__rmatmul__")),
)  # fmt: skip
CPU_SINGLE: Final[Lists] = (
    ("", (
        "prod", "trace", "cdist", "quantile", "nanquantile", "polar", "view_as_complex", "bilinear", "renorm", "logdet",
        "cholesky", "cholesky_inverse", "cholesky_solve", "inverse", "svd", "qr", "geqrf", "orgqr", "ormqr", "lstsq",
        "triangular_solve", "stft",
    )),
    ("linalg", (
        "cholesky", "cholesky_ex", "eig", "eigh", "eigvals", "eigvalsh", "inv", "inv_ex", "matrix_norm", "matrix_rank",
        "lstsq", "householder_product", "qr", "solve", "svd", "svdvals", "tensorinv", "tensorsolve", "cond", "pinv",
    )),
    ("fft", (
        "fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "rfft", "irfft", "rfft2", "irfft2", "rfftn", "irfftn", "hfft",
        "ihfft",
    )),
    ("nn.functional", (
        "avg_pool3d", "adaptive_avg_pool3d", "grid_sample", "bilinear", "mse_loss", "l1_loss", "smooth_l1_loss",
        "huber_loss", "nll_loss", "cross_entropy", "kl_div", "binary_cross_entropy", "binary_cross_entropy_with_logits",
        "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
        "multilabel_margin_loss", "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss", "ctc_loss",
        "fractional_max_pool2d", "fractional_max_pool3d",
    )),
)  # fmt: skip
CPU_WIDEST: Final[Lists] = (("", ("stack", "cat", "index_copy")), ("Tensor", ("index_copy",)))

# --- CUDA -------------------------------------------------------------------------------------------------------------

CUDA_LOWER: Final[Lists] = (
    ("", (
        "matmul", "mm", "mv", "bmm", "addmm", "addmv", "addr", "addbmm", "baddbmm", "chain_matmul", "einsum", "lstm_cell",
        "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "prelu",
    )),
    ("linalg", ("vecdot", "multi_dot")),
    ("nn.functional", (
        "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc",
        "scaled_dot_product_attention", "prelu",
    )),
    ("Tensor", ("__matmul__", "__rmatmul__")),
)  # fmt: skip
CUDA_SINGLE: Final[Lists] = (
    ("", (
        "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sinh",
        "tan", "pow", "square", "layer_norm", "rms_norm", "group_norm", "cosine_similarity", "dist", "pdist", "cdist",
        "renorm", "logsumexp", "frobenius_norm", "nuclear_norm", "sum_to_size", "trapezoid", "trapz",
        "cumulative_trapezoid",
    )),
    ("nn.functional", (
        "softplus", "layer_norm", "rms_norm", "group_norm", "cosine_similarity", "normalize", "pdist", "nll_loss",
        "cross_entropy", "l1_loss", "smooth_l1_loss", "huber_loss", "mse_loss", "multilabel_margin_loss",
        "soft_margin_loss", "multi_margin_loss", "kl_div", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
        "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
        "pairwise_distance", "poisson_nll_loss",
    )),
    ("Tensor", ("__pow__", "__rpow__", "__rtruediv__")),
)  # fmt: skip
# float32 too, unless they are told a dtype.
CUDA_SINGLE_UNLESS_TOLD: Final[Lists] = (
    ("", ("softmax", "log_softmax", "cumprod", "cumsum", "prod", "sum", "norm")),
    ("linalg", ("vector_norm", "matrix_norm", "norm")),
    ("nn.functional", ("softmax", "log_softmax", "softmin")),
)
# float32, but for the modes that are average pooling.
CUDA_INTERPOLATION: Final[Lists] = (("nn.functional", ("interpolate", "upsample")),)
CUDA_WIDEST: Final[Lists] = (
    ("", (
        "addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "vdot", "grid_sampler", "index_put", "tensordot",
        "scatter_add",
    )),
    ("nn.functional", ("bilinear", "grid_sample")),
)  # fmt: skip
CUDA_REFUSED: Final[Lists] = (("nn.functional", ("binary_cross_entropy",)),)
