"""The cache of machine code: hits, damage, eviction, places that cannot be used, and several processes at once."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compiler import native
from rushlight.compiler.cache import DEFAULT_LIMIT, ObjectCache, default_directory, default_limit

from .plan_samples import add_constant

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a process that has compiled nothing yet."""
    fresh = native._State()
    fresh.symbols = native._state.symbols
    monkeypatch.setattr(native, "_state", fresh)
    fresh.cache = ObjectCache(str(tmp_path))
    return fresh.cache


def forget():
    """As if this process had just begun."""
    native._state.addresses.clear()


def result_of(address):
    x, y = np.zeros(3, np.float32), np.zeros(3, np.float32)
    pointers = np.array([x.ctypes.data, y.ctypes.data])
    KERNEL(address)(0, 3, None, pointers.ctypes.data, None)
    assert y[0] == y[1] == y[2]
    return float(y[0])


def entries(cache):
    return sorted(name for name in os.listdir(cache.directory) if name.endswith(".o"))


def test_modules_that_name_their_functions_alike_load_together(cache):
    addresses = native.load_many([(add_constant(float(number)), "kernel") for number in range(5)])
    assert [result_of(address) for address in addresses] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(entries(cache)) == 5
    assert native.load_many([(add_constant(float(number)), "kernel") for number in range(5)]) == addresses


def test_the_same_module_twice_in_one_request_is_compiled_once(cache):
    text = add_constant(1.0)
    first, second = native.load_many([(text, "kernel"), (text, "kernel")])
    assert first == second
    assert len(entries(cache)) == 1


def test_a_stored_object_is_used_instead_of_compiling(cache, monkeypatch):
    native.load(add_constant(3.0))
    forget()
    monkeypatch.setattr(native, "_optimised", lambda *_: pytest.fail("compiled again"))
    assert result_of(native.load(add_constant(3.0))) == 3.0


def flip_last_byte(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    "damage",
    [flip_last_byte, lambda content: content[:100], lambda content: b"", lambda content: b"x" * len(content)],
    ids=["a flipped bit", "cut short", "empty", "other content"],
)
def test_a_damaged_entry_is_made_again(cache, damage):
    native.load(add_constant(4.0))
    (name,) = entries(cache)
    path = os.path.join(cache.directory, name)
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(damage(whole))
    forget()
    assert result_of(native.load(add_constant(4.0))) == 4.0
    with open(path, "rb") as file:
        assert file.read() == whole


def test_entries_used_longest_ago_are_evicted(tmp_path):
    cache = ObjectCache(str(tmp_path), limit=10_000)
    now = time.time()
    for number in range(8):
        cache.write(f"{number:064}", b"x" * 1000)
        os.utime(os.path.join(cache.directory, f"{number:064}.o"), (now - 10_000 + number,) * 2)
    assert cache.read(f"{0:064}") == b"x" * 1000  # marks it as used now
    for number in range(8, 12):
        cache.write(f"{number:064}", b"x" * 1000)
    cache.evict()
    left = {int(name[:64]) for name in entries(cache)}
    assert sum(os.path.getsize(os.path.join(cache.directory, name)) for name in entries(cache)) <= 10_000
    assert 0 in left
    assert {8, 9, 10, 11} <= left
    assert 1 not in left


def test_a_growing_cache_stays_within_its_limit_by_itself(tmp_path):
    cache = ObjectCache(str(tmp_path), limit=20_000)
    for number in range(200):
        cache.write(f"{number:064}", bytes(1000))
        total = sum(os.path.getsize(os.path.join(cache.directory, name)) for name in entries(cache))
        assert total <= 20_000 + 20_000 / 16 + 1100


def test_an_entry_larger_than_the_cache_is_not_stored(tmp_path):
    cache = ObjectCache(str(tmp_path), limit=1000)
    cache.write("0" * 64, bytes(2000))
    assert cache.read("0" * 64) is None


def test_files_left_half_written_are_removed(tmp_path):
    cache = ObjectCache(str(tmp_path), limit=1000)
    cache.write("0" * 64, b"x")
    for name, age in (("old", 7200), ("new", 10)):
        path = os.path.join(cache.directory, f"{name}.partial")
        with open(path, "wb"):
            pass
        os.utime(path, (time.time() - age,) * 2)
    cache.evict()
    assert os.path.exists(os.path.join(cache.directory, "new.partial"))
    assert not os.path.exists(os.path.join(cache.directory, "old.partial"))


def unusable_as_a_file(path):
    path.write_text("not a directory")
    return path


def unusable_for_others_may_write(path):
    (path / "kernels").mkdir(parents=True)
    (path / "kernels").chmod(0o777)
    return path


@pytest.mark.parametrize("unusable", [unusable_as_a_file, unusable_for_others_may_write])
def test_a_directory_that_cannot_be_used_is_passed_over(tmp_path, cache, unusable):
    if unusable is unusable_for_others_may_write and sys.platform == "win32":
        pytest.skip("permissions of POSIX")
    native._state.cache = ObjectCache(str(unusable(tmp_path / "place")))
    assert result_of(native.load(add_constant(5.0))) == 5.0
    assert native._state.cache.read("0" * 64) is None
    native._state.cache.write("0" * 64, b"x")
    native._state.cache.evict()


