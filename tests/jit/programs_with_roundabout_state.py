"""Programs whose state is reached in roundabout ways: by names in strings, registries, functions that run later.

``C`` compiles, or is the identity.
"""

from __future__ import annotations

import collections
import contextvars
import copy
import dataclasses
import functools
import importlib
import json
import logging
import operator
import os
import types
import weakref

import rushlight as torch

PROGRAMS = {}
N = 20  # calls: more than a function needs to be replayed, or to run eagerly


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def T(*values):
    return torch.tensor([float(v) for v in values])


@program
def dispatch(C):
    @functools.singledispatch
    def h(v):
        return 2.0

    a = "x"
    g = C(lambda x: x * h(a))
    o = []
    for i in range(N):
        if i == 9:
            h.register(str, lambda v: 7.0)
        o.append(g(T(1)))
    return o


@program
def logger_flag(C):
    lg = logging.getLogger("rl.flag")
    lg.verbose = 2.0
    g = C(lambda x: x * lg.verbose)
    o = []
    for i in range(N):
        if i == 9:
            lg.verbose = 5.0
        o.append(g(T(1)))
    return o


@program
def env(C):
    os.environ["RUSHLIGHT_TEST"] = "2"
    g = C(lambda x: x * float(os.environ.get("RUSHLIGHT_TEST", "1")))
    o = []
    for i in range(N):
        if i == 9:
            os.environ["RUSHLIGHT_TEST"] = "5"
        o.append(g(T(1)))
    return o


@program
def getenv(C):
    os.environ["RUSHLIGHT_TEST"] = "2"
    g = C(lambda x: x * float(os.getenv("RUSHLIGHT_TEST", "1")))
    o = []
    for i in range(N):
        if i == 9:
            os.environ["RUSHLIGHT_TEST"] = "5"
        o.append(g(T(1)))
    return o


@program
def class_dict(C):
    class A:
        gain = 2.0

    g = C(lambda x: x * A.__dict__["gain"])
    o = []
    for i in range(N):
        if i == 9:
            A.gain = 5.0
        o.append(g(T(1)))
    return o


@program
def class_dict_get(C):
    class A:
        gain = 2.0

    g = C(lambda x: x * vars(A).get("gain"))
    o = []
    for i in range(N):
        if i == 9:
            A.gain = 5.0
        o.append(g(T(1)))
    return o


@program
def attrget(C):
    class A:
        gain = 2.0

    get = operator.attrgetter("gain")
    g = C(lambda x: x * get(A))
    o = []
    for i in range(N):
        if i == 9:
            A.gain = 5.0
        o.append(g(T(1)))
    return o


@program
def ctx_counts(C):
    v = contextvars.ContextVar("v", default=1.0)

    def f(x):
        v.set(v.get() + 1)
        return x * v.get()

    g = C(f)
    return [g(T(1)) for i in range(N)] + [v.get()]


@program
def ctx_hidden(C):
    v = contextvars.ContextVar("v", default=1.0)

    class M:
        __slots__ = ("v",)

    m = M()
    m.v = v

    def f(x):
        y = x * m.v.get()
        m.v.set(m.v.get() + 1)
        return y

    g = C(f)
    return [g(T(1)) for i in range(N)] + [v.get()]


@program
def frozen(C):
    class A:
        gain = 2.0

    a = A()
    fs = frozenset([a])
    g = C(lambda x: x * sum(e.gain for e in fs))
    o = []
    for i in range(N):
        if i == 9:
            a.gain = 5.0
        o.append(g(T(1)))
    return o


@program
def cached_prop(C):
    class A:
        k = 2.0

        @functools.cached_property
        def gain(self):
            return self.k * 2

    a = A()
    g = C(lambda x: x * a.gain)
    o = []
    for i in range(N):
        if i == 9:
            del a.gain
            a.k = 5.0
        o.append(g(T(1)))
    return o


@program
def prop_cls(C):
    class A:
        k = 2.0

        @property
        def gain(self):
            return self.k * 2

    a = A()
    g = C(lambda x: x * a.gain)
    o = []
    for i in range(N):
        if i == 9:
            A.gain = property(lambda s: 1.0)
        o.append(g(T(1)))
    return o


@program
def strategy_dict(C):
    def relu(x):
        return x.clamp(min=0)

    def neg(x):
        return -x

    table = {"a": relu, "b": neg}
    cfg = types.SimpleNamespace(act="a")
    g = C(lambda x: table[cfg.act](x))
    o = []
    for i in range(N):
        if i == 9:
            cfg.act = "b"
        if i == 12:
            table["b"] = relu
        o.append(g(T(-1)))
    return o


@program
def method_swapped(C):
    class A:
        def go(self, x):
            return x * 2

    a = A()
    g = C(lambda x: a.go(x))
    o = []
    for i in range(N):
        if i == 9:
            A.go = lambda self, x: x * 5
        if i == 12:
            a.go = lambda x: x * 7
        o.append(g(T(1)))
    return o


