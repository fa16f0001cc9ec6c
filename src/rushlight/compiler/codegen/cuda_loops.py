"""Loop kernels (``ir/loops.py``) as CUDA C.

Three forms, chosen by the kernel and its extents:

``elements``  no reductions and nothing known per row: threads stride over all elements of all dimensions. Where every array
              lies along the last dimension or does not move along it, a thread takes ``16 / size`` neighbours at a
              time, with one load of 16 bytes for each array (looked up at run time: pointers and steps must allow it).
``rows``      a row is done by a thread, a warp or a block, by its length. Sums: element ``e`` goes to accumulator
              ``e mod V`` of thread ``e / V mod threads``; then accumulators, then lanes (butterfly), then warps in order.
``columns``   sums over leading dimensions: a block has ``W`` columns (neighbours in memory) and ``R`` threads for each,
              thread ``r`` adds rows ``r, r + R, …``, and the ``R`` sums are added pairwise in shared memory.

All of that follows from extents alone, so results are the same bits in every run. Extents and steps are arguments, so one
kernel serves every shape of its form; indices have 32 bits where all offsets fit, else 64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple

from ...ir.loops import Argument, ColumnKernel, Instruction, Leaf, RowKernel, Stage, Step
from ...ir.scalar import ReduceOp, ScalarOp
from . import cuda_scalars as scalars

THREADS: Final = 256
_MOST_BLOCKS: Final = 4096  # of kernels whose blocks stride over what there is
_MOST_ROW_BLOCKS: Final = 1 << 20
_LARGEST_SMALL: Final = (1 << 31) - (1 << 25)  # offsets up to here are 32-bit, with room for one more stride
FULL_WARP: Final = "0xffffffffu"


class CudaKernel(NamedTuple):
    """A kernel and its launch: ``source`` is a whole translation unit, ``name`` its function. The function's arguments are
    one pointer for each array, then ``ints`` as 64-bit integers."""

    source: str
    name: str
    grid: int
    block: int
    ints: tuple[int, ...]


def loop_kernel(
    kernel: RowKernel | ColumnKernel, extents: Sequence[int], strides: Sequence[Sequence[int]]
) -> CudaKernel:
    """The CUDA kernel of a loop kernel for these extents, and steps of each argument.

    Raises NotImplementedError for operations without a form in CUDA C; of complex numbers there are REAL, IMAG and COMPLEX.
    """
    stages = kernel.stages if isinstance(kernel, RowKernel) else (kernel.body, kernel.finish)
    if any(stage.code[n].dtype.kind == "c" for stage in stages for _, n in stage.reductions):
        raise NotImplementedError("CUDA kernel: a reduction of complex numbers; the line runs in NumPy")
    wide = _is_wide(extents, strides)
    dims = len(extents)
    steps = [
        stride
        for argument, own in zip(kernel.arguments, strides, strict=True)
        for step, stride in zip(argument.steps, own, strict=True)
        if step is Step.ANY
    ]
    ints = (*extents, *steps)
    if isinstance(kernel, ColumnKernel):
        columns, length = extents[-1], prod(extents[kernel.outer : dims - 1])
        width, rows = _column_shape(prod(extents[: kernel.outer]), columns, length)
        source, name = _cached(kernel, "columns", (width, rows), wide)
        units = prod(extents[: kernel.outer]) * -(-columns // width)
        return CudaKernel(source, name, max(1, min(units, _MOST_ROW_BLOCKS)), width * rows, ints)
    if _is_elements(kernel):
        source, name = _cached(kernel, "elements", (), wide)
        per_thread = _pack(kernel.arguments, kernel.stages)
        blocks = -(-prod(extents) // (THREADS * per_thread))
        return CudaKernel(source, name, max(1, min(blocks, _MOST_BLOCKS)), THREADS, ints)
    rows, length = prod(extents[: kernel.outer]), prod(extents[kernel.outer :])
    group, block = _row_threads(rows, length)
    source, name = _cached(kernel, "rows", (group, block), wide)
    blocks = -(-rows * group // block)
    return CudaKernel(source, name, max(1, min(blocks, _MOST_ROW_BLOCKS)), block, ints)


def _is_wide(extents: Sequence[int], strides: Sequence[Sequence[int]]) -> bool:
    reach = prod(extents)
    for own in strides:
        reach = max(reach, sum([abs(s) * max(n - 1, 0) for n, s in zip(extents, own, strict=True)]))
    return reach > _LARGEST_SMALL


def _is_elements(kernel: RowKernel) -> bool:
    return kernel.outer + kernel.inner > 0 and all(
        stage.loops and not stage.reductions and all(code.op is not Leaf.REGISTER for code in stage.code)
        for stage in kernel.stages
    )


def _row_threads(rows: int, length: int) -> tuple[int, int]:
    """Threads for a row, and for a block."""
    if length <= 4:
        return 1, THREADS
    if length <= 1024 and (rows >= 64 or length <= 128):
        return 32, THREADS
    if length >= 8192 and rows < 512:
        return 1024, 1024
    return THREADS, THREADS


def _column_shape(outer: int, columns: int, length: int) -> tuple[int, int]:
    """Columns of a block and threads for each. 8 columns of floats are still a whole sector of memory."""
    width = 32
    while width > 8 and (outer * -(-columns // width) < 128 or columns <= width // 2):
        width //= 2
    rows = 1
    while rows * width < 512 and rows < length:
        rows *= 2
    while rows * width < 32:
        rows *= 2
    return width, rows


_sources: dict[Any, tuple[str, str]] = {}


def _cached(kernel: Any, form: str, sizes: tuple[int, ...], wide: bool) -> tuple[str, str]:
    from ..emit import kernel_key

    key = (kernel_key(kernel), form, sizes, wide)
    found = _sources.get(key)
    if found is None:
        found = _Writer(kernel, form, sizes, wide).write()
        _sources[key] = found
        if len(_sources) > 4096:
            del _sources[next(iter(_sources))]
    return found


def clear() -> None:
    """Forget the texts that have been made."""
    _sources.clear()


def _pack(arguments: Sequence[Argument], stages: Sequence[Stage]) -> int:
    """How many neighbours along the last dimension a thread takes at a time; 1 where some array is walked otherwise."""
    used = {code.payload for s in stages if s.loops for code in s.code if code.op is Leaf.LOAD}
    stored = {argument for s in stages if s.loops for argument, _ in s.stores}
    looped = [arguments[n] for n in used | stored]
    if any(a.steps and a.steps[-1] is Step.ANY for a in looped):
        return 1
    if any(not arguments[n].steps or arguments[n].steps[-1] is not Step.ONE for n in stored):
        return 1
    sizes = [a.dtype.itemsize for a in looped if a.steps and a.steps[-1] is Step.ONE]
    return min(8, 16 // max(sizes)) if sizes else 1


def _label(kernel: Any) -> str:
    stages = kernel.stages if isinstance(kernel, RowKernel) else (kernel.body, kernel.finish)
    names: list[str] = []
    for stage in stages:
        names += [code.op.label for code in stage.code if isinstance(code.op, ScalarOp)]
        names += [op.value for op, _ in stage.reductions]
    text = "_".join(names[:6])
    return f"{text}_{len(names)}" if len(names) > 6 else text or "copy"


class _Writer:
    """The text of one kernel."""

    def __init__(self, kernel: Any, form: str, sizes: tuple[int, ...], wide: bool) -> None:
        self.kernel = kernel
        self.form = form
        self.sizes = sizes
        self.wide = wide
        self.arguments: tuple[Argument, ...] = kernel.arguments
        self.dims = kernel.outer + (kernel.inner if isinstance(kernel, RowKernel) else kernel.reduced + 1)
        self.lines: list[str] = []
        self.depth = 1
        self.registers: dict[tuple[int, int], str] = {}

    # --- text ---------------------------------------------------------------------------------------------------------

    def put(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def open(self, line: str) -> None:
        self.put(line + " {")
        self.depth += 1

    def close(self, rest: str = "") -> None:
        self.depth -= 1
        self.put("}" + rest)

    def write(self) -> tuple[str, str]:
        name = f"{self.form}_{_label(self.kernel)}"
        parameters = []
        for k, argument in enumerate(self.arguments):
            const = "" if argument.written else "const "
            parameters.append(f"{const}{scalars.memory_type(argument.dtype)} *p{k}")
        parameters += [f"long long N{d}" for d in range(self.dims)]
        for d in range(self.dims):
            self.put(f"const I n{d} = (I)N{d};")
        for k, argument in enumerate(self.arguments):
            for d, step in enumerate(argument.steps):
                if step is Step.ANY:
                    parameters.append(f"long long S{k}_{d}")
                    self.put(f"const I s{k}_{d} = (I)S{k}_{d};")
        {"elements": self._elements, "rows": self._rows, "columns": self._columns}[self.form]()
        threads = {
            "elements": THREADS,
            "rows": self.sizes[-1] if self.sizes else THREADS,
            "columns": prod(self.sizes) if self.sizes else THREADS,
        }[self.form]
        body = "\n".join(self.lines)
        integer = "long long" if self.wide else "int"
        head = f"typedef {integer} I;\ntypedef unsigned {integer} U;\n"
        signature = (
            f'extern "C" __global__ void __launch_bounds__({threads})\n{name}({", ".join(parameters)})'
        )
        helpers = scalars.helpers(signature, body)
        source = f"{head}{helpers}\n" if helpers else head
        return f"{source}\n{signature} {{\n{body}\n}}\n", name

    # --- indices ------------------------------------------------------------------------------------------------------

    def indices(self, number: str, dims: Sequence[int]) -> None:
        """Declare ``i<d>`` for dimensions that ``number`` counts through in C order."""
        if not dims:
            return
        if len(dims) == 1:
            self.put(f"const I i{dims[0]} = {number};")
            return
        rest = number
        for position in range(len(dims) - 1, 0, -1):
            d = dims[position]
            self.put(f"const I i{d} = (I)((U)({rest}) % (U)n{d});")
            following = f"l{dims[position - 1]}"
            self.put(f"const I {following} = (I)((U)({rest}) / (U)n{d});")
            rest = following
        self.put(f"const I i{dims[0]} = {rest};")

    def offset(self, k: int, dims: Sequence[int]) -> str:
        """The offset of argument ``k`` at the indices along some dimensions."""
        parts = []
        for d in dims:
            step = self.arguments[k].steps[d]
            if step is Step.ONE:
                parts.append(f"i{d}")
            elif step is Step.ANY:
                parts.append(f"i{d} * s{k}_{d}")
        return " + ".join(parts) or "0"

    # --- code ---------------------------------------------------------------------------------------------------------

    def code(
        self,
        number: int,
        stage: Stage,
        prefix: str,
        load: Callable[[int], str],
        index: Callable[[int], str],
    ) -> list[str]:
        """The instructions of a stage as declarations; the names or literals of their values."""
        values: list[str] = []
        for n, code in enumerate(stage.code):
            value = self._expression(number, stage, code, values, load, index)
            if code.op in (Leaf.CONST, Leaf.REGISTER):
                values.append(value)
                continue
            name = f"{prefix}{n}"
            self.put(f"const {scalars.register_type(code.dtype)} {name} = {value};")
            values.append(name)
        return values

    def _expression(
        self,
        number: int,
        stage: Stage,
        code: Instruction,
        values: list[str],
        load: Callable[[int], str],
        index: Callable[[int], str],
    ) -> str:
        if code.op is Leaf.LOAD:
            source = self.arguments[code.payload].dtype
            return scalars.cast(scalars.decode(load(code.payload), source), source, code.dtype)
        if code.op is Leaf.CONST:
            return scalars.constant(code.dtype, code.payload)
        if code.op is Leaf.REGISTER:
            return self.registers[tuple(code.payload)]
        if code.op is Leaf.CAST:
            operand = code.operands[0]
            return scalars.cast(values[operand], stage.code[operand].dtype, code.dtype)
        if code.op is Leaf.INDEX:
            return f"(long long)({index(code.payload)})"
        assert isinstance(code.op, ScalarOp)
        dtype = stage.code[code.operands[-1]].dtype
        value = scalars.apply(code.op, [values[k] for k in code.operands], dtype)
        if code.dtype.name in scalars.HALVES and self._is_read(number, len(values)):
            return scalars.rounded(code.op, value, code.dtype)
        return value  # storing rounds

    def _is_read(self, number: int, n: int) -> bool:
        """Whether instruction ``n`` of stage ``number`` is an operand of anything but a store of its own dtype."""
        stages = (
            self.kernel.stages
            if isinstance(self.kernel, RowKernel)
            else (self.kernel.body, self.kernel.finish)
        )
        stage = stages[number]
        return (
            any(n in code.operands for code in stage.code)
            or any(n == which for _, which in stage.reductions)
            or any(n == which and self.arguments[k].dtype != stage.code[n].dtype for k, which in stage.stores)
            or any(
                code.op is Leaf.REGISTER and tuple(code.payload) == (number, -1 - n)
                for s in stages
                for code in s.code
            )
        )

    def stored(self, argument: int, value: str, code: Instruction) -> str:
        """A value as the argument's memory has it."""
        target = self.arguments[argument].dtype
        if target.name in scalars.HALVES and scalars.is_float(code.dtype):
            single = value if scalars.register_type(code.dtype) == "float" else f"(float)({value})"
            return scalars.encode(single, target)
        return scalars.encode(scalars.cast(value, code.dtype, target), target)

    def loaded(self, stage: Stage) -> list[int]:
        return sorted({code.payload for code in stage.code if code.op is Leaf.LOAD})

    # --- elements -----------------------------------------------------------------------------------------------------

    def _elements(self) -> None:
        every = list(range(self.dims))
        last = self.dims - 1
        self.put("const I total = " + (" * ".join(f"n{d}" for d in every) or "1") + ";")
        self.put("const I threads = (I)gridDim.x * (I)blockDim.x;")
        self.put("const I own = (I)blockIdx.x * (I)blockDim.x + (I)threadIdx.x;")
        pack = _pack(self.arguments, self.kernel.stages)
        start = "own"
        if pack > 1:
            self.put("I done = 0;")
            self.open(f"if ({self._packable(pack)})")
            self.put(f"done = total / {pack} * {pack};")
            self.open(f"for (I u = own; u < done / {pack}; u += threads)")
            self.indices(f"u * {pack}", every)
            for number, stage in enumerate(self.kernel.stages):
                self._packed(
                    number,
                    stage,
                    pack,
                    {k: f"p{k} + {self.offset(k, every)}" for k in range(len(self.arguments))},
                    last,
                )
            self.close()
            self.close()
            start = "done + own"
        self.open(f"for (I u = {start}; u < total; u += threads)")
        self.indices("u", every)
        for number, stage in enumerate(self.kernel.stages):
            values = self.code(
                number, stage, f"v{number}_", lambda k: f"p{k}[{self.offset(k, every)}]", lambda d: f"i{d}"
            )
            for argument, n in stage.stores:
                value = self.stored(argument, values[n], stage.code[n])
                self.put(f"p{argument}[{self.offset(argument, every)}] = {value};")
        self.close()

    def _packable(self, pack: int) -> str:
        """Whether all of the packs that the threads would load lie at multiples of their size."""
        last = self.dims - 1
        tests = [] if self.dims == 1 else [f"n{last} % {pack} == 0"]
        for k, argument in enumerate(self.arguments):
            if argument.steps[last] is Step.ONE:
                tests.append(f"(unsigned long long)p{k} % {pack * argument.dtype.itemsize} == 0")
                tests += [
                    f"s{k}_{d} % {pack} == 0" if step is Step.ANY else "false"
                    for d, step in enumerate(argument.steps[:last])
                    if step is not Step.ZERO
                ]
        return " && ".join(tests)

    def _packed(
        self,
        number: int,
        stage: Stage,
        pack: int,
        at: dict[int, str],
        last: int,
        full: str = "",
        length: str = "",
    ) -> list[str]:
        """One stage for ``pack`` neighbours. ``at``: where each argument's first is. ``full``: a condition on which there are
        all of them, ``length`` the end otherwise."""
        loaded = self.loaded(stage)
        rows = [k for k in loaded if self.arguments[k].steps[last] is Step.ONE]
        self.open("")
        for k in loaded:
            type_ = scalars.memory_type(self.arguments[k].dtype)
            if k in rows:
                if not full:
                    self.put(f"const Pack<{type_}, {pack}> x{k} = *(const Pack<{type_}, {pack}> *)({at[k]});")
                else:
                    self.put(f"Pack<{type_}, {pack}> x{k};")
            else:
                self.put(f"const {type_} x{k} = *({at[k]});")
        if full and rows:
            self.open(f"if ({full})")
            for k in rows:
                type_ = scalars.memory_type(self.arguments[k].dtype)
                self.put(f"x{k} = *(const Pack<{type_}, {pack}> *)({at[k]});")
            self.close(" else {")
            self.depth += 1
            self.put("#pragma unroll")
            self.open(f"for (int k = 0; k < {pack}; ++k)")
            for k in rows:
                dtype = self.arguments[k].dtype
                rest = f"{scalars.memory_type(dtype)}()" if dtype.kind == "c" else "0"
                self.put(f"x{k}.of[k] = j + k < {length} ? ({at[k]})[k] : {rest};")
            self.close()
            self.close()
        for argument in sorted({argument for argument, _ in stage.stores}):
            type_ = scalars.memory_type(self.arguments[argument].dtype)
            self.put(f"Pack<{type_}, {pack}> y{argument};")
        self.put("#pragma unroll")
        self.open(f"for (int k = 0; k < {pack}; ++k)")
        values = self.code(
            number,
            stage,
            f"v{number}_",
            lambda k: f"x{k}.of[k]" if k in rows else f"x{k}",
            lambda d: f"i{d} + k" if d == last else f"i{d}",
        )
        for argument, n in stage.stores:
            self.put(f"y{argument}.of[k] = {self.stored(argument, values[n], stage.code[n])};")
        self._accumulate(number, stage, values, "k", f"{full} || j + k < {length}" if full else "")
        self.close()
        for argument in sorted({argument for argument, _ in stage.stores}):
            type_ = scalars.memory_type(self.arguments[argument].dtype)
            whole = f"*(Pack<{type_}, {pack}> *)({at[argument]}) = y{argument};"
            if not full:
                self.put(whole)
                continue
            self.open(f"if ({full})")
            self.put(whole)
            self.close(" else {")
            self.depth += 1
            self.put("#pragma unroll")
            self.open(f"for (int k = 0; k < {pack}; ++k)")
            self.put(f"if (j + k < {length}) ({at[argument]})[k] = y{argument}.of[k];")
            self.close()
            self.close()
        self.close()
        return values

    def _accumulate(self, number: int, stage: Stage, values: list[str], lane: str, condition: str) -> None:
        for n, (op, which) in enumerate(stage.reductions):
            dtype = stage.code[which].dtype
            name = f"a{number}_{n}[{lane}]"
            type_ = scalars.accumulator_type(dtype)
            combined = f"{name} = ({type_}){scalars.combine(op, name, values[which], dtype)};"
            self.put(f"if ({condition}) {combined}" if condition else combined)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _rows(self) -> None:
        group, block = self.sizes
        outer = list(range(self.kernel.outer))
        inner = list(range(self.kernel.outer, self.dims))
        self.put("const I rows = " + (" * ".join(f"n{d}" for d in outer) or "1") + ";")
        self.put("const I length = " + (" * ".join(f"n{d}" for d in inner) or "1") + ";")
        if group == block:
            self.put("const int lane = (int)threadIdx.x;")
            self.open("for (I row = (I)blockIdx.x; row < rows; row += (I)gridDim.x)")
        else:
            self.put(f"const int lane = (int)threadIdx.x % {group};")
            per_block = block // group
            self.open(
                f"for (I row = (I)blockIdx.x * {per_block} + (I)threadIdx.x / {group}; row < rows; "
                f"row += (I)gridDim.x * {per_block})"
            )
        self.indices("row", outer)
        for k, argument in enumerate(self.arguments):
            const = "" if argument.written else "const "
            self.put(
                f"{const}{scalars.memory_type(argument.dtype)} *const q{k} = p{k} + ({self.offset(k, outer)});"
            )
        pack = _pack(self.arguments, self.kernel.stages) if self.kernel.inner == 1 else 1
        if pack > 1:
            self.put(f"const bool aligned = {self._aligned(pack)};")
        self._synced = False
        for number, stage in enumerate(self.kernel.stages):
            if stage.loops:
                self._loop(number, stage, inner, pack)
            else:
                self._once(number, stage)
        self.close()

    def _aligned(self, pack: int) -> str:
        tests = []
        last = self.dims - 1
        for stage in self.kernel.stages:
            if not stage.loops:
                continue
            for k in [*self.loaded(stage), *[argument for argument, _ in stage.stores]]:
                if self.arguments[k].steps[last] is Step.ONE:
                    tests.append(f"(unsigned long long)q{k} % {pack * self.arguments[k].dtype.itemsize} == 0")
        return " && ".join(dict.fromkeys(tests))

    def _wait(self) -> None:
        """All threads of the row are here, and see what the others have written."""
        group, block = self.sizes
        if group == block:
            self.put("__syncthreads();")
        elif group > 1:
            self.put(f"__syncwarp({FULL_WARP});")

    def _once(self, number: int, stage: Stage) -> None:
        values = self.code(
            number,
            stage,
            f"w{number}_",
            lambda k: f"*q{k}",
            lambda d: f"i{d}" if d < self.kernel.outer else "0",
        )
        self.registers.update({(number, -1 - n): value for n, value in enumerate(values)})
        if not stage.stores:
            return
        group, _ = self.sizes
        self._wait()  # the first thread may write over what the others have still to read
        if group > 1:
            self.open("if (lane == 0)")
        for argument, n in stage.stores:
            self.put(f"*q{argument} = {self.stored(argument, values[n], stage.code[n])};")
        if group > 1:
            self.close()

    def _loop(self, number: int, stage: Stage, inner: list[int], pack: int) -> None:
        group, _ = self.sizes
        for n, (op, which) in enumerate(stage.reductions):
            dtype = stage.code[which].dtype
            start = scalars.neutral(op, dtype)
            initial = ", ".join([start] * pack)
            self.put(f"{scalars.accumulator_type(dtype)} a{number}_{n}[{pack}] = {{{initial}}};")
        outer = range(self.kernel.outer)
        if pack > 1:
            last = self.dims - 1
            self.open(f"for (I t = lane; t < (length + {pack - 1}) / {pack}; t += {group})")
            self.put(f"const I j = t * {pack};")
            self.put(f"const I i{last} = j;")
            self.put(f"const bool full = aligned && j + {pack} <= length;")
            at = {
                k: f"q{k} + j" if argument.steps[last] is Step.ONE else f"q{k}"
                for k, argument in enumerate(self.arguments)
            }
            self._packed(number, stage, pack, at, last, "full", "length")
        else:
            self.open(f"for (I t = lane; t < length; t += {group})")
            self.indices("t", inner)
            values = self.code(
                number, stage, f"v{number}_", lambda k: f"q{k}[{self.offset(k, inner)}]", lambda d: f"i{d}"
            )
            for argument, n in stage.stores:
                value = self.stored(argument, values[n], stage.code[n])
                self.put(f"q{argument}[{self.offset(argument, inner)}] = {value};")
            self._accumulate(number, stage, values, "0", "")
        self.close()
        for n, (op, which) in enumerate(stage.reductions):
            self._reduced(number, n, op, stage.code[which], pack)
        del outer

    def _reduced(self, number: int, n: int, op: ReduceOp, code: Instruction, pack: int) -> None:
        """One number of the accumulators of all threads of the row."""
        group, block = self.sizes
        dtype = code.dtype
        type_, moved = scalars.accumulator_type(dtype), scalars.exchanged_type(dtype)
        name = f"a{number}_{n}"

        def joined(total: str, value: str) -> str:
            return f"({type_}){scalars.combine(op, total, value, dtype)}"

        width = pack
        while width > 1:
            width //= 2
            for k in range(width):
                self.put(f"{name}[{k}] = {joined(f'{name}[{k}]', f'{name}[{k + width}]')};")
        self.put(f"{type_} t{number}_{n} = {name}[0];")
        total = f"t{number}_{n}"
        if group > 1:
            self.put("#pragma unroll")
            self.open("for (int apart = 16; apart; apart >>= 1)")
            self.put(f"const {type_} other = ({type_})__shfl_xor_sync({FULL_WARP}, ({moved}){total}, apart);")
            self.put(f"{total} = {joined(total, 'other')};")
            self.close()
        if group == block and group > 32:
            warps = group // 32
            self.put(f"__shared__ {type_} m{number}_{n}[{warps}];")
            self.put(f"if (lane % 32 == 0) m{number}_{n}[lane / 32] = {total};")
            self.put("__syncthreads();")
            self.put(f"{total} = m{number}_{n}[0];")
            self.put("#pragma unroll")
            self.put(f"for (int k = 1; k < {warps}; ++k) {total} = {joined(total, f'm{number}_{n}[k]')};")
            self.put("__syncthreads();")
        register = f"r{number}_{n}"
        self.put(f"const {scalars.register_type(dtype)} {register} = {scalars.result_of(total, dtype)};")
        self.registers[number, n] = register

    # --- columns ------------------------------------------------------------------------------------------------------

    def _columns(self) -> None:
        width, rows = self.sizes
        kernel = self.kernel
        outer = list(range(kernel.outer))
        reduced = list(range(kernel.outer, self.dims - 1))
        last = self.dims - 1
        stage = kernel.body
        self.put("const I length = " + (" * ".join(f"n{d}" for d in reduced) or "1") + ";")
        self.put(f"const I chunks = (n{last} + {width - 1}) / {width};")
        self.put("const I units = " + " * ".join([*[f"n{d}" for d in outer], "chunks"]) + ";")
        self.put(f"const int column = (int)threadIdx.x % {width}, part = (int)threadIdx.x / {width};")
        for n, (_, which) in enumerate(stage.reductions):
            self.put(f"__shared__ {scalars.accumulator_type(stage.code[which].dtype)} m{n}[{rows}][{width}];")
        self.open("for (I unit = (I)blockIdx.x; unit < units; unit += (I)gridDim.x)")
        self.put(f"const I i{last} = (I)((U)unit % (U)chunks) * {width} + column;")
        self.indices("(I)((U)unit / (U)chunks)", outer)
        for n, (op, which) in enumerate(stage.reductions):
            dtype = stage.code[which].dtype
            self.put(f"{scalars.accumulator_type(dtype)} a0_{n}[1] = {{{scalars.neutral(op, dtype)}}};")
        self.open(f"if (i{last} < n{last})")
        self.put("#pragma unroll 4")
        self.open(f"for (I t = part; t < length; t += {rows})")
        self.indices("t", reduced)
        every = [*outer, *reduced, last]
        values = self.code(0, stage, "v", lambda k: f"p{k}[{self.offset(k, every)}]", lambda d: f"i{d}")
        for argument, n in stage.stores:
            value = self.stored(argument, values[n], stage.code[n])
            self.put(f"p{argument}[{self.offset(argument, every)}] = {value};")
        self._accumulate(0, stage, values, "0", "")
        self.close()
        self.close()
        for n in range(len(stage.reductions)):
            self.put(f"m{n}[part][column] = a0_{n}[0];")
        self.put("__syncthreads();")
        if rows > 1:
            self.open(f"for (int apart = {rows // 2}; apart; apart >>= 1)")
            self.open("if (part < apart)")
            for n, (op, which) in enumerate(stage.reductions):
                dtype = stage.code[which].dtype
                type_ = scalars.accumulator_type(dtype)
                total = f"m{n}[part][column]"
                combined = scalars.combine(op, total, f"m{n}[part + apart][column]", dtype)
                self.put(f"{total} = ({type_}){combined};")
            self.close()
            self.put("__syncthreads();")
            self.close()
        self.open(f"if (part == 0 && i{last} < n{last})")
        for n, (_, which) in enumerate(stage.reductions):
            dtype = stage.code[which].dtype
            value = scalars.result_of(f"m{n}[0][column]", dtype)
            self.put(f"const {scalars.register_type(dtype)} r0_{n} = {value};")
            self.registers[0, n] = f"r0_{n}"
        finish = [*outer, last]
        values = self.code(
            1,
            kernel.finish,
            "f",
            lambda k: f"p{k}[{self.offset(k, finish)}]",
            lambda d: f"i{d}" if d in finish else "0",
        )
        for argument, n in kernel.finish.stores:
            value = self.stored(argument, values[n], kernel.finish.code[n])
            self.put(f"p{argument}[{self.offset(argument, finish)}] = {value};")
        self.close()
        self.put("__syncthreads();")
        self.close()


@lru_cache(maxsize=64)
def fill_kernel(itemsize: int) -> tuple[str, str]:
    """Set ``N`` elements of 1, 2, 4 or 8 bytes to the bit pattern ``V``."""
    type_ = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}[itemsize]
    name = f"fill_{8 * itemsize}"
    source = f"""extern "C" __global__ void __launch_bounds__({THREADS})
{name}({type_} *p, long long N, long long V) {{
    const long long threads = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < N; i += threads) p[i] = ({type_})V;
}}
"""
    return source, name
