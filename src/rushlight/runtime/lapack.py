"""Factorizations and triangular systems by the LAPACK inside of the OpenBLAS that NumPy loaded.

``numpy.linalg`` has no LU, no triangular solver and no solver for given factors; the library that it brings has all of
them. They are called through ctypes under their Fortran names, where every argument is an address, so that a stack of
matrices is one loop over addresses (in native code where llvmlite is there). Each function here answers None where there
is no such library, or where the dtype is none of LAPACK's: the caller has another way then.

Matrices are column by column in memory (the transposes of contiguous arrays), as PyTorch's results are. The pivots of
LAPACK are int32 or int64 as the library was built; they leave as int32.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..compiler import native
from ..core.shapes import count
from .gemm import OneThread
from .programs import compiles

Array = NDArray[Any]

_LETTERS: Final = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}
# From how many matrices on the loop over them is native code.
_LOOP_FROM: Final = 6
# Up to this many rows and columns a triangle is copied through a mask, from there on row by row.
_SMALL: Final = 64
# OpenBLAS itself runs less than this many multiplications on one thread.
_THREADED_FROM: Final = 500_000


class _Library:
    """The routines of one library, and their integers."""

    def __init__(self, library: Any, before: str, after: str, wide: bool) -> None:
        self.library = library
        self.before, self.after = before, after
        self.integer = np.dtype(np.int64 if wide else np.int32)
        self.routines: dict[str, Any] = {}
        self.loops: dict[int, Any] = {}

    def routine(self, name: str, arguments: int) -> Any:
        """The Fortran routine; None if the library lacks it."""
        if name not in self.routines:
            import ctypes

            function = getattr(self.library, f"{self.before}{name}_{self.after}", None)
            if function is not None:
                function.restype = None
                # The lengths of strings (of one letter) come last, as gfortran wants them.
                function.argtypes = [ctypes.c_void_p] * arguments
            self.routines[name] = function
        return self.routines[name]

    def loop(self, arguments: int) -> Any:
        """Native code that calls a routine of so many arguments again and again; None without a compiler."""
        if arguments not in self.loops:
            self.loops[arguments] = _compiled_loop(arguments)
        return self.loops[arguments]


_found: list[_Library | None] = []


def _library() -> _Library | None:
    if not _found:
        from ..compiler import blas

        there = blas.find()
        library = None
        if there is not None:
            for before, after, wide in (
                ("scipy_", "64_", True),
                ("scipy_", "", False),
                ("", "64_", True),
                ("", "", there.wide),
            ):
                if hasattr(there.library, f"{before}sgetrf_{after}"):
                    library = _Library(there.library, before, after, wide)
                    break
        _found.append(library)
    return _found[0]


def _compiled_loop(arguments: int) -> Any:
    """``loop(routine, count, addresses, steps)``: ``count`` calls; after each, every address moves on by its step."""
    if not compiles():
        return None
    import ctypes

    lines = [
        "define void @kernel(ptr %routine, i64 %count, ptr %addresses, ptr %steps) {",
        "entry:",
    ]
    for i in range(arguments):
        lines += [
            f"  %pa{i} = getelementptr i64, ptr %addresses, i64 {i}",
            f"  %first{i} = load i64, ptr %pa{i}",
            f"  %ps{i} = getelementptr i64, ptr %steps, i64 {i}",
            f"  %step{i} = load i64, ptr %ps{i}",
        ]
    lines += ["  br label %body", "body:", "  %i = phi i64 [ 0, %entry ], [ %next, %body ]"]
    for i in range(arguments):
        lines += [
            f"  %off{i} = mul i64 %i, %step{i}",
            f"  %at{i} = add i64 %first{i}, %off{i}",
            f"  %p{i} = inttoptr i64 %at{i} to ptr",
        ]
    passed = ", ".join(f"ptr %p{i}" for i in range(arguments))
    lines += [
        f"  call void %routine({passed})",
        "  %next = add i64 %i, 1",
        "  %more = icmp slt i64 %next, %count",
        "  br i1 %more, label %body, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    address = native.load("\n".join(lines) + "\n")
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(address)


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


def _letters(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8)


_FLAGS: Final = {letter: _letters(letter) for letter in "NTCULR"}
_FLAG_ADDRESSES: Final = {letter: _address(array) for letter, array in _FLAGS.items()}


def _call(
    library: _Library, routine: Any, number: int, work: int, addresses: list[int], steps: list[int]
) -> None:
    """``number`` calls of the routine, each argument moving on by its step (in bytes). ``work``: multiplications of each."""
    if work >= _THREADED_FROM:
        with OneThread(number * work):
            _call(library, routine, number, 0, addresses, steps)
        return
    if number == 1:
        routine(*addresses)
        return
    loop = library.loop(len(addresses)) if number >= _LOOP_FROM else None
    if loop is not None:
        import ctypes

        moving = np.array([addresses, steps], np.int64)
        at = _address(moving)
        loop(ctypes.cast(routine, ctypes.c_void_p).value, number, at, at + 8 * len(addresses))
        return
    for i in range(number):
        routine(*[address + i * step for address, step in zip(addresses, steps, strict=True)])


def _for(dtype: Any, name: str, arguments: int) -> tuple[Any, Any]:
    """The library and the routine for a dtype; (None, None) if there is none."""
    letter = _LETTERS.get(dtype.str[1:]) if dtype.isnative else None
    library = _library() if letter is not None else None
    if library is None or letter is None:
        return None, None
    routine = library.routine(letter + name, arguments)
    return (None, None) if routine is None else (library, routine)


def _columns_of(a: Array) -> Array:
    """A fresh array of the columns of the matrices: contiguous, of shape ``(..., n, m)``."""
    return np.array(np.swapaxes(a, -2, -1), order="C")


def lu_factor(a: Array) -> tuple[Array, Array] | None:
    """Both triangular factors of matrices ``(..., m, n)`` in one array, and the row (from 1) that each step swapped in."""
    library, getrf = _for(a.dtype, "getrf", 6)
    if getrf is None or not a.size:
        return None
    rows, columns = a.shape[-2:]
    turned = _columns_of(a)
    steps = min(rows, columns)
    batch = a.shape[:-2]
    number = count(batch)
    integer = library.integer
    pivots = np.empty((*batch, steps), integer)
    sizes = np.array((rows, columns, 0), integer)  # and the info number, which the diagonal tells too
    at, size = _address(sizes), integer.itemsize
    _call(
        library,
        getrf,
        number,
        rows * columns * steps,
        [at, at + size, _address(turned), at, _address(pivots), at + 2 * size],
        [0, 0, rows * columns * a.itemsize, 0, steps * size, 0],
    )
    return np.swapaxes(turned, -2, -1), pivots.astype(np.int32)


def lu_solve(factors: Array, pivots: Array, b: Array, trans: str) -> Array | None:
    """``X`` with ``op(A) X = B`` from what ``lu_factor`` gave for ``A``. ``trans``: ``"N"``, ``"T"`` or ``"C"`` (adjoint).

    ``factors``: ``(..., n, n)``; ``b``: ``(..., n, k)``; None also where their leading dimensions differ.
    """
    if factors.shape[:-2] != b.shape[:-2] or pivots.shape != factors.shape[:-1]:
        return None
    library, getrs = _for(b.dtype, "getrs", 9)
    if getrs is None or not b.size or not factors.size:
        return None
    n, k = b.shape[-2:]
    turned = np.swapaxes(factors, -2, -1)
    if not turned.flags.c_contiguous:
        turned = np.ascontiguousarray(turned)
    result = _columns_of(b)
    integer = library.integer
    places = np.ascontiguousarray(pivots, integer)
    if places.size and (places.min() < 1 or places.max() > n):
        return None  # LAPACK would write outside of the matrix
    sizes = np.array((n, k, 0), integer)
    at, size = _address(sizes), integer.itemsize
    number = count(b.shape[:-2])
    _call(
        library,
        getrs,
        number,
        n * n * k,
        [
            _FLAG_ADDRESSES[trans], at, at + size, _address(turned), at, _address(places), _address(result), at,
            at + 2 * size,
        ],
        [0, 0, 0, n * n * b.itemsize, 0, n * size, n * k * b.itemsize, 0, 0],
    )  # fmt: skip
    return np.swapaxes(result, -2, -1)


def solve_triangular(a: Array, b: Array, upper: bool, unitriangular: bool) -> Array | None:
    """``X`` with ``A X = B`` for triangular ``A``, by substitution; a zero on the diagonal gives inf or nan.

    Only the named triangle is read. The leading dimensions broadcast.
    """
    library, trsm = _for(b.dtype, "trsm", 11)
    if trsm is None or not a.size or not b.size:
        return None
    n, k = b.shape[-2:]
    batch = a.shape[:-2]
    if batch != b.shape[:-2]:
        batch = np.broadcast_shapes(batch, b.shape[:-2])
    # The rows of B are columns to BLAS, which therefore solves X^T A^T = B^T, with A^T as it lies.
    result = np.empty((*batch, n, k), b.dtype)
    result[...] = b
    shared = count(a.shape[:-2]) == 1
    matrix = a.reshape(n, n) if shared else np.broadcast_to(a, (*batch, n, n))
    by_column = np.swapaxes(matrix, -2, -1).flags.c_contiguous
    if not by_column and not matrix.flags.c_contiguous:
        matrix = np.ascontiguousarray(matrix)
    lies_upper = upper if by_column else not upper
    integer = library.integer
    sizes = np.array((k, n), integer)
    one = np.ones((), b.dtype)
    at, size = _address(sizes), integer.itemsize
    number = count(batch)
    _call(
        library,
        trsm,
        number,
        n * n * k,
        [
            _FLAG_ADDRESSES["R"], _FLAG_ADDRESSES["U" if lies_upper else "L"],
            _FLAG_ADDRESSES["T" if by_column else "N"], _FLAG_ADDRESSES["U" if unitriangular else "N"],
            at, at + size, _address(one), _address(matrix), at + size, _address(result), at,
        ],
        [0, 0, 0, 0, 0, 0, 0, 0 if shared else n * n * a.itemsize, 0, n * k * b.itemsize, 0],
    )  # fmt: skip
    return result


def cholesky(a: Array) -> tuple[Array, Array] | None:
    """The lower factors of matrices of which the lower triangles are given, and LAPACK's info number for each: 0, or the
    order of the first minor that is not positive."""
    library, potrf = _for(a.dtype, "potrf", 5)
    if potrf is None or not a.size:
        return None
    n = a.shape[-1]
    batch = a.shape[:-2]
    number = count(batch)
    factor = _lower_triangles(a)
    integer = library.integer
    numbers = np.zeros(number + 1, integer)
    numbers[-1] = n
    at, size = _address(numbers), integer.itemsize
    # The rows are columns to LAPACK: the lower triangle is its upper one, of the conjugate matrix if it is complex.
    _call(
        library,
        potrf,
        number,
        n * n * n,
        [_FLAG_ADDRESSES["U"], at + number * size, _address(factor), at + number * size, at],
        [0, 0, n * n * a.itemsize, 0, size],
    )
    return factor, numbers[:-1]


_patterns: dict[tuple[int, int], Array] = {}


def _upper_pattern(rows: int, columns: int) -> Array:
    """True on the diagonal and above; kept for small matrices, of which programs have many of few sizes."""
    pattern = _patterns.get((rows, columns))
    if pattern is None:
        pattern = _patterns[rows, columns] = np.tri(columns, rows, dtype=np.bool_).T
    return pattern


def _lower_triangles(a: Array) -> Array:
    """A fresh contiguous array with the lower triangles of ``a`` and zeros above."""
    n = a.shape[-1]
    result = np.zeros(a.shape, a.dtype)
    if n <= _SMALL:
        np.copyto(result, a, where=_upper_pattern(n, n).T)
        return result
    for i in range(n):
        result[..., i, : i + 1] = a[..., i, : i + 1]
    return result


def _upper_triangles(a: Array) -> Array:
    """A fresh contiguous array with the upper triangles of ``a`` and zeros below."""
    rows, columns = a.shape[-2:]
    result = np.zeros(a.shape, a.dtype)
    if rows <= _SMALL >= columns:
        np.copyto(result, a, where=_upper_pattern(rows, columns))
        return result
    for i in range(min(rows, columns)):
        result[..., i, i:] = a[..., i, i:]
    return result


def qr(a: Array, complete: bool) -> tuple[Array, Array] | None:
    """``A = Q R`` of matrices ``(..., m, n)``: ``Q`` of ``min(m, n)`` columns, or with ``complete`` of ``m``."""
    library, geqrf = _for(a.dtype, "geqrf", 8)
    if geqrf is None or not a.size:
        return None
    is_complex = a.dtype.kind == "c"
    _, orgqr = _for(a.dtype, "ungqr" if is_complex else "orgqr", 9)
    if orgqr is None:
        return None
    rows, columns = a.shape[-2:]
    batch = a.shape[:-2]
    number = count(batch)
    steps = min(rows, columns)
    width = rows if complete else steps  # columns of Q
    kept = max(width, columns)
    turned = np.empty((*batch, kept, rows), a.dtype)
    turned[..., :columns, :] = np.swapaxes(a, -2, -1)
    room = 64 * kept
    scratch = np.empty(number * steps + room, a.dtype)
    integer = library.integer
    sizes = np.array((rows, columns, width, steps, room, 0), integer)
    at, size, item = _address(sizes), integer.itemsize, a.itemsize
    m, n, w, k, lwork, info = [at + i * size for i in range(6)]
    matrix, tau = _address(turned), _address(scratch)
    work = tau + number * steps * item
    step = kept * rows * item
    _call(
        library,
        geqrf,
        number,
        rows * columns * steps,
        [m, n, matrix, m, tau, work, lwork, info],
        [0, 0, step, 0, steps * item, 0, 0, 0],
    )
    r = _upper_triangles(np.swapaxes(turned[..., :columns, :width], -2, -1))
    _call(
        library,
        orgqr,
        number,
        rows * columns * steps,
        [m, w, k, matrix, m, tau, work, lwork, info],
        [0, 0, 0, step, 0, steps * item, 0, 0, 0],
    )
    q = turned if kept == width else turned[..., :width, :]
    return np.swapaxes(q, -2, -1), r