@program
def closure_of_skipped(C):
    k = [2.0]

    def make():
        f = lambda x: x * k[0]
        return f

    h = {"f": make(), "flag": False}

    def f(x):
        return h["f"](x) if h["flag"] else x

    g = C(f)
    o = []
    for i in range(N):
        if i == 5:
            h["flag"] = True
        if i == 9:
            k[0] = 9.0
        o.append(g(T(1)))
    return o


@program
def default_of_skipped(C):
    class B:
        pass

    opts = {"k": 2.0}

    def helper(x, opts=opts):
        return x * opts["k"]

    cfg = types.SimpleNamespace(on=False, fn=helper)

    class R(dict):
        def fetch(self):
            return self["fn"]

    r = R(fn=helper)

    def f(x):
        return r.fetch()(x) if cfg.on else x + 1

    g = C(f)
    o = []
    for i in range(N):
        if i == 5:
            cfg.on = True
        if i == 9:
            helper.__defaults__[0]["k"] = 9.0
        o.append(g(T(1)))
    return o


@program
def reload(C):
    def f(x):
        importlib.reload(json)
        return x * 2

    g = C(f)
    return [g(T(1)) for i in range(3)]


@program
def deepcopied(C):
    class Cfg:
        def __init__(s):
            s.k = 2.0
            s.all = [1.0]

    c = Cfg()

    def f(x):
        d = copy.deepcopy(c)
        d.k += 1
        d.all.append(2)
        return x * d.k * len(d.all)

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            c.k = 5.0
        if i == 11:
            c.all.append(3)
        o.append(g(T(1)))
    return o


@program
def returned_cache_is_kept(C):
    class A:
        pass

    store = {}

    def f(x):
        if "a" not in store:
            store["a"] = A()
            store["a"].n = 1
        return store["a"], x * store["a"].n

    g = C(f)
    o = []
    for i in range(N):
        a, y = g(T(1))
        a.n = i + 1.0
        o.append(y)
    return o


@program
def object_args_mutated(C):
    @dataclasses.dataclass
    class B:
        x: object
        n: int = 0

    def f(b):
        b.n += 1
        return b.x * b.n

    g = C(f)
    return [g(B(T(i))) for i in range(5)]


@program
def object_args_fresh(C):
    @dataclasses.dataclass
    class B:
        x: object
        n: int = 0

    g = C(lambda b: b.x * b.n)
    return [g(B(T(i), i)) for i in range(N)]


@program
def nested_generator_state(C):
    class It:
        def __init__(s):
            s.i = 0

        def __iter__(s):
            return s

        def __next__(s):
            s.i += 1
            return float(s.i)

    it = It()
    g = C(lambda x: x * next(it))
    return [g(T(1)) for i in range(N)]


@program
def weakset(C):
    class A:
        seen = weakref.WeakSet()  # noqa: RUF012

        def __init__(s):
            A.seen.add(s)

    def f(x):
        a = A()
        a.y = x * 2
        return a

    g = C(f)
    o = []
    keep = []
    for _ in range(6):
        a = g(T(1))
        keep.append(a)
        o.append(a.y)
        o.append(len(A.seen))
    return o


@program
def ids(C):
    n = [0]

    class A:
        def __init__(s):
            n[0] += 1
            s.i = n[0]

    def f(x):
        return x * A().i

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def tensor_subclass_attr(C):
    class P(torch.Tensor):
        gain = 2.0

    w = torch.ones(2).as_subclass(P)
    g = C(lambda x: x * w.gain)
    o = []
    for i in range(N):
        if i == 9:
            P.gain = 5.0
        o.append(g(T(1, 1)))
    return o


@program
def setattr_counts(C):
    class A:
        n = 0

    a = A()

    def f(x):
        name = "n"
        setattr(a, name, getattr(a, name) + 1)
        return x * a.n

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def object_setattr_counts(C):
    class A:
        n = 0

    a = A()

    def f(x):
        object.__setattr__(a, "n", a.n + 1)
        return x * a.n

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def dict_sub_counts(C):
    class D(dict):
        def bump(s):
            s["n"] = s.get("n", 0) + 1
            return s["n"]

    d = D()
    g = C(lambda x: x * d.bump())
    return [g(T(1)) for i in range(N)]


@program
def defaultdict_counts(C):
    d = collections.defaultdict(int)

    def f(x):
        d["n"] += 1
        return x * d["n"]

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def counter_counts(C):
    d = collections.Counter()

    def f(x):
        d["n"] += 1
        return x * d["n"]

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def list_grows_then_read(C):
    class L(list):
        pass

    grown = L()

    def f(x):
        grown.append(1.0)
        return x * len(grown)

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def per_step_key_added(C):
    hist = {}

    def f(x):
        hist[len(hist)] = 1.0
        return x * len(hist)

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def filled_then_reset(C):
    class A:
        c = None

    a = A()
    a.c = None
    src = [3.0]

    def f(x):
        if a.c is None:
            a.c = src[0]
        return x * a.c

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            a.c = None
            src[0] = 4.0
        o.append(g(T(1)))
    return o
