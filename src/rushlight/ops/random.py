"""Random tensors: PyTorch's CPU streams (see ``core.random_streams``) in tensors, and the default generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import random_streams
from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.device import CPU, LOADERS, OF_ARRAYS, DeviceLike, device as Device, device_of, require_available
from ..core.dtypes import I64, OF_NUMPY, NumpyDType, default_numpy, dtype
from ..core.errors import no_memory
from ..core.generator import SEEDS_ELSEWHERE, Generator as Generator, default_generator as default_generator
from ..core.grad_mode import GRAD_MODE
from ..core.shapes import broadcast_shape
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from ..runtime.pending import Pending
from .array_data import checked_shape, shape_of
from .creation import check_layout, empty, empty_like, laid_out, numpy_dtype, zeros, zeros_like
from .define import Primitive
from .dispatch import attach, compute, write_out
from .inplace import check_leaf, check_no_overlap, commit
from .movement import expand

Dtype = dtype | None

# While a static graph is recorded: what takes the drawing function, the generator and the arguments in the place of drawing.
DRAW: Any = None


class _Streams:
    """The drawing functions of ``core.random_streams``, each asking first whether it should be recorded instead."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(random_streams, name)

        def draw(source: Any, *args: Any, **kwargs: Any) -> Any:
            if source.elsewhere and (DRAW is None or source.device.type == "meta"):
                return source.draw(function, *args, **kwargs)
            if DRAW is None:
                for argument in args:
                    if type(argument) is Pending:
                        args = tuple([np.asarray(a) if type(a) is Pending else a for a in args])
                        break
                try:
                    return function(source, *args, **kwargs)
                except MemoryError as error:
                    raise no_memory(error) from None
            return DRAW(function, source, args, kwargs)

        setattr(self, name, draw)
        return draw


