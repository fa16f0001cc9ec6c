"""``axis`` and ``keepdims``, NumPy's names for ``dim`` and ``keepdim``."""

from __future__ import annotations

import pytest

import rushlight as torch

X = torch.arange(12.0).reshape(3, 4)
I = torch.zeros(3, 4, dtype=torch.int64)  # noqa: E741
WITH_DIM = {
    "aminmax": {}, "argmax": {}, "cat": {}, "chunk": {"chunks": 2}, "concat": {}, "cosine_similarity": {"x2": X},
    "cross": {}, "cummax": {}, "cumsum": {}, "diff": {}, "fft.fft": {}, "gather": {"index": I},
    "index_select": {"index": I[0]}, "kthvalue": {"k": 1}, "linalg.norm": {}, "linalg.vector_norm": {}, "log_softmax": {},
    "logcumsumexp": {}, "logsumexp": {}, "max": {}, "mean": {}, "median": {}, "mode": {}, "quantile": {"q": 0.5},
    "renorm": {"p": 2, "maxnorm": 1}, "repeat_interleave": {"repeats": 2}, "scatter": {"index": I, "src": X},
    "softmax": {}, "sort": {}, "squeeze": {}, "stack": {}, "sum": {}, "take_along_dim": {"indices": I},
    "tensor_split": {"indices_or_sections": 2}, "topk": {"k": 2}, "trapezoid": {}, "unbind": {}, "unsqueeze": {},
    "var": {},
}  # fmt: skip


def flat(value):
    return [t for part in value for t in flat(part)] if isinstance(value, tuple | list) else [value]


@pytest.mark.parametrize("name", WITH_DIM)
def test_axis_is_dim(name):
    function = torch
    for part in name.split("."):
        function = getattr(function, part)
    given = [X, X] if name in ("cat", "concat", "stack") else X
    more = [X] if name == "cross" else []
    if name == "cross":
        given, more = X[:, :3], [X[:, 1:]]
        expected, actual = function(given, *more, dim=1), function(given, *more, axis=1)
    else:
        expected, actual = function(given, dim=0, **WITH_DIM[name]), function(given, axis=0, **WITH_DIM[name])
    for a, b in zip(flat(actual), flat(expected), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["median", "mode", "sum", "linalg.norm", "quantile"])
def test_keepdims_is_keepdim(name):
    function = torch
    for part in name.split("."):
        function = getattr(function, part)
    more = {"q": 0.5} if name == "quantile" else {}
    for a, b in zip(
        flat(function(X, **more, dim=0, keepdims=True)),
        flat(function(X, **more, dim=0, keepdim=True)),
        strict=True,
    ):
        assert torch.equal(a, b) and a.shape == (1, 4)


def test_the_dimension_must_be_given_once():
    for call in (lambda: X.softmax(), lambda: X.unsqueeze(), lambda: torch.diff(X, dim=0, axis=0)):
        with pytest.raises(TypeError):
            call()
