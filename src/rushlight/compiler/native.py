"""From LLVM IR text to machine code in this process.

Every module is optimised and emitted on its own, as an object that has one visible function under a name made from the
content: objects from many modules (all of which call theirs ``kernel``) then load into one engine, and an object from the
cache on disk loads in the same way as one just made.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from ..version import VERSION
from .cache import ObjectCache

# To be raised when the way from text to object changes.
_REVISION = "1"
_NAMES_OF_MATH_LIBRARIES = ("libm.so.6", "libm.dylib", "ucrtbase.dll", "libgcc_s.so.1")


class _State:
    """What this process has compiled, and with what."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.addresses: dict[str, int] = {}
        self.engines: list[Any] = []  # kept for good: their code may be in use anywhere
        self.symbols: dict[str, int] = {}
        self.announced: set[str] = set()
        self.cache: ObjectCache | None = None
        self.emitter: Any = None
        self.identity = ""
        self.libraries_loaded = False


_state = _State()


def _forget_lock() -> None:
    """In a forked child: the thread that held the lock is not there to release it."""
    _state.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


def target() -> Any:
    """A fresh target machine for this processor (an engine consumes the one that it is given)."""
    import llvmlite.binding as llvm

    if not _state.identity:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        version = ".".join(map(str, llvm.llvm_version_info))
        _state.identity = "\n".join(
            (
                _REVISION,
                VERSION,
                version,
                llvm.get_process_triple(),
                llvm.get_host_cpu_name(),
                _features(),
            )
        )
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=3, jit=True
    )


def _features() -> str:
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_features().flatten())


def provide(symbol: str, address: int) -> None:
    """Let modules call the C function at ``address`` by the name ``symbol``."""
    _state.symbols[symbol] = address


def load(text: str, name: str = "kernel") -> int:
    """The address of function ``name`` of the module ``text``, compiled at full optimisation and kept for good."""
    return load_many([(text, name)])[0]


def load_many(wanted: Sequence[tuple[str, str]]) -> list[int]:
    """The addresses of many functions, given as (module text, function name); cheaper than one at a time.

    Raises ``RuntimeError`` for text that is not LLVM IR or calls a function that this process does not have.
    """
    with _state.lock:
        machine = _emitter()
        keys = [_key(text, name) for text, name in wanted]
        missing: dict[str, tuple[str, str]] = {}
        for key, module in zip(keys, wanted, strict=True):
            if key not in _state.addresses:
                missing[key] = module
        if missing:
            objects = {key: _object(key, text, name, machine) for key, (text, name) in missing.items()}
            _link(objects)
        return [_state.addresses[key] for key in keys]


def assembly(text: str, name: str = "kernel") -> str:
    """The assembly that function ``name`` of the module ``text`` becomes, for people to read."""
    with _state.lock:
        machine = _emitter()
        return str(machine.emit_assembly(_optimised(text, name, name, machine)))


def optimised_ir(text: str, name: str = "kernel") -> str:
    """The module after LLVM's own passes."""
    with _state.lock:
        return str(_optimised(text, name, name, _emitter()))


def use_cache(cache: ObjectCache | None) -> None:
    """Keep object code in this cache from now on; None: in the one that the environment names."""
    _state.cache = cache


def _emitter() -> Any:
    if _state.emitter is None:
        _state.emitter = target()
    return _state.emitter


def _key(text: str, name: str) -> str:
    import hashlib

    return hashlib.sha256("\n".join((_state.identity, name, text)).encode()).hexdigest()


def _symbol(key: str) -> str:
    return "rushlight_" + key[:40]


def _object(key: str, text: str, name: str, machine: Any) -> bytes:
    if _state.cache is None:
        _state.cache = ObjectCache()
    stored = _state.cache.read(key)
    if stored is not None:
        return stored
    code = bytes(machine.emit_object(_optimised(text, name, _symbol(key), machine)))
    _state.cache.write(key, code)
    return code


def _optimised(text: str, name: str, symbol: str, machine: Any) -> Any:
    """The module after LLVM's passes, with function ``name`` visible as ``symbol`` and everything else hidden."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    for value in (*module.functions, *module.global_variables):
        if value.is_declaration or value.name.startswith("llvm."):
            continue
        if value.name == name:
            value.linkage = "external"
        elif value.linkage.name != "private":
            value.linkage = "internal"
    module.get_function(name).name = symbol
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _link(objects: dict[str, bytes]) -> None:
    """Load objects into one engine."""
    import llvmlite.binding as llvm

    for code in objects.values():
        for needed in undefined_symbols(code):
            _announce(needed)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target())
    for code in objects.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _state.engines.append(engine)
    for key in objects:
        _state.addresses[key] = int(engine.get_function_address(_symbol(key)))


def _announce(symbol: str) -> None:
    """Make sure that LLVM finds ``symbol``: it ends the process when it does not."""
    import llvmlite.binding as llvm

    if symbol in _state.announced:
        return
    address = _state.symbols.get(symbol)
    if address is not None:
        llvm.add_symbol(symbol, address)
    elif not llvm.address_of_symbol(symbol):
        if not _state.libraries_loaded:
            _state.libraries_loaded = True
            for library in _NAMES_OF_MATH_LIBRARIES:
                try:
                    llvm.load_library_permanently(library)
                except RuntimeError:
                    continue
        if not llvm.address_of_symbol(symbol):
            raise RuntimeError(f"native code calls {symbol!r}, which this process does not have")
    _state.announced.add(symbol)


def undefined_symbols(code: bytes) -> Iterator[str]:
    """The names that a 64-bit little-endian ELF object leaves to others to define; nothing for other formats."""
    if code[:6] != b"\x7fELF\x02\x01":
        return
    (sections,) = struct.unpack_from("<Q", code, 0x28)
    size, count = struct.unpack_from("<HH", code, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", code, sections + size * number) for number in range(count)]
    for _, kind, _, _, offset, length, link, _, _, entry in headers:
        if kind != 2:  # the symbol table
            continue
        strings = headers[link][4]
        for at in range(offset + entry, offset + length, entry):
            name, _, _, section = struct.unpack_from("<IBBH", code, at)
            if section == 0 and name:
                start = strings + name
                yield code[start : code.index(b"\0", start)].decode()
