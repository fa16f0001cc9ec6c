"""``torch.quasirandom``: points that fill the unit cube more evenly than random ones.

Sources: I. Sobol, "On the distribution of points in a cube and the approximate evaluation of integrals", 1967; S. Joe and
F. Kuo, "Constructing Sobol sequences with better two-dimensional projections", 2008 (the direction numbers, which come with
SciPy); J. Matousek, "On the L2-discrepancy for anchored boxes", 1998 (the scrambling).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .core.dtypes import dtype as _dtype, get_default_dtype
from .core.generator import Generator
from .core.tensor import Tensor
from .ops.creation import from_numpy
from .ops.movement import cast
from .ops.random import randint

__all__ = ["SobolEngine"]
_PLACES: Final = np.arange(30)


class SobolEngine:
    """The points of a Sobol sequence in ``[0, 1)^dimension``, the same ones as PyTorch's for the same ``seed``.

    ``scramble``: a random linear map and shift of the binary digits, which keep the points evenly spread; ``seed`` makes
    it reproducible. The direction numbers are read from SciPy, which must be installed.

    Raises:
        ValueError: for a dimension outside of 1 to 21201.
        NotImplementedError: without SciPy.

    Example:
        >>> import rushlight as torch
        >>> torch.quasirandom.SobolEngine(2).draw(4)
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [0.7500, 0.2500],
                [0.2500, 0.7500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}], but got {dimension}"
            )
        self.dimension, self.scramble, self.seed = dimension, scramble, seed
        directions = _direction_numbers(dimension)
        shift = np.zeros(dimension, np.int64)
        if scramble:
            shift, directions = self._scrambled(directions)
        self.sobolstate = from_numpy(directions)
        self.shift = from_numpy(shift)
        self.quasi = self.shift.clone()
        self.num_generated = 0

    def _scrambled(self, directions: Any) -> tuple[Any, Any]:
        generator = Generator()
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed)
        bits = self.MAXBIT
        shift_bits = randint(2, (self.dimension, bits), generator=generator).numpy()
        matrices = np.tril(randint(2, (self.dimension, bits, bits), generator=generator).numpy())
        matrices[:, _PLACES, _PLACES] = 1
        digits = (
            directions[:, None, :] >> _PLACES[::-1, None] & 1
        )  # (dimension, digit from the first on, number)
        mapped = (matrices @ digits) % 2
        return shift_bits @ (1 << _PLACES), np.einsum("dpj,p->dj", mapped, 1 << _PLACES[::-1])

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: _dtype | None = None) -> Tensor:
        """The next ``n`` points: (n, dimension), of ``dtype`` or the default dtype; also written to ``out``, which is resized.

        Example:
            >>> import rushlight as torch
            >>> torch.quasirandom.SobolEngine(1).draw(3).squeeze()
            tensor([0.0000, 0.5000, 0.7500])
        """
        numbers = self._next(n)
        self.quasi = from_numpy(numbers[-1].copy()) if n else self.quasi
        self.num_generated += n
        points = cast(from_numpy(numbers * 2.0**-self.MAXBIT), (dtype or get_default_dtype()).numpy)
        if out is None:
            return points
        out.resize_as_(points).copy_(points)
        return out

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: _dtype | None = None) -> Tensor:
        """The next ``2**m`` points. Raises ``ValueError`` unless the number of all points drawn is then a power of 2.

        Example:
            >>> import rushlight as torch
            >>> torch.quasirandom.SobolEngine(3).draw_base2(4).shape
            torch.Size([16, 3])
        """
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: n={self.num_generated}+2**{m}={total}. "
                "If you still want to do this, please use 'SobolEngine.draw()' instead."
            )
        return self.draw(n=n, out=out, dtype=dtype)

    def reset(self) -> SobolEngine:
        """Start again at the first point."""
        self.quasi = self.shift.clone()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out ``n`` points.

        Example:
            >>> import rushlight as torch
            >>> torch.quasirandom.SobolEngine(1).fast_forward(2).draw()
            tensor([[0.7500]])
        """
        if n:
            self.quasi = from_numpy(self._at(self.num_generated + n - 1)[0])
            self.num_generated += n
        return self

    def _next(self, n: int) -> Any:
        return self._at(np.arange(self.num_generated, self.num_generated + n))

    def _at(self, places: Any) -> Any:
        """The points of these places of the sequence, times ``2**MAXBIT``."""
        places = np.atleast_1d(np.asarray(places, np.int64))
        chosen = places ^ (places >> 1)  # the Gray code says which direction numbers come together
        directions = self.sobolstate.numpy()
        numbers = np.broadcast_to(self.shift.numpy(), (len(places), self.dimension)).copy()
        for bit in range(int(chosen.max(initial=0)).bit_length()):
            numbers[chosen >> bit & 1 == 1] ^= directions[:, bit]
        return numbers

    def __repr__(self) -> str:
        text = f"dimension={self.dimension}"
        if self.scramble:
            text += ", scramble=True"
        if self.seed is not None:
            text += f", seed={self.seed}"
        return f"{type(self).__name__}({text})"


def _direction_numbers(dimension: int) -> Any:
    try:
        from scipy.stats.qmc import Sobol
    except ImportError:
        raise NotImplementedError(
            "SobolEngine: the direction numbers are read from SciPy, which is not installed; pip install scipy"
        ) from None
    found = getattr(Sobol(dimension, scramble=False, bits=SobolEngine.MAXBIT), "_sv", None)
    if found is None or found.shape != (dimension, SobolEngine.MAXBIT):
        raise NotImplementedError("SobolEngine: this version of SciPy does not give its direction numbers")
    return found.astype(np.int64)