streams: Any = _Streams()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator and return it.

    Example:
        >>> import rushlight as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.rand(2)
        tensor([0.4963, 0.7682])
    """
    seed_elsewhere(int(seed))
    if DRAW is not None:
        DRAW(_seed, default_generator, (int(seed),), {})
        return default_generator
    return default_generator.manual_seed(int(seed))


def seed_elsewhere(seed: int) -> None:
    """Seed the default generators of all other devices, also of those that no program has used yet."""
    SEEDS_ELSEWHERE.clear()
    SEEDS_ELSEWHERE[-1] = seed
    for backend in OF_ARRAYS.values():
        for generator in getattr(backend, "generators", {}).values():
            generator.manual_seed(seed)


def _seed(source: Generator, seed: int) -> Any:
    source.manual_seed(seed)
    return np.zeros((), np.bool_)


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
    return int(streams.random_integers_default(_source(generator), (), I64))


def _source(generator: Any, where: Device = CPU) -> Generator:
    """The generator that draws on ``where``: the one given, which must be of that type of device, or the default one."""
    if where.type == "meta":
        return LOADERS["meta"]().generator(where)  # type: ignore[no-any-return]
    if generator is None:
        return default_generator if where.type == "cpu" else LOADERS[where.type]().generator(where)
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be Generator, not {type(generator).__name__}")
    if generator.device.type != where.type:
        raise RuntimeError(
            f"Expected a '{where.type}' device type for generator but found '{generator.device.type}'"
        )
    return generator


def generator_beside(generator: Any, tensor: Any) -> Generator:
    """The generator for the device of ``tensor``."""
    return _source(generator, device_of(tensor._array) if isinstance(tensor, Tensor) else CPU)


def _float(value: Any, name: str) -> float:
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(f"{name}(): expected numbers, got {type(value).__name__}")
    return float(value)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, float):
        raise TypeError(f"{name}(): the bounds must be ints, got {value}")
    return int(value)


def _options(out: Tensor | None, given: Dtype, device: DeviceLike | None, layout: object) -> NumpyDType:
    require_available(device)
    check_layout(layout)
    if given is not None:
        return numpy_dtype(given)
    return default_numpy() if out is None else out._array.dtype


def _finish(array: Any, out: Tensor | None, requires_grad: bool, name: str) -> Tensor:
    if out is not None:
        return write_out(out, make_tensor(array), name)
    tensor = make_tensor(array)
    return tensor.requires_grad_(True) if requires_grad else tensor


def _tensor(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input


def _ordered_like(array: Any, values: Any) -> Any:
    """``values`` in the order of memory that a new tensor like ``array`` has."""
    if 0 in array.strides or array.flags.c_contiguous:
        return values
    return random_streams.arranged_in_memory_order(array, values)


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
        shape = checked_shape(size, name) if size and not named_size else shape_of(size, named_size, name)
        if out is None and dtype is None and device is None and layout is None:
            where = require_available(None)
            tensor = make_tensor(draw(_source(generator, where), shape, default_numpy()))
            return tensor.requires_grad_(True) if requires_grad else tensor
        kind = _options(out, dtype, device, layout)
        where = device_of(out._array) if out is not None else require_available(device)
        return _finish(draw(_source(generator, where), shape, kind), out, requires_grad, name)

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
        array = _tensor(input, name + "_like")._array
        where = device_of(array) if device is None else require_available(device)
        kind = array.dtype if dtype is None else numpy_dtype(dtype)
        if where is not CPU or type(array) in OF_ARRAYS:
            made: Tensor = empty_like(input, dtype=OF_NUMPY[kind], device=where)
            if where.type == "cuda" and made._array.flags.c_contiguous:
                drawn = draw(_source(generator, where), array.shape, kind)
                return _finish(drawn, None, requires_grad, name + "_like")
            (uniform_ if name == "rand" else normal_)(made, generator=generator)
            return _finish(made._array, None, requires_grad, name + "_like")
        if memory_format is None and array.flags.c_contiguous:
            return _finish(draw(_source(generator), array.shape, kind), None, requires_grad, name + "_like")
        try:
            if memory_format is None or str(memory_format) == "torch.preserve_format":
                target = np.empty_like(array, kind, order="C" if 0 in array.strides else "K")
            else:
                target = laid_out(np.empty(array.shape, kind), memory_format)
        except MemoryError as error:
            raise no_memory(error) from None
        if target.flags.c_contiguous:
            target = draw(_source(generator), array.shape, kind)
        else:  # the numbers that the in-place method draws for such a layout
            source = _source(generator)
            if name == "rand":
                values = streams.uniform(source, array.shape, kind, 0.0, 1.0)
            else:
                values = streams.normal(source, array.shape, kind, 0.0, 1.0, False)
            target = random_streams.arranged_in_memory_order(target, values)
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
    low: Any = None,
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
    if low is None:
        low = 0
    if size is None:
        if high is None or isinstance(high, int):
            raise TypeError("randint() received an invalid combination of arguments: give high and size")
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    shape = checked_shape((size,), "randint")
    kind = I64 if dtype is None and out is None else _options(out, dtype, device, layout)
    where = require_available(device) if out is None else device_of(out._array)
    values = streams.random_integers(
        _source(generator, where), shape, kind, _whole(low, "randint"), _whole(high, "randint")
    )
    return _finish(values, out, requires_grad, "randint")


def randint_like(
    input: Tensor,
    low: Any = None,
    high: Any = None,
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
        if low is None:
            raise TypeError("randint_like(): the argument 'high' is not given")
        low, high = 0, low
    low = 0 if low is None else low
    array = _tensor(input, "randint_like")._array
    where = device_of(array) if device is None else require_available(device)
    kind = array.dtype if dtype is None else numpy_dtype(dtype)
    values = streams.random_integers(
        _source(generator, where), input._array.shape, kind, _whole(low, "randint"), _whole(high, "randint")
    )
    if memory_format is None or str(memory_format) == "torch.preserve_format":
        values = _ordered_like(input._array, values)
    else:
        values = laid_out(values, memory_format)
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
    where = require_available(device) if out is None else device_of(out._array)
    values = streams.permutation(_source(generator, where), n, kind)
    return _finish(values, out, requires_grad, "randperm")


# The results depend on the operands, but not smoothly: the gradients are zeros.
NORMAL = Primitive(
    "normal",
    lambda mean, std: None,
    lambda g, node: tuple([None if edge is None else zeros_of(edge, g) for edge in node.edges]),
)


def zeros_of(edge: Any, g: Tensor) -> Tensor:
    return zeros(edge.shape, dtype=g.dtype, device=device_of(g._array))  # type: ignore[no-any-return]


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
    like = mean if isinstance(mean, Tensor) else std
    if isinstance(like, Tensor):
        source = generator_beside(generator, like)
    else:
        source = _source(generator, require_available(device) if out is None else device_of(out._array))
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal(): with numbers for mean and std the size must be given")
        if std < 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        kind = _options(out, dtype, device, layout)
        values = streams.normal(source, checked_shape((size,), "normal"), kind, float(mean), float(std))
        return _finish(values, out, requires_grad, "normal")
    arrays = [v._array if isinstance(v, Tensor) else v for v in (mean, std)]
    broadcast_shape(*[v._array.shape for v in (mean, std) if isinstance(v, Tensor)])  # raises PyTorch's error
    values = streams.normal_from_arrays(source, arrays[0], arrays[1])
    result: Tensor = attach(NORMAL, (mean, std), {}, values)
    return result if out is None else write_out(out, result, "normal")


BERNOULLI = Primitive("bernoulli", lambda p: None, lambda g, node: zeros_like(g))
POISSON = Primitive("poisson", lambda rate: None, lambda g, node: zeros_like(g))


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """1 with the probabilities in ``input``, else 0; no gradient flows."""
    if p is not None:
        return bernoulli_(
            empty(
                _tensor(input, "bernoulli")._array.shape, dtype=input.dtype, device=device_of(input._array)
            ),
            p,
            generator=generator,
        )
    values = streams.bernoulli_from_array(
        generator_beside(generator, input), _tensor(input, "bernoulli")._array
    )
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
    check_tensor_argument("multinomial", "input", input)
    check_flag("multinomial", "replacement", replacement)
    if isinstance(out, Tensor) and out._array.dtype != I64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype}")
    values = streams.multinomial(generator_beside(generator, input), input._array, num_samples, replacement)
    return _finish(values, out, False, "multinomial")


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers with the rates in ``input``."""
    return attach(POISSON, (input,), {}, streams.poisson(generator_beside(generator, input), input._array))  # type: ignore[no-any-return]


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
        random_streams.fill_in_memory_order(ordered, values)
        return commit(self, make_tensor(ordered), name)
    if array.flags.c_contiguous:
        array[...] = values
    else:
        random_streams.fill_in_memory_order(array, values)
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.mark_changed(name)
    return self


