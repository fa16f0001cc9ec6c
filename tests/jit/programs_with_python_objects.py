"""Programs that depend on Python's objects and on what is outside. ``C`` compiles, or is the identity."""

from __future__ import annotations

import collections
import enum
import io
import os
import random
import tempfile
import threading
import types

import numpy as np

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn

PROGRAMS = {}
N = 14  # calls: more than a function needs to be replayed


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def T(*values):
    return torch.tensor([float(v) for v in values])


@program
def rnd_own(C):
    r = random.Random(0)
    g = C(lambda x: x * r.random())
    return [g(T(1)) for i in range(N)]


@program
def np_rng(C):
    r = np.random.default_rng(0)
    g = C(lambda x: x * r.random())
    return [g(T(1)) for i in range(N)]


@program
def clock(C):
    t = [0.0]

    class FakeTime:
        @staticmethod
        def time():
            t[0] += 1
            return t[0]

    ft = FakeTime()
    g = C(lambda x: x * ft.time())
    return [g(T(1)) for i in range(N)]


@program
def file_read(C):
    p = os.path.join(tempfile.mkdtemp(), "number")
    with open(p, "w") as file:
        file.write("2")

    def f(x):
        with open(p) as h:
            return x * float(h.read())

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            with open(p, "w") as file:
                file.write("5")
        o.append(g(T(1)))
    return o


@program
def print_in(C):
    buf = io.StringIO()

    def f(x):
        print("hi", file=buf)
        return x * 2

    g = C(f)
    [g(T(1)) for i in range(N)]
    return [buf.getvalue()]


@program
def slots_obj(C):

    class A:
        __slots__ = ("v",)

    a = A()
    a.v = 1.0
    g = C(lambda x: x * a.v)
    o = []
    for i in range(N):
        if i >= 9:
            a.v = float(i)
        o.append(g(T(1)))
    return o


@program
def enum_use(C):

    class E(enum.Enum):
        A = 1
        B = 2

    cfg = types.SimpleNamespace(m=E.A)
    g = C(lambda x: x * cfg.m.value if cfg.m is E.A else -x)
    o = []
    for i in range(N):
        if i == 9:
            cfg.m = E.B
        o.append(g(T(1)))
    return o


@program
def callable_obj_replaced(C):
    ns = types.SimpleNamespace(act=torch.sin)
    g = C(lambda x: ns.act(x))
    o = []
    for i in range(N):
        if i == 9:
            ns.act = torch.cos
        if i == 11:
            ns.act = lambda x: x * 3
        o.append(g(T(1)))
    return o


@program
def monkey_patch_lib(C):
    orig = F.relu
    g = C(lambda x: F.relu(x))
    o = []
    try:
        for i in range(N):
            if i == 9:
                F.relu = lambda x: x * 100
            o.append(g(T(1)))
    finally:
        F.relu = orig
    return o


@program
def monkey_patch_class(C):
    torch.manual_seed(0)
    m = nn.Linear(2, 2)
    orig = nn.Linear.forward
    g = C(m)
    o = []
    try:
        for i in range(N):
            if i == 9:
                nn.Linear.forward = lambda s, x: x * 100
            o.append(g(T(1, 2)).detach())
    finally:
        nn.Linear.forward = orig
    return o


@program
def module_attr(C):
    mod = types.ModuleType("cfgmod")
    mod.K = 1.0
    mod.sub = types.SimpleNamespace(q=2.0)
    g = C(lambda x: x * mod.K * mod.sub.q)
    o = []
    for i in range(N):
        if i == 9:
            mod.K = 7.0
        if i == 11:
            mod.sub.q = 5.0
        o.append(g(T(1)))
    return o


@program
def branch_on_grad(C):
    w = T(1, 2).requires_grad_()

    def f(x):
        if w.grad is None:
            return x
        return x + w.grad

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            w.grad = T(5, 5)
        if i == 10:
            w.grad = T(6, 6)
        if i == 11:
            w.grad.add_(1)
        if i == 12:
            w.grad = None
        o.append(g(T(1, 1)))
    return o


@program
def grad_none_inside(C):
    w = T(1, 2).requires_grad_()

    def f(x):
        (w * x).sum().backward()
        r = w.grad.clone()
        return r

    g = C(f)
    o = []
    for i in range(N):
        if i in (9, 11):
            w.grad = None
        o.append(g(T(1, i)))
    return o


@program
def subclass_param(C):
    p = nn.Parameter(T(1, 2))
    g = C(lambda x: (x * p, isinstance(x, nn.Parameter)))
    o = []
    for i in range(2 * N):
        x = T(1, 2)
        r = g(nn.Parameter(x) if i % 2 else x.requires_grad_())
        o += [r[0].detach(), r[1]]
    return o


