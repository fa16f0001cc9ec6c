"""``Dataset``: a description of a sequence of elements, made of others by ``map``, ``batch`` and so on.

While a graph runs, an element is a list of NumPy arrays. The functions that a program gives (to ``map``, …) are blocks of the
graph; they are run for each element, on what the session's variables hold then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator as PythonIterator, Sequence
from typing import Any

import numpy as np

from .. import dtypes, errors
from ..control_flow import Body
from ..conversion import convert_to_tensor, make_array
from ..graph import Operand, Tensor, get_default_graph
from ..tensor_shape import SCALAR, TensorShape
from .element import Part, as_array, as_value, batched, either, entry, leaves, mapped, packed
from .iterator import Iterator, _parts
from .steps import Element, groups, interleaved, padded, stacked, taken

Start = Callable[[], PythonIterator[Element]]  # begins at the first element
Env = dict[Any, Any]  # the values of the tensors that a pipeline is made of


class Dataset:
    """A sequence of elements. ``parts`` describes them; ``start`` makes what runs from the values of ``sources``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     data = tf.data.Dataset.from_tensor_slices([1, 2, 3, 4, 5]).map(lambda x: x * 10).batch(2)
        ...     element = data.make_one_shot_iterator().get_next()
        ...     print(session.run(element), session.run(element), session.run(element))
        [10 20] [30 40] [50]
    """

    def __init__(
        self,
        parts: Any,
        start: Callable[[Env, Any], Start],
        sources: Sequence[Tensor] = (),
        inputs: Sequence[Dataset] = (),
    ) -> None:
        self._parts = parts
        self._start = start
        self._sources = list(sources)
        self._inputs = list(inputs)

    def _all_sources(self) -> list[Tensor]:
        found = dict.fromkeys(self._sources)
        for dataset in self._inputs:
            found.update(dict.fromkeys(dataset._all_sources()))
        return list(found)

    def _begin(self, state: Any) -> PythonIterator[Element]:
        """At the first element, with the sources' values computed for the occasion."""
        from ..executor import Plan

        sources = self._all_sources()
        values = Plan(state, sources, [], []).run() if sources else ()
        return self._start(dict(zip(sources, values, strict=True)), state)()

    # --- what it is ---

    @property
    def output_types(self) -> Any:
        """The types of the elements' components."""
        return mapped(lambda part: part.dtype, self._parts)

    @property
    def output_shapes(self) -> Any:
        """What is known of the shapes of the elements' components."""
        return mapped(lambda part: part.shape, self._parts)

    @property
    def output_classes(self) -> Any:
        """``tf.Tensor`` for each component."""
        return mapped(lambda part: Tensor, self._parts)

    @property
    def element_spec(self) -> Any:
        """Types and shapes of the elements' components."""
        return self._parts

    def __repr__(self) -> str:
        return f"<Dataset shapes: {self.output_shapes}, types: {self.output_types}>"

    def make_one_shot_iterator(self) -> Iterator:
        """An iterator that begins by itself, once in a session."""
        for source in self._all_sources():
            _refuse_placeholders(source)
        return Iterator(self._parts, self, one_shot=True)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Iterator:
        """An iterator that begins whenever its ``initializer`` is run."""
        return Iterator(self._parts, self)

    # --- making one ---

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """A data set with one element."""
        structure = mapped(convert_to_tensor, tensors)
        sources = leaves(structure)

        def start(env: Env, state: Any) -> Start:
            return lambda: iter([[as_array(env[source]) for source in sources]])

        return Dataset(mapped(lambda t: Part(t.dtype, t.shape), structure), start, sources)

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The slices along the first axis as elements. ``ValueError`` if the extents differ."""
        structure = mapped(convert_to_tensor, tensors)
        sources = leaves(structure)
        counts = set()
        for source in sources:
            if source.shape.ndims == 0:
                raise ValueError("Unbatching a tensor is only supported for rank >= 1")
            if source.shape.extents and source.shape.extents[0] is not None:
                counts.add(source.shape.extents[0])
        if len(counts) > 1:
            a, b = sorted(counts)[:2]
            raise ValueError(f"Dimensions {a} and {b} are not compatible")

        def start(env: Env, state: Any) -> Start:
            arrays = [as_array(env[source]) for source in sources]
            if len({len(array) for array in arrays}) > 1:
                raise errors.InvalidArgumentError(
                    None, None, f"the components have different lengths: {[len(array) for array in arrays]}"
                )
            return lambda: iter([[array[i] for array in arrays] for i in range(len(arrays[0]))])

        return Dataset(mapped(lambda t: entry(Part(t.dtype, t.shape)), structure), start, sources)

    @staticmethod
    def from_generator(
        generator: Callable[..., Any], output_types: Any, output_shapes: Any = None, args: Sequence[Any] = ()
    ) -> Dataset:
        """What ``generator(*args)`` gives, called whenever the data set begins, as elements of these types and shapes."""
        if not callable(generator):
            raise TypeError("`generator` must be a Python callable.")
        parts = _parts(output_types, output_shapes)
        flat = leaves(parts)
        given = [convert_to_tensor(item) for item in args]

        def converted(value: Any) -> Element:
            if isinstance(parts, tuple) and isinstance(value, list):
                value = tuple(value)
            found = leaves(value) if isinstance(parts, tuple | dict) else [value]
            if len(found) != len(flat):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    "TypeError: `generator` yielded an element that did not match the expected structure. The expected "
                    f"structure was {mapped(lambda part: part.dtype, parts)}, but the yielded element was {value!r}.",
                )
            arrays = []
            for item, part in zip(found, flat, strict=True):
                try:
                    array = make_array(item, part.dtype)
                except (TypeError, ValueError) as error:
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        "TypeError: `generator` yielded an element that could not be converted to the expected type. The "
                        f"expected type was {part.dtype.name}, but the yielded element was {item!r}.",
                    ) from error
                if not part.shape.is_compatible_with(TensorShape(array.shape)):
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"ValueError: `generator` yielded an element of shape {array.shape} where an element of shape "
                        f"{part.shape} was expected.",
                    )
                arrays.append(array)
            return arrays

        def start(env: Env, state: Any) -> Start:
            arguments = [as_array(env[tensor]) for tensor in given]

            def run() -> PythonIterator[Element]:
                for value in generator(*arguments):
                    yield converted(value)

            return run

        return Dataset(parts, start, given)

    @staticmethod
    def range(*args: Any) -> Dataset:
        """The numbers of Python's ``range``, int64."""

        def start(env: Env, state: Any) -> Start:
            numbers = [_number(item, env) for item in args]
            return lambda: ([np.asarray(i, np.int64)] for i in range(*numbers))

        return Dataset(Part(dtypes.int64, SCALAR), start, [item for item in args if isinstance(item, Tensor)])

    @staticmethod
    def zip(datasets: Any) -> Dataset:
        """Structures of the elements of several data sets, as long as the shortest of them."""
        every = leaves(datasets)
        if not every or not all(isinstance(item, Dataset) for item in every):
            raise TypeError(
                "The argument to `Dataset.zip()` must be a nested structure of `Dataset` objects."
            )

        def start(env: Env, state: Any) -> Start:
            starts = [dataset._start(env, state) for dataset in every]

            def run() -> PythonIterator[Element]:
                for columns in zip(*[begin() for begin in starts]):  # noqa: B905  (the shortest ends it)
                    yield [array for column in columns for array in column]

            return run

        return Dataset(packed(datasets, [dataset._parts for dataset in every]), start, inputs=every)

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: int | None = None) -> Dataset:
        """The names of the files that match a pattern, or several; in random order unless ``shuffle`` is False."""
        import glob

        patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
        names = sorted([name for pattern in patterns for name in glob.glob(pattern)])
        if not names:
            raise errors.NotFoundError(None, None, f"No files matched pattern: {', '.join(patterns)}")
        found = Dataset.from_tensor_slices(names)
        return found if shuffle is False else found.shuffle(len(names), seed)

    # --- order and number ---

    def _stream(
        self, transform: Callable[..., PythonIterator[Element]], *numbers: Any, parts: Any = None
    ) -> Dataset:
        """The elements that ``transform(start, *numbers)`` makes of this data set's."""

        def start(env: Env, state: Any) -> Start:
            begin, values = self._start(env, state), [_number(item, env) for item in numbers]
            return lambda: transform(begin, *values)

        sources = [convert_to_tensor(item) for item in numbers if isinstance(item, Operand)]
        return Dataset(self._parts if parts is None else parts, start, sources, [self])

    def repeat(self, count: Any = None) -> Dataset:
        """The elements again and again, ``count`` times, or without an end."""

        def run(begin: Start, times: int | None) -> PythonIterator[Element]:
            turn = 0
            while times is None or times < 0 or turn < times:
                turn += 1
                empty = True
                for element in begin():
                    empty = False
                    yield element
                if empty:
                    return

        return self._stream(run, count)

    def take(self, count: Any) -> Dataset:
        """The first ``count`` elements; all for -1."""

        def run(begin: Start, number: int) -> PythonIterator[Element]:
            if number == 0:
                return
            for i, element in enumerate(begin(), 1):
                yield element
                if i == number:
                    return

        return self._stream(run, count)

    def skip(self, count: Any) -> Dataset:
        """The elements after the first ``count``; none for -1."""

        def run(begin: Start, number: int) -> PythonIterator[Element]:
            for i, element in enumerate(begin()):
                if i >= number >= 0:
                    yield element

        return self._stream(run, count)

    def shard(self, num_shards: Any, index: Any) -> Dataset:
        """Every ``num_shards``-th element, from ``index`` on."""

        def run(begin: Start, shards: int, first: int) -> PythonIterator[Element]:
            return (element for i, element in enumerate(begin()) if i % shards == first)

        return self._stream(run, num_shards, index)

    def concatenate(self, dataset: Dataset) -> Dataset:
        """These elements, then those of another data set of the same types."""
        parts = [either(a, b) for a, b in zip(leaves(self._parts), leaves(dataset._parts), strict=True)]

        def start(env: Env, state: Any) -> Start:
            first, second = self._start(env, state), dataset._start(env, state)

            def run() -> PythonIterator[Element]:
                yield from first()
                yield from second()

            return run

        return Dataset(packed(self._parts, parts), start, inputs=[self, dataset])

    def enumerate(self, start: int = 0) -> Dataset:
        """Pairs of a number and an element."""

        def run(begin: Start, first: int) -> PythonIterator[Element]:
            return ([np.asarray(i, np.int64), *element] for i, element in enumerate(begin(), first))

        return self._stream(run, start, parts=(Part(dtypes.int64, SCALAR), self._parts))

    def shuffle(
        self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """The elements in random order: each is drawn from ``buffer_size`` that are waiting.

        The order follows from ``seed`` and the graph's; it is not the one that TensorFlow would give.
        """
        if isinstance(buffer_size, int) and buffer_size <= 0:
            raise ValueError("buffer_size must be greater than zero.")
        graph_seed = get_default_graph().seed
        again = reshuffle_each_iteration is None or reshuffle_each_iteration

        def start(env: Env, state: Any) -> Start:
            begin, size = self._start(env, state), _number(buffer_size, env)
            own = _number(seed, env) if seed is not None else None
            fixed = None if own is None and graph_seed is None else [graph_seed or 0, own or 0]
            turns = 0
            chance = np.random.default_rng(fixed)
            first = int(chance.integers(2**31))

            def run() -> PythonIterator[Element]:
                nonlocal turns
                draw = np.random.default_rng([first, turns if again else 0])
                turns += 1
                waiting: list[Element] = []
                for element in begin():
                    waiting.append(element)
                    if len(waiting) >= size:
                        yield taken(waiting, draw)
                while waiting:
                    yield taken(waiting, draw)

            return run

        sources = [convert_to_tensor(item) for item in (buffer_size, seed) if isinstance(item, Operand)]
        return Dataset(self._parts, start, sources, [self])

    def cache(self, filename: Any = "") -> Dataset:
        """The elements, kept in memory once they all were there."""

        def start(env: Env, state: Any) -> Start:
            begin = self._start(env, state)
            kept: list[list[Element]] = []

            def run() -> PythonIterator[Element]:
                if kept:
                    yield from kept[0]
                    return
                every = []
                for element in begin():
                    every.append(element)
                    yield element
                kept.append(every)

            return run

        return Dataset(self._parts, start, inputs=[self])

    def prefetch(self, buffer_size: Any = None) -> Dataset:
        """The data set itself: elements are made when they are asked for."""
        return self._stream(lambda begin: begin())

    def with_options(self, options: Any) -> Dataset:
        """The data set itself."""
        return self.prefetch()

    def _ignoring_errors(self) -> Dataset:
        def run(begin: Start) -> PythonIterator[Element]:
            elements = begin()
            while True:
                try:
                    element = next(elements, None)
                except errors.OpError:
                    continue
                if element is None:
                    return
                yield element

        return self._stream(run)

    # --- batches ---

    def batch(self, batch_size: Any, drop_remainder: bool = False, **_: Any) -> Dataset:
        """``batch_size`` elements at a time, stacked; the last batch may be smaller."""
        count = batch_size if drop_remainder and isinstance(batch_size, int) else None

        def run(begin: Start, size: int) -> PythonIterator[Element]:
            if size <= 0:
                raise errors.InvalidArgumentError(None, None, "Batch size must be greater than zero.")
            for group in groups(begin(), size, drop_remainder):
                yield [stacked(column) for column in zip(*group, strict=True)]

        parts = mapped(lambda part: batched(part, count), self._parts)
        return self._stream(run, batch_size, parts=parts)

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Batches of elements of different shapes, each filled up to ``padded_shapes`` (None: to the largest of the batch)."""
        flat = leaves(self._parts)
        if padded_shapes is None:
            wanted = [part.shape for part in flat]
        else:
            types = mapped(lambda part: part.dtype, self._parts)
            wanted = [part.shape for part in leaves(_parts(types, padded_shapes))]
        fillers = [None] * len(flat)
        if padding_values is not None:
            given = leaves(padding_values)
            fillers = given * len(flat) if len(given) == 1 else given
        count = batch_size if drop_remainder and isinstance(batch_size, int) else None

        def run(begin: Start, size: int) -> PythonIterator[Element]:
            for group in groups(begin(), size, drop_remainder):
                columns = zip(zip(*group, strict=True), wanted, fillers, flat, strict=True)
                yield [padded(column, shape, filler, part) for column, shape, filler, part in columns]

        parts = [batched(Part(part.dtype, shape), count) for part, shape in zip(flat, wanted, strict=True)]
        return self._stream(run, batch_size, parts=packed(self._parts, parts))

    def unbatch(self) -> Dataset:
        """The entries of each element along the first axis as elements."""

        def run(begin: Start) -> PythonIterator[Element]:
            for element in begin():
                yield from [[array[i] for array in element] for i in range(len(element[0]))]

        return self._stream(run, parts=mapped(entry, self._parts))

    def window(
        self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False
    ) -> Dataset:
        """Not available: elements are tensors here, not data sets."""
        raise NotImplementedError(
            "Dataset.window: elements that are data sets are not available; use batch()"
        )

    # --- functions ---

    def _called(self, function: Callable[..., Any]) -> Body:
        """``function`` of an element, as a block of the graph; a tuple is given as several arguments."""
        parts = self._parts
        graph = get_default_graph()

        def of_leaves(*tensors: Tensor) -> Any:
            element = packed(parts, tensors)
            whole = isinstance(element, tuple) and not hasattr(element, "_fields")
            returned = function(*element) if whole else function(element)
            return returned if isinstance(returned, Dataset) else _as_structure(returned)

        return _Function(graph, of_leaves, [tuple(part) for part in leaves(parts)])

    def map(
        self, map_func: Callable[..., Any], num_parallel_calls: Any = None, deterministic: Any = None
    ) -> Dataset:
        """What ``map_func`` gives for each element. It is called once, to add its operations to the graph."""
        body = self._called(map_func)
        structure = body.returned
        if isinstance(structure, Dataset):
            raise TypeError("Dataset.map: the function gives a data set; use flat_map or interleave")
        parts = packed(structure, [Part(tensor.dtype, tensor.shape) for tensor in body.results])

        def start(env: Env, state: Any) -> Start:
            begin, call = self._start(env, state), _runner(body, env, state)
            return lambda: (call(element) for element in begin())

        return Dataset(parts, start, body.captured, [self])

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which ``predicate`` gives True."""
        body = self._called(predicate)
        if len(body.results) != 1 or body.results[0].dtype is not dtypes.bool_:
            raise ValueError("`predicate` return type must be convertible to a scalar boolean tensor.")

        def start(env: Env, state: Any) -> Start:
            begin, call = self._start(env, state), _runner(body, env, state)
            return lambda: (element for element in begin() if bool(call(element)[0]))

        return Dataset(self._parts, start, body.captured, [self])

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of the data sets that ``map_func`` gives, one data set after the other."""
        return self.interleave(map_func, 1)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int = 1,
        block_length: int = 1,
        num_parallel_calls: Any = None,
        deterministic: Any = None,
    ) -> Dataset:
        """The elements of the data sets that ``map_func`` gives, ``block_length`` at a time of ``cycle_length`` of them."""
        body = self._called(map_func)
        inner = body.returned
        if not isinstance(inner, Dataset):
            raise TypeError("`map_func` must return a `Dataset` object.")
        sources = [s for s in inner._all_sources() if body.block.holds(s.op)]
        outside = [s for s in inner._all_sources() if s not in sources]

        def start(env: Env, state: Any) -> Start:
            begin = self._start(env, state)
            call = _runner(body, env, state, sources)

            def opened(element: Element) -> PythonIterator[Element]:
                values = dict(zip(sources, call(element, raw=True), strict=True))
                return inner._start(env | values, state)()

            return lambda: interleaved(begin(), opened, max(1, cycle_length), block_length)

        captured = _captured(body, sources)
        return Dataset(inner._parts, start, [*captured, *outside], [self])

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """``transformation_func`` of this data set."""
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise TypeError("`transformation_func` must return a Dataset.")
        return result


class _Function(Body):
    """A block whose function may also give a data set, which is then no result but remembered as it is."""

    def __init__(self, graph: Any, function: Callable[..., Any], parameters: Sequence[Any]) -> None:
        def of_leaves(*tensors: Tensor) -> Any:
            self.given_back = function(*tensors)
            return () if isinstance(self.given_back, Dataset) else tuple(leaves(self.given_back))

        super().__init__(graph, "Dataset_function", of_leaves, parameters)
        self.returned = self.given_back


def _as_structure(returned: Any) -> Any:
    return mapped(convert_to_tensor, tuple(returned) if isinstance(returned, list) else returned)


def _captured(body: Body, results: Sequence[Tensor]) -> list[Tensor]:
    """What is used from outside the block, by what ``results`` need."""
    from ..executor import needed_operations

    ops = needed_operations([tensor.op for tensor in results], set(body.parameters), body.block)
    found = dict.fromkeys([t for op in ops for t in op.inputs if not body.block.holds(t.op)])
    return list(found)


def _runner(
    body: Body, env: Env, state: Any, results: Sequence[Tensor] | None = None
) -> Callable[..., Element]:
    """The block as a function of elements."""
    from ..executor import Plan

    wanted = body.results if results is None else results
    captured = body.captured if results is None else _captured(body, results)
    plan = Plan(state, wanted, body.targets, [*body.parameters, *captured], block=body.block)
    outer = [env[tensor] for tensor in captured]

    def call(element: Element, raw: bool = False) -> Element:
        values = plan.run(*[as_value(array) for array in element], *outer)
        return list(values) if raw else [as_array(value) for value in values]

    return call


def _number(value: Any, env: Env) -> Any:
    """A count, which may be a tensor whose value is known now."""
    if isinstance(value, Operand):
        return int(as_array(env[convert_to_tensor(value)]))
    return None if value is None else int(value)


def _refuse_placeholders(source: Tensor) -> None:
    waiting, seen = [source.op], set()
    while waiting:
        op = waiting.pop()
        if op in seen:
            continue
        seen.add(op)
        if op.type == "Placeholder" and op.block is None:
            raise ValueError(
                f"Cannot capture a placeholder (name:{op.name}, type:Placeholder) by value. A data set that follows from a "
                "placeholder needs make_initializable_iterator()."
            )
        waiting += [tensor.op for tensor in op.inputs]


def get_output_types(dataset_or_iterator: Any) -> Any:
    """The types of the elements' components."""
    return dataset_or_iterator.output_types


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """What is known of the shapes of the elements' components."""
    return dataset_or_iterator.output_shapes


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """``tf.Tensor`` for each component."""
    return dataset_or_iterator.output_classes


def make_one_shot_iterator(dataset: Dataset) -> Iterator:
    """See :meth:`Dataset.make_one_shot_iterator`."""
    return dataset.make_one_shot_iterator()


def make_initializable_iterator(dataset: Dataset, shared_name: str | None = None) -> Iterator:
    """See :meth:`Dataset.make_initializable_iterator`."""
    return dataset.make_initializable_iterator(shared_name)
