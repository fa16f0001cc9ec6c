"""Random tensors: PyTorch's CPU streams (see ``core.random_streams``) in tensors, and the default generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import random_streams as streams
from ..core.device import DeviceLike, require_available
from ..core.dtypes import I64, NumpyDType, default_numpy, dtype
from ..core.generator import Generator as Generator, default_generator as default_generator
from ..core.grad_mode import GRAD_MODE
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from .array_data import checked_shape, shape_of
from .creation import check_layout
from .define import Primitive
from .dispatch import attach, compute, write_out
from .inplace import check_leaf, check_no_overlap, commit

Dtype = dtype | None


def manual_seed(seed: int) -> Generator:
    """Seed the default generator and return it.

    Example:
        >>> import rushlight as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.rand(2)
        tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the system's entropy and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was given last."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put a state from ``get_rng_state`` back."""
    default_generator.set_state(new_state)


def draw_seed(generator: Generator | None) -> int:
    """A seed for another generator, drawn as PyTorch's data loading draws it."""
    return int(streams.random_integers_default(generator or default_generator, (), I64))


def _options(out: Tensor | None, given: Dtype, device: DeviceLike | None, layout: object) -> NumpyDType:
    require_available(device)
    check_layout(layout)
    if given is not None:
        return given.numpy
    return default_numpy() if out is None else out._array.dtype


def _finish(array: Any, out: Tensor | None, requires_grad: bool, name: str) -> Tensor:
    if out is not None:
        return write_out(out, make_tensor(array), name)
    tensor = make_tensor(array)
    return tensor.requires_grad_(True) if requires_grad else tensor


def _floats(name: str, draw: Callable[..., Any], doc: str) -> Any:
    def function(
        *size: Any,
        generator: Generator | None = None,
        out: Tensor | None = None,
        dtype: Dtype = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        **named_size: Any,
    ) -> Tensor:
        shape = shape_of(size, named_size, name)
        kind = _options(out, dtype, device, layout)
        return _finish(draw(generator or default_generator, shape, kind), out, requires_grad, name)

    def like(
        input: Tensor,
        *,
        generator: Generator | None = None,
        dtype: Dtype = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        memory_format: object = None,
    ) -> Tensor:
        require_available(device)
        array = input._array
        target = np.empty_like(
            array, array.dtype if dtype is None else dtype.numpy, order="C" if 0 in array.strides else "K"
        )
        values = draw(generator or default_generator, array.shape, target.dtype)
        if target.flags.c_contiguous:
            target = values
        else:
            streams.fill_in_memory_order(target, values)
        return _finish(target, None, requires_grad, name + "_like")

    function.__name__ = function.__qualname__ = name
    like.__name__ = like.__qualname__ = name + "_like"
    function.__doc__ = doc
    like.__doc__ = f"``{name}`` in the shape and dtype of ``input``."
    return function, like


