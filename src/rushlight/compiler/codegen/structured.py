"""A thin layer over llvmlite's builder: loops and conditions as ``with`` blocks, integer arithmetic by operators.

For kernels that are written out by hand (GEMM tiles, convolutions, recurrent cells); loop kernels derived from the
graph are generated in ``loops``.

Example::

    f = Function("kernel")                       # the ABI of ir/loops.py
    with f.loop(f.begin, f.end) as i:
        x = f.load(F32, f.pointer(0), i)
        f.store(f.b.fmul(x, x), f.pointer(1), i)
    text = f.finish()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ...ir.scalar import ScalarOp

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
F32, F64 = ir.FloatType(), ir.DoubleType()
PTR = ir.PointerType()
VOID = ir.VoidType()
KERNEL_TYPE = ir.FunctionType(VOID, [I64, I64, PTR, PTR, PTR])


def _numbers(lanes: int) -> Any:
    """0, 1, 2, ... in the lanes."""
    return ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))


def _alignment(type_: Any) -> int:
    """What memory of elements of this type is aligned to, in bytes."""
    if isinstance(type_, ir.IntType):
        return max(1, int(type_.width) // 8)
    return 4 if type_ == F32 else 8


def _suffix(type_: Any) -> str:
    """A type's name inside an intrinsic's."""
    if isinstance(type_, ir.IntType):
        return f"i{type_.width}"
    return "f32" if type_ == F32 else "f64"


class Function:
    """One native function under construction, with the kernels' signature unless ``type_`` says otherwise."""

    def __init__(
        self, name: str = "kernel", type_: Any = KERNEL_TYPE, module: Any = None, as_written: bool = False
    ) -> None:
        # Whether LLVM leaves loops as they are: code that is written in vectors and unrolled by hand gains nothing from
        # another round of that, which takes most of the time of compiling it.
        self.as_written = as_written
        self.loops = 0
        self.module = ir.Module(name=name) if module is None else module
        self.function = ir.Function(self.module, type_, name)
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.mathematics: dict[str, tuple[ScalarOp, str, int]] = {}
        arguments = self.function.args
        if type_ is KERNEL_TYPE:
            self.begin, self.end, self.ints, self.pointers, self.scratch = arguments

    @staticmethod
    def i64(value: Any) -> Any:
        """A Python int as an i64 constant; an LLVM value as it is."""
        return ir.Constant(I64, value) if isinstance(value, int) else value

    def int_(self, number: int) -> Any:
        """``ints[number]``."""
        return self.load(I64, self.ints, number)

    def pointer(self, number: int) -> Any:
        """``pointers[number]``."""
        return self.load(PTR, self.pointers, number)

    def at(self, type_: Any, base: Any, index: Any) -> Any:
        """``&((type_ *)base)[index]``."""
        return self.b.gep(base, [self.i64(index)], source_etype=type_, inbounds=True)

    def load(self, type_: Any, base: Any, index: Any = 0, align: int | None = None) -> Any:
        """``((type_ *)base)[index]``."""
        return self.b.load(self.at(type_, base, index), typ=type_, align=align)

    def store(self, value: Any, base: Any, index: Any = 0, align: int | None = None) -> None:
        """``base[index] = value``."""
        self.b.store(value, self.at(value.type, base, index), align=align)

    def add(self, a: Any, b: Any) -> Any:
        return self.b.add(self.i64(a), self.i64(b))

    def sub(self, a: Any, b: Any) -> Any:
        return self.b.sub(self.i64(a), self.i64(b))

    def mul(self, a: Any, b: Any) -> Any:
        return self.b.mul(self.i64(a), self.i64(b))

    def divide(self, a: Any, b: Any) -> Any:
        """Of integers that are not negative."""
        return self.b.udiv(self.i64(a), self.i64(b))

    def remainder(self, a: Any, b: Any) -> Any:
        return self.b.urem(self.i64(a), self.i64(b))

    def less(self, a: Any, b: Any) -> Any:
        return self.b.icmp_signed("<", self.i64(a), self.i64(b))

    def minimum(self, a: Any, b: Any) -> Any:
        a, b = self.i64(a), self.i64(b)
        return self.b.select(self.less(a, b), a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        a, b = self.i64(a), self.i64(b)
        return self.b.select(self.less(a, b), b, a)

    def variable(self, type_: Any, value: Any = None) -> Any:
        """A stack slot (in the entry block, so that LLVM makes a register of it), read with ``get``, written with ``set``."""
        with self.b.goto_entry_block():
            slot = self.b.alloca(type_)
        if value is not None:
            self.b.store(value, slot)
        return slot

    def get(self, slot: Any, type_: Any) -> Any:
        return self.b.load(slot, typ=type_)

    def set(self, slot: Any, value: Any) -> None:
        self.b.store(value, slot)

    @contextmanager
    def loop(self, start: Any, stop: Any, step: Any = 1, vectorise: bool = False) -> Iterator[Any]:
        """``for (i = start; i < stop; i += step)``; gives ``i``. ``vectorise``: for LLVM to unroll and vectorise also in
        code ``as_written``."""
        b = self.b
        start, stop, step = self.i64(start), self.i64(stop), self.i64(step)
        before = b.block
        head = self.function.append_basic_block("head")
        body = self.function.append_basic_block("body")
        after = self.function.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(start, before)
        b.cbranch(b.icmp_signed("<", index, stop), body, after)
        b.position_at_end(body)
        yield index
        index.add_incoming(b.add(index, step), b.block)
        self._back(b.branch(head), vectorise)
        b.position_at_end(after)

    def _back(self, branch: Any, vectorise: bool) -> None:
        """Mark the end of a loop's body."""
        if self.as_written and not vectorise:
            branch.set_metadata("llvm.loop", self._loop_name())

    def _loop_name(self) -> _LoopName:
        self.loops += 1
        return _LoopName(self.loops - 1)

    def loop_name(self) -> str:
        """A name for ``!llvm.loop`` of a loop written as text: LLVM leaves the loop as it is."""
        return self._loop_name().get_reference()

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        """``if (condition) { ... }``."""
        with self.b.if_then(condition):
            yield

    @contextmanager
    def carried(
        self, start: Any, stop: Any, values: list[Any], step: Any = 1
    ) -> Iterator[tuple[Any, list[Any]]]:
        """A ``loop`` with values that each turn gives to the next: ``values`` at first, then what the body leaves in the list.

        The list that is given out holds this turn's values; the body replaces its elements. After the loop the list holds the
        last ones. For sums in registers: no stack slot, nothing for LLVM to find out.
        """
        stop = self.i64(stop)
        with self._turns(
            self.i64(start),
            values,
            lambda index: self.b.icmp_signed("<", index, stop),
            lambda index: self.add(index, step),
        ) as turn:
            yield turn

    @contextmanager
    def carried_while(self, bits: Any, values: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
        """``carried`` once for every bit of an i64 that is set, from the lowest on; gives the bits that are left."""
        with self._turns(
            bits,
            values,
            lambda left: self.b.icmp_signed("!=", left, self.i64(0)),
            lambda left: self.b.and_(left, self.sub(left, 1)),
        ) as turn:
            yield turn

    @contextmanager
    def _turns(
        self, first: Any, values: list[Any], more: Callable[[Any], Any], following: Callable[[Any], Any]
    ) -> Iterator[tuple[Any, list[Any]]]:
        b = self.b
        before = b.block
        head = self.function.append_basic_block("head")
        body = self.function.append_basic_block("body")
        after = self.function.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(first, before)
        phis = []
        for value in values:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        b.cbranch(more(index), body, after)
        b.position_at_end(body)
        current = list(phis)
        yield index, current
        index.add_incoming(following(index), b.block)
        for phi, value in zip(phis, current, strict=True):
            phi.add_incoming(value, b.block)
        self._back(b.branch(head), False)
        b.position_at_end(after)
        current[:] = phis

    @contextmanager
    def carried_over(
        self, ranges: list[tuple[Any, ...]], values: list[Any]
    ) -> Iterator[tuple[list[Any], list[Any]]]:
        """Nested ``carried`` loops over (start, stop) or (start, stop, step), the last innermost; gives all indices."""
        with self.carried(ranges[0][0], ranges[0][1], values, *ranges[0][2:]) as (index, current):
            if len(ranges) == 1:
                yield [index], current
            else:
                with self.carried_over(ranges[1:], list(current)) as (indices, inner):
                    yield [index, *indices], inner
                current[:] = inner
        if len(ranges) > 1:
            inner[:] = current

    def select(self, condition: Any, a: Any, b: Any) -> Any:
        return self.b.select(condition, self.i64(a), self.i64(b))

    # Vectors

    def splat(self, value: Any, lanes: int) -> Any:
        """A vector with ``value`` in every lane."""
        type_ = ir.VectorType(value.type, lanes)
        if isinstance(value, ir.Constant):
            return ir.Constant(type_, [value.constant] * lanes)
        first = self.b.insert_element(ir.Constant(type_, ir.Undefined), value, ir.Constant(I32, 0))
        return self.b.shuffle_vector(
            first, ir.Constant(type_, ir.Undefined), ir.Constant(ir.VectorType(I32, lanes), None)
        )

    def zero(self, type_: Any, lanes: int) -> Any:
        """A vector of floating-point zeros."""
        return ir.Constant(ir.VectorType(type_, lanes), None)

    def shuffle(self, a: Any, b: Any, order: list[int]) -> Any:
        """The lanes of ``a`` followed by those of ``b``, as ``order`` names them."""
        return self.b.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(order)), order))

    def lanes_below(self, count: Any, lanes: int) -> Any:
        """A mask of the lanes whose number is less than ``count`` (an i64)."""
        return self.b.icmp_signed("<", _numbers(lanes), self._limit(count, lanes))

    def lanes_between(self, low: Any, high: Any, lanes: int) -> Any:
        """A mask of the lanes whose number is at least ``low`` and less than ``high``."""
        not_below = self.b.icmp_signed(">=", _numbers(lanes), self._limit(low, lanes))
        return self.b.and_(not_below, self.lanes_below(high, lanes))

    def _limit(self, count: Any, lanes: int) -> Any:
        """``count`` cut to 0 ... ``lanes`` in every lane, as 32-bit numbers: half as many registers to compare."""
        cut = self.minimum(self.maximum(count, 0), lanes)
        return self.splat(self.b.trunc(cut, I32), lanes)

    def load_vector(self, type_: Any, lanes: int, base: Any, index: Any = 0, mask: Any = None) -> Any:
        """``lanes`` elements from ``base[index]`` on; those that the mask leaves out are not read and are zero."""
        vector = ir.VectorType(type_, lanes)
        address = self.at(type_, base, index)
        align = _alignment(type_)
        if mask is None:
            return self.b.load(address, typ=vector, align=align)
        zero = ir.Constant(vector, None)
        return self.call(
            f"llvm.masked.load.v{lanes}{_suffix(type_)}.p0",
            vector,
            [address, ir.Constant(I32, align), mask, zero],
        )

    def store_vector(self, value: Any, base: Any, index: Any = 0, mask: Any = None) -> None:
        """The lanes of ``value`` (those in the mask) to ``base[index]`` and what follows."""
        type_, lanes = value.type.element, value.type.count
        address = self.at(type_, base, index)
        align = _alignment(type_)
        if mask is None:
            self.b.store(value, address, align=align)
        else:
            self.call(
                f"llvm.masked.store.v{lanes}{_suffix(type_)}.p0",
                VOID,
                [value, address, ir.Constant(I32, align), mask],
            )

    def prefetch(self, address: Any, write: bool = True) -> None:
        """Ask for the cache line at an address, to write to it or to read; the address need not exist."""
        self.call("llvm.prefetch.p0", VOID, [address, *[ir.Constant(I32, x) for x in (int(write), 3, 1)]])

    def gather(self, type_: Any, lanes: int, base: Any, index: Any, step: Any, mask: Any) -> Any:
        """``base[index + i · step]`` for every lane i in the mask, zero in the others."""
        numbers = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
        offsets = self.b.mul(numbers, self.splat(self.i64(step), lanes))
        addresses = self.b.gep(self.at(type_, base, index), [offsets], source_etype=type_)
        vector = ir.VectorType(type_, lanes)
        addresses.type = ir.VectorType(PTR, lanes)  # llvmlite takes a gep for a scalar
        return self.call(
            f"llvm.masked.gather.v{lanes}{_suffix(type_)}.v{lanes}p0",
            vector,
            [addresses, ir.Constant(I32, 8 if type_ == F64 else 4), mask, ir.Constant(vector, None)],
        )

    def load_apart(
        self, type_: Any, lanes: int, base: Any, index: Any, step: int, low: Any, high: Any
    ) -> Any:
        """``base[index + i · step]`` for every lane i, zero where that index is not at least ``low`` and below ``high``.

        ``step`` is known here: what lies between is read too and left out, which costs less than a gather up to a step of 4.
        """
        inside_low, inside_high = self.sub(low, index), self.sub(high, index)
        if step > 4:
            up = self.maximum(self.divide(self.add(self.maximum(inside_low, 0), step - 1), step), 0)
            down = self.divide(self.add(self.maximum(inside_high, 0), step - 1), step)
            return self.gather(type_, lanes, base, index, step, self.lanes_between(up, down, lanes))
        mask = self.lanes_between(inside_low, inside_high, lanes * step)
        # A vector of every element, so that nothing outside the bounds is read.
        whole = self.load_vector(type_, lanes * step, base, index, mask)
        return whole if step == 1 else self.shuffle(whole, whole, [i * step for i in range(lanes)])

    def total(self, vector: Any) -> Any:
        """The sum of a vector's lanes, by halves: the same order on every processor."""
        lanes = vector.type.count
        while lanes > 1:
            lanes //= 2
            low, high = list(range(lanes)), list(range(lanes, 2 * lanes))
            vector = self.b.fadd(self.shuffle(vector, vector, low), self.shuffle(vector, vector, high))
        return self.b.extract_element(vector, ir.Constant(I32, 0))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """``a · b + c`` of floating-point numbers or vectors, rounded once where the processor can."""
        type_ = a.type
        vector = isinstance(type_, ir.VectorType)
        name = f"v{type_.count}{_suffix(type_.element)}" if vector else _suffix(type_)
        return self.call(f"llvm.fmuladd.{name}", type_, [a, b, c])

    def compressed(self, vector: Any, kept: Any) -> Any:
        """The lanes that are kept, side by side; those behind them hold anything."""
        type_ = vector.type
        name = f"llvm.experimental.vector.compress.v{type_.count}{_suffix(type_.element)}"
        return self.call(name, type_, [vector, kept, ir.Constant(type_, ir.Undefined)])

    def bits(self, mask: Any) -> Any:
        """A mask as an i64, a bit for each lane."""
        return self.b.zext(self.b.bitcast(mask, ir.IntType(mask.type.count)), I64)

    def any_nan(self, vectors: list[Any]) -> Any:
        """Whether one of the lanes is NaN."""
        total = vectors[0]
        for vector in vectors[1:]:
            total = self.b.fadd(total, vector)
        return self.b.icmp_unsigned("!=", self.bits(self.b.fcmp_unordered("uno", total, total)), self.i64(0))

    def call(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """Call an external C function (or an intrinsic) by name."""
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(
                self.module, ir.FunctionType(result, [argument.type for argument in arguments]), name
            )
        return self.b.call(function, arguments)

    def call_address(self, address: Any, result: Any, arguments: list[Any]) -> Any:
        """Call the function at ``address`` (an i64 or a pointer)."""
        type_ = ir.FunctionType(result, [argument.type for argument in arguments]).as_pointer()
        pointer = self.b.inttoptr(address, type_) if address.type == I64 else self.b.bitcast(address, type_)
        return self.b.call(pointer, arguments)

    def math(self, op: ScalarOp, vector: Any) -> Any:
        """One of ``vector_math``'s functions of a vector of floats."""
        element, lanes = vector.type.element, vector.type.count
        name = f"rushlight.{op.label}.v{lanes}{_suffix(element)}"
        self.mathematics[name] = (op, "float" if element == F32 else "double", lanes)
        return self.call(name, vector.type, [vector])

    def finish(self) -> str:
        """Return from the function; the module's text."""
        self.b.ret_void()
        text = str(self.module)
        if self.mathematics:
            text = _with_mathematics(text, self.mathematics)
        return text + _loop_metadata(self.loops)


class _LoopName:
    """The name of a loop's metadata, which llvmlite has no form for: it refers to itself."""

    def __init__(self, number: int) -> None:
        self.number = number

    def get_reference(self) -> str:
        return f"!{_FIRST_LOOP + 2 + self.number}"


_FIRST_LOOP = 1000


def _loop_metadata(loops: int) -> str:
    if not loops:
        return ""
    lines = [
        "",
        f'!{_FIRST_LOOP} = !{{!"llvm.loop.unroll.disable"}}',
        f'!{_FIRST_LOOP + 1} = !{{!"llvm.loop.vectorize.enable", i1 false}}',
    ]
    for number in range(_FIRST_LOOP + 2, _FIRST_LOOP + 2 + loops):
        lines.append(f"!{number} = distinct !{{!{number}, !{_FIRST_LOOP}, !{_FIRST_LOOP + 1}}}")
    return "\n".join(lines) + "\n"


def _with_mathematics(text: str, functions: dict[str, tuple[ScalarOp, str, int]]) -> str:
    """The module with the definitions of vector functions that it calls, which come as text."""
    from . import vector_math
    from .loop_text import Body, Module, Type, Value

    module = Module()
    for op, scalar, lanes in functions.values():
        type_ = Type(scalar, lanes)
        # The caller is not part of the module: it is the function that was written here.
        caller = Body(module, "caller", type_, [type_])
        vector_math.call(caller, op, [Value(caller, type_, "%p0")])
    lines = [
        line
        for line in text.splitlines()
        if not (line.startswith("declare") and _declared(line) in functions)
    ]
    known = {_declared(line) for line in lines if line.startswith("declare")}
    for name in known & set(module.declarations):
        del module.declarations[name]
    return "\n".join([*lines, module.text()])


def _declared(line: str) -> str:
    """The name in a declaration."""
    return line.split("@", 1)[1].split("(", 1)[0].strip('"')