def test_a_limit_of_zero_turns_the_cache_off(tmp_path):
    cache = ObjectCache(str(tmp_path), limit=0)
    cache.write("0" * 64, b"x")
    assert cache.read("0" * 64) is None
    assert not os.path.exists(cache.directory)


@pytest.mark.parametrize(
    "text, limit",
    [
        ("", DEFAULT_LIMIT),
        ("1000", 1000),
        ("2K", 2048),
        ("1.5M", 3 << 19),
        ("1GiB", 1 << 30),
        ("0", 0),
        ("-5", 0),
        ("much", DEFAULT_LIMIT),
        ("inf", DEFAULT_LIMIT),
        ("K", DEFAULT_LIMIT),
    ],
)
def test_the_limit_in_the_environment(monkeypatch, text, limit):
    monkeypatch.setenv("RUSHLIGHT_CACHE_SIZE", text)
    assert default_limit() == limit


def test_the_directory_in_the_environment(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CACHE_DIR", "/somewhere")
    assert default_directory() == "/somewhere"
    monkeypatch.delenv("RUSHLIGHT_CACHE_DIR")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
        assert default_directory() == os.path.join("/cache", "rushlight")


def test_processes_that_share_a_small_damaged_cache_all_compute_rightly(tmp_path):
    script = """
import os, random, sys
from rushlight.compiler import native
import test_kernel_cache as t
random.seed(int(sys.argv[1]))
directory = os.path.join(os.environ["RUSHLIGHT_CACHE_DIR"], "kernels")
for _ in range(60):
    number = random.randrange(12)
    assert t.result_of(native.load(t.add_constant(float(number)))) == number
    t.forget()
    if random.random() < 0.1:
        for name in os.listdir(directory)[:2]:
            try:
                with open(os.path.join(directory, name), "r+b") as file:
                    file.truncate(random.randrange(50))
            except OSError:
                pass
"""
    folder = os.path.dirname(__file__)
    prepare = (
        "import sys, types, importlib.util as u\n"
        f"p = types.ModuleType('p'); p.__path__ = [{folder!r}]; sys.modules['p'] = p\n"
        "import p.test_kernel_cache; sys.modules['test_kernel_cache'] = p.test_kernel_cache\n"
    )
    environment = {**os.environ, "RUSHLIGHT_CACHE_DIR": str(tmp_path), "RUSHLIGHT_CACHE_SIZE": "12K"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", prepare + script, str(seed)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


# From text to code.


def test_text_that_is_not_ir_is_refused(cache):
    with pytest.raises(RuntimeError, match="parsing"):
        native.load("this is no module")


def test_a_function_that_is_not_there_is_named_before_llvm_ends_the_process(cache):
    text = (
        add_constant(1.0).replace("entry:", 'entry:\n  call void @"nobody_has_this"()')
        + '\ndeclare void @"nobody_has_this"()\n'
    )
    with pytest.raises(RuntimeError, match="'nobody_has_this'"):
        native.load(text)


def test_functions_of_the_c_library_are_found_on_reload(cache):
    text = """
declare float @expf(float)
declare double @lgamma(double)
define void @kernel(i64 %b, i64 %e, ptr %i, ptr %p, ptr %s) {
  %y = load ptr, ptr %p
  %z = getelementptr ptr, ptr %p, i64 1
  %out = load ptr, ptr %z
  %v = load float, ptr %y
  %w = call float @expf(float %v)
  %d = fpext float %w to double
  %l = call double @lgamma(double %d)
  store double %l, ptr %out
  ret void
}
"""
    for _ in range(2):
        x, y = np.array([2.0], np.float32), np.zeros(1)
        pointers = np.array([x.ctypes.data, y.ctypes.data])
        KERNEL(native.load(text))(0, 1, None, pointers.ctypes.data, None)
        import math

        assert y[0] == pytest.approx(math.lgamma(math.exp(2.0)), rel=1e-6)
        forget()


def test_other_functions_of_a_module_do_not_meet_those_of_another(cache):
    texts = [
        f"""
define float @number() noinline {{
  ret float {value}.0
}}
define void @kernel(i64 %b, i64 %e, ptr %i, ptr %p, ptr %s) {{
  %q = getelementptr ptr, ptr %p, i64 1
  %out = load ptr, ptr %q
  %v = call float @number()
  store <3 x float> zeroinitializer, ptr %out
  %1 = insertelement <3 x float> poison, float %v, i32 0
  %2 = shufflevector <3 x float> %1, <3 x float> poison, <3 x i32> zeroinitializer
  store <3 x float> %2, ptr %out, align 4
  ret void
}}
""".replace(
            "store <3 x float> zeroinitializer, ptr %out",
            "store <3 x float> zeroinitializer, ptr %out, align 4",
        )
        for value in (1, 2)
    ]
    assert [result_of(address) for address in native.load_many([(text, "kernel") for text in texts])] == [
        1.0,
        2.0,
    ]


def test_assembly_is_text_for_people(cache):
    text = native.assembly(add_constant(1.0))
    assert re.search(r"^kernel:", text, re.MULTILINE)
    assert "define" in native.optimised_ir(add_constant(1.0))