rand, rand_like = _floats(
    "rand",
    streams.uniform,
    "Numbers drawn evenly from [0, 1), in the given shape and the default dtype unless given.",
)
randn, randn_like = _floats(
    "randn",
    streams.normal,
    "Normal numbers of mean 0 and variance 1, in the given shape and the default dtype unless given.",
)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Whole numbers from ``[low, high)``; ``randint(high, size)`` starts at 0. int64 unless given."""
    if size is None:
        if high is None or isinstance(high, int):
            raise TypeError("randint() received an invalid combination of arguments: give high and size")
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    shape = checked_shape((size,), "randint")
    kind = I64 if dtype is None and out is None else _options(out, dtype, device, layout)
    require_available(device)
    values = streams.random_integers(generator or default_generator, shape, kind, int(low), int(high))
    return _finish(values, out, requires_grad, "randint")


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``randint`` in the shape and dtype of ``input``."""
    if high is None:
        low, high = 0, low
    require_available(device)
    kind = input._array.dtype if dtype is None else dtype.numpy
    values = streams.random_integers(
        generator or default_generator, input._array.shape, kind, int(low), int(high)
    )
    return _finish(values, None, requires_grad, "randint_like")


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order, as int64 unless given."""
    kind = I64 if dtype is None and out is None else _options(out, dtype, device, layout)
    require_available(device)
    return _finish(
        streams.permutation(generator or default_generator, n, kind), out, requires_grad, "randperm"
    )


NORMAL = Primitive(
    "normal", lambda mean, std: None, lambda g, node: (None, None)
)  # torch.normal's result depends on its operands, but has no gradient to give them


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers: ``normal(mean, std, size)`` with numbers, or one for each element of tensors ``mean`` and ``std``.

    Raises ``RuntimeError`` for a negative ``std``.
    """
    source = generator or default_generator
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal(): with numbers for mean and std the size must be given")
        if std < 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        kind = _options(out, dtype, device, layout)
        values = streams.normal(source, checked_shape((size,), "normal"), kind, float(mean), float(std))
        return _finish(values, out, requires_grad, "normal")
    arrays = [v._array if isinstance(v, Tensor) else v for v in (mean, std)]
    values = streams.normal_from_arrays(source, arrays[0], arrays[1])
    result: Tensor = attach(NORMAL, (mean, std), {}, values)
    return result if out is None else write_out(out, result, "normal")


BERNOULLI = Primitive("bernoulli", lambda p: None, lambda g, node: None)


def bernoulli(input: Tensor, *, generator: Generator | None = None, out: Tensor | None = None) -> Tensor:
    """1 with the probabilities in ``input``, else 0; no gradient flows."""
    values = streams.bernoulli_from_array(generator or default_generator, input._array)
    result: Tensor = attach(BERNOULLI, (input,), {}, values)
    return result if out is None else write_out(out, result, "bernoulli")


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``num_samples`` category numbers for each row of weights, int64.

    Raises ``RuntimeError`` for negative or non-finite weights, a row of zeros, and more samples than categories without
    replacement.
    """
    values = streams.multinomial(generator or default_generator, input._array, num_samples, replacement)
    return _finish(values, out, False, "multinomial")


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers with the rates in ``input``."""
    return make_tensor(streams.poisson(generator or default_generator, input._array))


# --- in place ---------------------------------------------------------------------------------------------------------


def _fill(self: Tensor, draw: Callable[[NumpyDType], Any], name: str) -> Tensor:
    array = self._array
    check_no_overlap(array)
    recording = GRAD_MODE.get()
    if recording:
        check_leaf(self)
    values = draw(array.dtype)
    if recording and (self._node is not None or self._view is not None):
        ordered = np.empty_like(array)
        streams.fill_in_memory_order(ordered, values)
        return commit(self, make_tensor(ordered), name)
    if array.flags.c_contiguous:
        array[...] = values
    else:
        streams.fill_in_memory_order(array, values)
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.mark_changed(name)
    return self


def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **named: Any
) -> Tensor:
    """Numbers drawn evenly from ``[from, to)`` written over this tensor's."""
    low = named.pop("from", from_)
    _no_more(named, "uniform_")
    source = generator or default_generator
    return _fill(
        self, lambda kind: streams.uniform(source, self._array.shape, kind, float(low), float(to)), "uniform_"
    )


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers written over this tensor's."""
    source, array = generator or default_generator, self._array
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    contiguous = array.flags.c_contiguous
    return _fill(
        self,
        lambda kind: streams.normal(source, array.shape, kind, float(mean), float(std), contiguous),
        "normal_",
    )


