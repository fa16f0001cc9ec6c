"""LLVM IR as text, for generated loops and vector mathematics: values with operators, blocks, and loops.

Text rather than llvmlite's objects, because a vector function is written once for any number of lanes and generating it
should cost less than a millisecond. A ``Value`` is a scalar or a vector; one lane means the scalar type itself, so that
the same code makes the scalar and the vector version of a function.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

FLOATS = frozenset({"float", "double", "half"})


class Type(NamedTuple):
    """An LLVM scalar type, or a vector of ``lanes`` of them when there is more than one."""

    scalar: str
    lanes: int = 1

    def __str__(self) -> str:
        return self.scalar if self.lanes == 1 else f"<{self.lanes} x {self.scalar}>"

    @property
    def floating(self) -> bool:
        return self.scalar in FLOATS

    @property
    def bits(self) -> int:
        sizes = {"float": 32, "double": 64, "half": 16, "ptr": 64}
        return sizes[self.scalar] if self.scalar in sizes else int(self.scalar[1:])

    @property
    def suffix(self) -> str:
        """As in the names of intrinsics."""
        short = {"float": "f32", "double": "f64", "half": "f16", "ptr": "p0"}.get(self.scalar, self.scalar)
        return short if self.lanes == 1 else f"v{self.lanes}{short}"

    def of(self, scalar: str) -> Type:
        """The same number of lanes of another scalar."""
        return Type(scalar, self.lanes)


I1, I8, I32, I64 = Type("i1"), Type("i8"), Type("i32"), Type("i64")
F32, F64, PTR = Type("float"), Type("double"), Type("ptr")


def literal(type_: Type, value: float) -> str:
    """A constant as LLVM writes it: floats bit by bit."""
    if type_.floating:
        if type_.scalar == "float":
            try:
                value = struct.unpack("<f", struct.pack("<f", value))[0]
            except OverflowError:
                value = float("inf") if value > 0 else float("-inf")
        text = f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    else:
        bits = type_.bits
        number = int(value) & ((1 << bits) - 1)
        text = str(number - (1 << bits) if bits > 1 and number >> (bits - 1) else number)
    return text if type_.lanes == 1 else f"splat ({type_.scalar} {text})"


class Module:
    """Functions by name, and the declarations that they need."""

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}
        self.declarations: dict[str, str] = {}
        self.loops = 0

    def text(self) -> str:
        attributes = "attributes #0 = { alwaysinline }\nattributes #1 = { noinline }\n"
        # Loops are vectors and unrolled already: LLVM's own attempts would only take time and make the code longer.
        notes = [f"!{k} = distinct !{{!{k}, !0}}" for k in range(1, self.loops + 1)]
        notes.insert(0, '!0 = !{!"llvm.loop.disable_nonforced"}')
        return "\n".join([*self.declarations.values(), *self.functions.values(), attributes, *notes, ""])


class Value:
    """An SSA name with its type. Operators are those of the type: of floats, or wrapping ones of integers."""

    __slots__ = ("body", "name", "type")

    def __init__(self, body: Body, type_: Type, name: str) -> None:
        self.body = body
        self.type = type_
        self.name = name

    def _other(self, other: Value | float) -> Value:
        return other if isinstance(other, Value) else self.body.const(self.type, other)

    def _binary(self, floating: str, integer: str, other: Value | float, swap: bool = False) -> Value:
        a, b = self, self._other(other)
        if swap:
            a, b = b, a
        return self.body.binary(floating if self.type.floating else integer, a, b)

    def __add__(self, other: Value | float) -> Value:
        return self._binary("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Value | float) -> Value:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Value | float) -> Value:
        return self._binary("fsub", "sub", other, swap=True)

    def __mul__(self, other: Value | float) -> Value:
        return self._binary("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Value | float) -> Value:
        return self._binary("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Value | float) -> Value:
        return self._binary("fdiv", "sdiv", other, swap=True)

    def __and__(self, other: Value | int) -> Value:
        return self._binary("and", "and", other)

    def __or__(self, other: Value | int) -> Value:
        return self._binary("or", "or", other)

    def __xor__(self, other: Value | int) -> Value:
        return self._binary("xor", "xor", other)

    def __lshift__(self, other: Value | int) -> Value:
        return self._binary("shl", "shl", other)

    def __rshift__(self, other: Value | int) -> Value:
        return self._binary("ashr", "ashr", other)

    def __neg__(self) -> Value:
        if self.type.floating:
            return self.body.emit(self.type, f"fneg {self.type} {self.name}")
        return self.body.binary("sub", self.body.const(self.type, 0), self)

    def __invert__(self) -> Value:
        return self ^ (1 if self.type.scalar == "i1" else -1)

    def compare(self, how: str, other: Value | float) -> Value:
        """``how``: an LLVM predicate (``olt``, ``une``, ... of floats; ``slt``, ``eq``, ... of integers)."""
        kind = "fcmp" if self.type.floating else "icmp"
        return self.body.emit(
            self.type.of("i1"), f"{kind} {how} {self.type} {self.name}, {self._other(other).name}"
        )

    def __lt__(self, other: Value | float) -> Value:
        return self.compare("olt" if self.type.floating else "slt", other)

    def __gt__(self, other: Value | float) -> Value:
        return self.compare("ogt" if self.type.floating else "sgt", other)

    def __le__(self, other: Value | float) -> Value:
        return self.compare("ole" if self.type.floating else "sle", other)

    def __ge__(self, other: Value | float) -> Value:
        return self.compare("oge" if self.type.floating else "sge", other)

    def same(self, other: Value | float) -> Value:
        return self.compare("oeq" if self.type.floating else "eq", other)

    def is_nan(self) -> Value:
        return self.compare("uno", self)

    def convert(self, how: str, scalar: str) -> Value:
        """An LLVM conversion (``sitofp``, ``bitcast``, ...) to another scalar type."""
        to = self.type.of(scalar)
        return self.body.emit(to, f"{how} {self.type} {self.name} to {to}")

    def bits(self) -> Value:
        """A float's bits as an integer."""
        return self.convert("bitcast", f"i{self.type.bits}")

    def float_of_bits(self) -> Value:
        return self.convert("bitcast", {16: "half", 32: "float", 64: "double"}[self.type.bits])