def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **named: Any
) -> Tensor:
    """Numbers drawn evenly from ``[from, to)`` written over this tensor's."""
    low, to = _float(named.pop("from", from_), "uniform_"), _float(to, "uniform_")
    _no_more(named, "uniform_")
    source = generator_beside(generator, self)
    return _fill(self, lambda kind: streams.uniform(source, self._array.shape, kind, low, to), "uniform_")


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers written over this tensor's."""
    source, array = generator_beside(generator, self), self._array
    mean, std = _float(mean, "normal_"), _float(std, "normal_")
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
    if len(bounds) > 2:
        raise TypeError(f"random_() takes at most 2 bounds, got {len(bounds)}")
    if len(bounds) == 1:
        low, high = (0, bounds[0]) if high is None else (bounds[0], high)
    elif len(bounds) == 2:
        low, high = bounds
    source, shape = generator_beside(generator, self), self._array.shape
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
    source, array = generator_beside(generator, self), self._array
    if isinstance(p, Tensor):
        chances = expand(p, array.shape)._array
        return _fill(self, lambda kind: streams.bernoulli_from_array(source, chances, kind), "bernoulli_")
    return _fill(self, lambda kind: streams.bernoulli(source, array.shape, kind, float(p)), "bernoulli_")


def _parametrised(name: str, draw: Callable[..., Any], defaults: dict[str, float], doc: str) -> Any:
    names = list(defaults) or ["p"]  # geometric_ alone has no default

    def method(self: Tensor, *args: float, generator: Generator | None = None, **named: float) -> Tensor:
        if len(args) > len(names):
            raise TypeError(f"{name}() takes at most {len(names)} positional arguments, got {len(args)}")
        values = {**defaults, **dict(zip(names, args, strict=False)), **named}
        _no_more({key: v for key, v in values.items() if key not in names}, name)
        for key in names:
            if key not in values:
                raise TypeError(f"{name}() missing 1 required positional argument: '{key}'")
        source, shape = generator_beside(generator, self), self._array.shape
        return _fill(
            self, lambda kind: draw(source, shape, kind, *[_float(values[key], name) for key in names]), name
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
geometric_ = _parametrised("geometric_", streams.geometric, {}, "Numbers of trials until the first success.")
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
    noise = streams.dropout_noise(generator_beside(generator, input), array.shape, array.dtype, p)
    if array.flags.c_contiguous or 0 in array.strides:
        return noise
    return random_streams.arranged_in_memory_order(array, noise)


METHODS: dict[str, Any] = {
    "uniform_": uniform_,
    "normal_": normal_,
    "random_": random_,
    "bernoulli_": bernoulli_,
    "bernoulli": bernoulli,
    "multinomial": multinomial,
    "exponential_": exponential_,
    "geometric_": geometric_,
    "log_normal_": log_normal_,
    "cauchy_": cauchy_,
}
