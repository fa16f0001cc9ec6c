"""A softmax over many classes, the rare ones in clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..core.tensor import Tensor
from ..ops.activations import log_softmax
from ..ops.creation import empty, zeros
from ..ops.joining import cat
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """An approximate log-softmax that is fast for many classes of which most are rare, with its loss.

    Classes are numbered from the most frequent; ``cutoffs`` says where the clusters of rarer classes begin, each of
    which gets a projection ``div_value`` times narrower than that of the one before. A call takes ``(N, in_features)`` and
    the classes ``(N)``, or one sample, and gives ``output``, the log-probability of each sample's class, and ``loss``,
    minus their mean. Raises ``ValueError`` for cutoffs that do not increase, and on call ``RuntimeError`` for classes out
    of range and shapes that do not fit.
    Grave, Joulin, Cissé, Grangier and Jégou, "Efficient softmax approximation for GPUs", 2017.

    Example:
        >>> import rushlight as torch
        >>> loss = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10])
        >>> loss(torch.ones(3, 16), torch.tensor([0, 7, 19])).output.shape
        torch.Size([3])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value "
                "is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            projection = Linear(in_features, width, False, device, dtype)
            self.tail.append(Sequential(projection, Linear(width, size, False, device, dtype)))

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        self.head.reset_parameters()
        for projection, classes in self.tail:  # type: ignore[attr-defined]
            projection.reset_parameters()
            classes.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        dims = target_.dim()
        if dims == 1:
            if input_.shape[0] != target_.shape[0]:
                raise RuntimeError("Input and target should have the same size in the batch dimension.")
            if input_.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input_.shape}"
                )
        elif dims == 0:
            if input_.dim() != 1:
                raise RuntimeError(
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input_.shape}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        x, target = (input_, target_) if dims else (input_.unsqueeze(0), target_.unsqueeze(0))
        batch = target.shape[0]
        output = zeros(batch, dtype=x.dtype)
        places = empty(batch, dtype=target.dtype)
        used = 0
        for i, (low, high) in enumerate(zip([0, *self.cutoffs], self.cutoffs, strict=False)):
            here = (target >= low) & (target < high)
            rows = here.nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            if i == 0:
                places.index_copy_(0, rows, target[here])
            else:
                cluster = log_softmax(self.tail[i - 1](x.index_select(0, rows)), 1)
                places.index_fill_(0, rows, self.shortlist_size + i - 1)
                chosen = cluster.gather(1, (target[here] - low).unsqueeze(1))
                output = output.index_copy(0, rows, chosen.squeeze(1))
            used += rows.numel()
        if used != batch:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        head = log_softmax(self.head(x), 1)
        output = output + head.gather(1, places.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if dims else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: ``(N, in_features)`` to ``(N, n_classes)``."""
        return self._get_full_log_prob(input, self.head(input))

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        head = log_softmax(head_output, 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            place = self.shortlist_size + i
            parts.append(log_softmax(cluster(input), 1) + head[:, place : place + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each sample: ``(N, in_features)`` to ``(N)``."""
        head = self.head(input)
        best = head.argmax(1)
        in_tail = best >= self.shortlist_size
        if not bool(in_tail.any()):
            return best  # type: ignore[no-any-return]
        best[in_tail] = self._get_full_log_prob(input[in_tail], head[in_tail]).argmax(1)
        return best  # type: ignore[no-any-return]