class Body:
    """One function being written."""

    def __init__(
        self,
        module: Module,
        name: str,
        result: Type | None,
        parameters: Sequence[Type],
        linkage: str = "internal ",
    ) -> None:
        self.module = module
        self.name = name
        self.lines: list[str] = []
        self.slots: list[str] = []
        self.count = 0
        self.block = "entry"
        self.result = result
        self.parameters = [Value(self, type_, f"%p{k}") for k, type_ in enumerate(parameters)]
        signature = ", ".join(f"{p.type} {p.name}" for p in self.parameters)
        nothrow = "nounwind" if linkage else 'nounwind "frame-pointer"="none"'
        self.head = f"define {linkage}{result or 'void'} @{name}({signature}) {nothrow} {{\nentry:"

    def finish(self, result: Value | None = None) -> None:
        self.line("ret void" if result is None else f"ret {result.type} {result.name}")
        self.module.functions[self.name] = "\n".join([self.head, *self.slots, *self.lines, "}"])

    # One instruction

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def emit(self, type_: Type, text: str) -> Value:
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return Value(self, type_, name)

    def const(self, type_: Type, value: float) -> Value:
        return Value(self, type_, literal(type_, value))

    def i64(self, value: int) -> Value:
        return Value(self, I64, str(value))

    def binary(self, op: str, a: Value, b: Value) -> Value:
        return self.emit(a.type, f"{op} {a.type} {a.name}, {b.name}")

    def select(self, condition: Value, a: Value | float, b: Value | float) -> Value:
        if not isinstance(a, Value):
            assert isinstance(b, Value)
            a = self.const(b.type, a)
        elif not isinstance(b, Value):
            b = self.const(a.type, b)
        return self.emit(
            a.type, f"select {condition.type} {condition.name}, {a.type} {a.name}, {a.type} {b.name}"
        )

    def call(self, name: str, result: Type, arguments: Sequence[Value], attributes: str = "") -> Value:
        """Call a function that this module defines, or else an outside one."""
        if name not in self.module.functions and name not in self.module.declarations:
            types = ", ".join(str(argument.type) for argument in arguments)
            self.module.declarations[name] = f"declare {result} @{name}({types})"
        listed = ", ".join(f"{argument.type} {argument.name}" for argument in arguments)
        return self.emit(result, f"call {result} @{name}({listed}){attributes}")

    def intrinsic(self, name: str, *arguments: Value) -> Value:
        """``llvm.name`` on operands of the result's type."""
        type_ = arguments[0].type
        return self.call(f"llvm.{name}.{type_.suffix}", type_, arguments)

    def fma(self, a: Value, b: Value | float, c: Value | float) -> Value:
        """a·b + c rounded once."""
        b = b if isinstance(b, Value) else self.const(a.type, b)
        c = c if isinstance(c, Value) else self.const(a.type, c)
        return self.intrinsic("fma", a, b, c)

    def fabs(self, a: Value) -> Value:
        return self.intrinsic("fabs", a)

    def copysign(self, size: Value, sign: Value) -> Value:
        return self.intrinsic("copysign", size, sign)

    def sqrt(self, a: Value) -> Value:
        return self.intrinsic("sqrt", a)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Horner's rule with FMA; the constant term first."""
        total = self.const(x.type, coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            total = self.fma(total, x, coefficient)
        return total

    def larger(self, a: Value | float, b: Value) -> Value:
        """a > b ? a : b, so that a NaN in b stays; one instruction on x86."""
        a = a if isinstance(a, Value) else self.const(b.type, a)
        return self.select(a > b, a, b)

    def smaller(self, a: Value | float, b: Value) -> Value:
        a = a if isinstance(a, Value) else self.const(b.type, a)
        return self.select(a < b, a, b)

    # Lanes

    def splat(self, scalar: Value, lanes: int) -> Value:
        if lanes == 1:
            return scalar
        type_ = Type(scalar.type.scalar, lanes)
        one = self.emit(type_, f"insertelement {type_} poison, {scalar.type} {scalar.name}, i32 0")
        return self.emit(
            type_, f"shufflevector {type_} {one.name}, {type_} poison, <{lanes} x i32> zeroinitializer"
        )

    def counting(self, scalar: str, lanes: int) -> Value:
        """0, 1, 2, ... as a vector."""
        if lanes == 1:
            return Value(self, Type(scalar), "0")
        return Value(self, Type(scalar, lanes), "<" + ", ".join(f"{scalar} {k}" for k in range(lanes)) + ">")

    def half_of(self, vector: Value, second: bool) -> Value:
        """The first or the second half of the lanes."""
        half = vector.type.lanes // 2
        start = half if second else 0
        picks = ", ".join(f"i32 {start + k}" for k in range(half))
        to = Type(vector.type.scalar, half)
        if half == 1:
            return self.lane(vector, start)
        return self.emit(
            to, f"shufflevector {vector.type} {vector.name}, {vector.type} poison, <{half} x i32> <{picks}>"
        )

    def alternate(self, vector: Value, second: bool) -> Value:
        """Every other lane: those with even numbers, or with odd ones."""
        half = vector.type.lanes // 2
        if half == 1:
            return self.lane(vector, int(second))
        picks = ", ".join(f"i32 {2 * k + second}" for k in range(half))
        return self.emit(
            Type(vector.type.scalar, half),
            f"shufflevector {vector.type} {vector.name}, {vector.type} poison, <{half} x i32> <{picks}>",
        )

    def alternating(self, even: Value, odd: Value) -> Value:
        """The lanes of two values one by one: the first of both, the second of both, and so on."""
        lanes = even.type.lanes
        to = Type(even.type.scalar, 2 * lanes)
        if lanes == 1:
            return self.with_lane(self.with_lane(Value(self, to, "poison"), even, 0), odd, 1)
        picks = ", ".join(f"i32 {k}, i32 {lanes + k}" for k in range(lanes))
        return self.emit(
            to,
            f"shufflevector {even.type} {even.name}, {odd.type} {odd.name}, <{2 * lanes} x i32> <{picks}>",
        )

    def lane(self, vector: Value, number: int | Value) -> Value:
        if vector.type.lanes == 1:
            return vector
        where = f"i64 {number.name}" if isinstance(number, Value) else f"i64 {number}"
        return self.emit(Type(vector.type.scalar), f"extractelement {vector.type} {vector.name}, {where}")

    def with_lane(self, vector: Value, scalar: Value, number: int | Value) -> Value:
        if vector.type.lanes == 1:
            return scalar
        where = f"i64 {number.name}" if isinstance(number, Value) else f"i64 {number}"
        return self.emit(
            vector.type,
            f"insertelement {vector.type} {vector.name}, {scalar.type} {scalar.name}, {where}",
        )

    def any(self, condition: Value) -> Value:
        """Whether any lane is true."""
        if condition.type.lanes == 1:
            return condition
        name = f"llvm.vector.reduce.or.{condition.type.suffix}"
        return self.call(name, I1, [condition])

    # Memory

    def slot(self, type_: Type, count: int = 1, align: int = 64) -> Value:
        """Stack memory for one value, or for ``count``."""
        name = self.fresh()
        many = f", i64 {count}" if count > 1 else ""
        self.slots.append(f"  {name} = alloca {type_}{many}, align {align}")
        return Value(self, PTR, name)

    def element(self, type_: Type, base: Value, index: Value | int) -> Value:
        number = index.name if isinstance(index, Value) else str(index)
        return self.emit(PTR, f"getelementptr inbounds {type_}, ptr {base.name}, i64 {number}")

    def load(self, type_: Type, pointer: Value, align: int | None = None) -> Value:
        return self.emit(type_, f"load {type_}, ptr {pointer.name}" + (f", align {align}" if align else ""))

    def store(self, value: Value, pointer: Value, align: int | None = None) -> None:
        self.line(
            f"store {value.type} {value.name}, ptr {pointer.name}" + (f", align {align}" if align else "")
        )

    def masked_load(self, type_: Type, pointer: Value, align: int, mask: Value) -> Value:
        """The lanes of ``mask`` from memory; zero in the others, which need not be there."""
        name = f"llvm.masked.load.{type_.suffix}.p0"
        self.module.declarations[name] = f"declare {type_} @{name}(ptr, i32, {mask.type}, {type_})"
        zero = self.const(type_, 0).name
        return self.emit(
            type_,
            f"call {type_} @{name}(ptr {pointer.name}, i32 {align}, {mask.type} {mask.name}, {type_} {zero})",
        )

    def masked_store(self, value: Value, pointer: Value, align: int, mask: Value) -> None:
        name = f"llvm.masked.store.{value.type.suffix}.p0"
        self.module.declarations[name] = f"declare void @{name}({value.type}, ptr, i32, {mask.type})"
        self.line(
            f"call void @{name}({value.type} {value.name}, ptr {pointer.name}, i32 {align}, {mask.type} {mask.name})"
        )

    # Flow

    def label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def start(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.line(f"br i1 {condition.name}, label %{yes}, label %{no}")

    @contextmanager
    def loop(self, first: Value, stop: Value, step: int | Value) -> Iterator[Value]:
        """``for (i = first; i < stop; i += step)``; gives ``i``."""
        head, inside, after = self.label(), self.label(), self.label()
        before = self.block
        self.jump(head)
        self.start(head)
        index = self.fresh()
        place = len(self.lines)
        self.lines.append("")
        value = Value(self, I64, index)
        self.branch(value < stop, inside, after)
        self.start(inside)
        yield value
        following = value + step
        self.lines[place] = (
            f"  {index} = phi i64 [ {first.name}, %{before} ], [ {following.name}, %{self.block} ]"
        )
        self.module.loops += 1
        self.line(f"br label %{head}, !llvm.loop !{self.module.loops}")
        self.start(after)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """``if (condition) { ... }``; values go out of it through slots."""
        inside, after = self.label(), self.label()
        self.branch(condition, inside, after)
        self.start(inside)
        yield
        self.jump(after)
        self.start(after)