@program
def stride_check(C):
    g = C(lambda x: x * x.stride(0) + x.storage_offset())
    o = []
    b = torch.ones(4, 3)
    for i in range(3 * N):
        o.append(g([b[:2], torch.ones(3, 2).t(), b[2:]][i % 3]))
    return o


@program
def id_check(C):
    w = T(1)
    g = C(lambda x: x * 2 if x is w else x * 3)
    o = []
    for i in range(2 * N):
        o.append(g(w if i % 3 == 0 else T(1)))
    return o


@program
def version_check(C):
    w = T(1)
    g = C(lambda x: x * w._version)
    o = []
    for i in range(N):
        if i > 8:
            w.add_(1)
        o.append(g(T(1)))
    return o


@program
def attr_on_tensor(C):
    w = T(1)
    w.tag = 2.0
    g = C(lambda x: x * w.tag)
    o = []
    for i in range(N):
        if i > 8:
            w.tag = float(i)
        o.append(g(T(1)))
    return o


@program
def attr_on_arg(C):
    g = C(lambda x: x * getattr(x, "tag", 1.0))
    o = []
    for i in range(2 * N):
        x = T(1)
        if i % 2:
            x.tag = float(i)
        o.append(g(x))
    return o


@program
def attr_on_param_inside(C):
    p = nn.Parameter(T(1))
    p.n = 0

    def f(x):
        p.n += 1
        return x * p.n

    g = C(f)
    return [g(T(1)) for i in range(N)] + [p.n]


@program
def names_and_type(C):
    g = C(lambda x: type(x).__name__)
    return [g(nn.Parameter(T(1)) if i % 2 else T(1).requires_grad_()) for i in range(N)]


@program
def time_dependent_class_call(C):

    class A:
        n = 0

        def __mul__(s, o):
            A.n += 1
            return o * A.n

    a = A()
    g = C(lambda x: a * x)
    return [g(T(1)) for i in range(N)]


@program
def userdict(C):
    d = collections.UserDict(a=1.0)
    g = C(lambda x: x * d["a"])
    o = []
    for i in range(N):
        if i == 9:
            d["a"] = 5.0
        o.append(g(T(1)))
    return o


@program
def ordered_dict(C):
    d = collections.OrderedDict(a=1.0, b=2.0)

    def f(x):
        s = x
        for v in d.values():
            s = s * 2 + v
        return s

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            d.move_to_end("a")
        if i == 11:
            d["a"] = 9.0
        o.append(g(T(1)))
    return o


@program
def chainmap_mappingproxy(C):
    b = {"k": 1.0}
    m = types.MappingProxyType(b)
    c = collections.ChainMap({}, b)
    g = C(lambda x: x * m["k"] * c["k"])
    o = []
    for i in range(N):
        if i == 9:
            b["k"] = 3.0
        o.append(g(T(1)))
    return o


@program
def bytearray_mem(C):
    b = bytearray(b"\x01\x02")
    g = C(lambda x: x * b[0])
    o = []
    for i in range(N):
        if i == 9:
            b[0] = 7
        o.append(g(T(1)))
    return o


@program
def array_module(C):
    import array

    b = array.array("d", [1.0])
    g = C(lambda x: x * b[0])
    o = []
    for i in range(N):
        if i == 9:
            b[0] = 7
        o.append(g(T(1)))
    return o


@program
def ctypes_val(C):
    import ctypes

    b = ctypes.c_double(1.0)
    g = C(lambda x: x * b.value)
    o = []
    for i in range(N):
        if i == 9:
            b.value = 7.0
        o.append(g(T(1)))
    return o


@program
def contextvar(C):
    import contextvars

    v = contextvars.ContextVar("v", default=1.0)
    g = C(lambda x: x * v.get())
    o = []
    for i in range(N):
        if i == 9:
            v.set(7.0)
        o.append(g(T(1)))
    return o


@program
def threadlocal(C):
    v = threading.local()
    v.k = 1.0
    g = C(lambda x: x * v.k)
    o = []
    for i in range(N):
        if i == 9:
            v.k = 7.0
        o.append(g(T(1)))
    return o


@program
def queue_get(C):
    import queue

    q = queue.Queue()
    [q.put(float(i)) for i in range(99)]
    g = C(lambda x: x * q.get())
    return [g(T(1)) for i in range(N)]


@program
def stringio_read(C):
    s = io.StringIO("\n".join(map(str, range(50))))
    g = C(lambda x: x * float(s.readline()))
    return [g(T(1)) for i in range(N)]


@program
def uuid_(C):
    import uuid

    g = C(lambda x: x * 0 + uuid.uuid4().int % 10**6)
    r = [float(g(T(1))) for i in range(N)]
    return [len(set(r)) > 5]


@program
def secrets_(C):
    g = C(lambda x: x * 0 + int.from_bytes(os.urandom(3), "big"))
    r = [float(g(T(1))) for i in range(N)]
    return [len(set(r)) > 5]