def random_(self: Tensor, *bounds: Any, generator: Generator | None = None, **named: Any) -> Tensor:
    """Whole numbers written over this tensor's: ``random_()``, ``random_(to)`` or ``random_(from, to)``."""
    low, high = named.pop("from", None), named.pop("to", None)
    _no_more(named, "random_")
    if len(bounds) == 1:
        low, high = (0, bounds[0]) if high is None else (bounds[0], high)
    elif len(bounds) == 2:
        low, high = bounds
    source, shape = generator or default_generator, self._array.shape
    if low is None and high is None:
        return _fill(self, lambda kind: streams.random_integers_default(source, shape, kind), "random_")
    if high is None:
        return _fill(
            self, lambda kind: streams.random_integers_from(source, shape, kind, int(low)), "random_"
        )
    return _fill(
        self, lambda kind: streams.random_integers(source, shape, kind, int(low or 0), int(high)), "random_"
    )


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability ``p`` (a number or a tensor), else 0, written over this tensor's elements."""
    source, array = generator or default_generator, self._array
    if isinstance(p, Tensor):
        chances = np.broadcast_to(p._array, array.shape)
        return _fill(self, lambda kind: streams.bernoulli_from_array(source, chances, kind), "bernoulli_")
    return _fill(self, lambda kind: streams.bernoulli(source, array.shape, kind, float(p)), "bernoulli_")


def _parametrised(name: str, draw: Callable[..., Any], defaults: dict[str, float], doc: str) -> Any:
    names = list(defaults)

    def method(self: Tensor, *args: float, generator: Generator | None = None, **named: float) -> Tensor:
        values = {**defaults, **dict(zip(names, args, strict=False)), **named}
        _no_more({key: v for key, v in values.items() if key not in defaults}, name)
        source, shape = generator or default_generator, self._array.shape
        return _fill(
            self, lambda kind: draw(source, shape, kind, *[float(values[key]) for key in names]), name
        )

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    return method


def _no_more(named: dict[str, Any], name: str) -> None:
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")


exponential_ = _parametrised(
    "exponential_", streams.exponential, {"lambd": 1.0}, "Exponential numbers of rate ``lambd``."
)
geometric_ = _parametrised(
    "geometric_", streams.geometric, {"p": 0.5}, "Numbers of trials until the first success."
)
log_normal_ = _parametrised(
    "log_normal_", streams.log_normal, {"mean": 1.0, "std": 2.0}, "Numbers whose logarithm is normal."
)
cauchy_ = _parametrised("cauchy_", streams.cauchy, {"median": 0.0, "sigma": 1.0}, "Cauchy numbers.")


# --- dropout ----------------------------------------------------------------------------------------------------------

DROPOUT = Primitive(
    "dropout",
    lambda x, noise: x * noise,
    lambda g, node: g * make_tensor(node.attrs["noise"]),
    grad_name="MulBackward0",
)


def dropout(input: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """``input`` with each element zeroed with probability ``p`` and the others scaled by ``1 / (1 - p)``.

    Srivastava et al., "Dropout", 2014. The mask is PyTorch's for the same seed.
    """
    array = input._array
    noise = dropout_noise(input, p, generator)
    return attach(DROPOUT, (input,), {"noise": noise}, compute(np.multiply, (array, noise), {}))  # type: ignore[no-any-return]


def dropout_noise(input: Tensor, p: float, generator: Generator | None = None) -> Any:
    """What dropout multiplies ``input`` by, drawn in the order of its memory."""
    array = input._array
    noise = streams.dropout_noise(generator or default_generator, array.shape, array.dtype, p)
    if array.flags.c_contiguous or 0 in array.strides:
        return noise
    ordered = np.empty_like(array)
    streams.fill_in_memory_order(ordered, noise)
    return ordered


METHODS: dict[str, Any] = {
    "uniform_": uniform_,
    "normal_": normal_,
    "random_": random_,
    "bernoulli_": bernoulli_,
    "bernoulli": lambda self, p=None, *, generator=None: (
        bernoulli(self, generator=generator)
        if p is None
        else bernoulli_(make_tensor(np.empty_like(self._array)), p)
    ),
    "multinomial": multinomial,
    "exponential_": exponential_,
    "geometric_": geometric_,
    "log_normal_": log_normal_,
    "cauchy_": cauchy_,
}
