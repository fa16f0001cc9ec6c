"""Programs whose Python state changes between calls or in them. ``C`` compiles, or is the identity."""

from __future__ import annotations

import collections
import copy
import gc
import itertools
import types
import weakref

import numpy as np

import rushlight as torch
from rushlight import nn

PROGRAMS = {}
N = 14  # calls: more than a function needs to be replayed


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def T(*values):
    return torch.tensor([float(v) for v in values])


@program
def dict_key_order(C):
    d = {"a": 1.0, "b": 2.0}

    def f(x):
        s = x * 0
        for _k, v in d.items():
            s = s * 2 + v
        return s

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            v = d.pop("a")
            d["a"] = v
        o.append(g(T(2)))
    return o


@program
def base_class_attr(C):

    class B:
        k = 2.0

    class A(B):
        def f(self, x):
            return x * self.k

    a = A()
    g = C(a.f)
    o = []
    for i in range(N):
        if i == 9:
            B.k = 5.0
        if i == 11:
            A.k = 1.0
        o.append(g(T(1)))
    return o


@program
def prop(C):
    st = {"v": 1.0}

    class A:
        @property
        def k(self):
            return st["v"]

    a = A()
    g = C(lambda x: x * a.k)
    o = []
    for i in range(N):
        if i == 9:
            st["v"] = 3.0
        if i == 11:
            A.k = property(lambda self: 11.0)
        o.append(g(T(1)))
    return o


@program
def getattr_dyn(C):
    st = [1.0]

    class A:
        def __getattr__(self, n):
            if n.startswith("__"):
                raise AttributeError(n)
            return st[0] * len(n)

    a = A()
    g = C(lambda x: x * a.foo + a.barbaz)
    o = []
    for i in range(N):
        if i == 9:
            st[0] = 2.0
        if i == 11:
            a.foo = 100.0
        o.append(g(T(1)))
    return o


@program
def generator(C):

    def gen(n):
        for i in range(n):
            yield (i + 0.5)

    cfg = types.SimpleNamespace(n=3)

    def f(x):
        s = x
        for v in gen(cfg.n):
            s = s * v
        return s

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            cfg.n = 4
        o.append(g(T(1)))
    return o


@program
def outer_generator(C):
    it = (float(i) for i in range(100))
    g = C(lambda x: x + next(it))
    return [g(T(1)) for _ in range(N)]


@program
def itcount(C):
    it = itertools.count()
    g = C(lambda x: x + next(it))
    return [g(T(1)) for _ in range(N)]


@program
def itcount_method(C):
    it = itertools.count()
    n = it.__next__
    g = C(lambda x: x + n())
    return [g(T(1)) for _ in range(N)]


@program
def list_iter_global(C):
    it = iter([float(i) for i in range(100)])

    def f(x):
        for v in it:
            return x + v

    g = C(f)
    return [g(T(1)) for _ in range(N)]


@program
def zip_consume(C):
    it = iter(range(100))

    def f(x):
        for a, b in zip([1.0, 2.0], it, strict=False):
            x = x * a + b
        return x

    g = C(f)
    return [g(T(1)) for _ in range(N)]


@program
def unpack_iter(C):
    it = iter(range(1000))

    def f(x):
        a, b = [v for _, v in zip(range(2), it, strict=False)]
        return x * a + b

    g = C(f)
    return [g(T(1)) for _ in range(N)]


@program
def deque_rotate(C):
    d = collections.deque([1.0, 2.0, 3.0])

    def f(x):
        d.rotate(1)
        return x * d[0]

    g = C(f)
    return [g(T(1)) for _ in range(N)]


@program
def deque_read(C):
    d = collections.deque([1.0, 2.0, 3.0])
    g = C(lambda x: x * d[0])
    o = []
    for i in range(N):
        if i >= 9:
            d.rotate(1)
        o.append(g(T(1)))
    return o


@program
def set_read(C):
    s = {1.0}
    g = C(lambda x: x * sum(s))
    o = []
    for i in range(N):
        if i >= 9:
            s.add(float(i))
        o.append(g(T(1)))
    return o


@program
def try_attr(C):
    ns = types.SimpleNamespace()

    def f(x):
        k = getattr(ns, "k", 1.0)
        return x * k if not hasattr(ns, "z") else x * 0

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            ns.k = 5.0
        if i == 11:
            del ns.k
        if i == 12:
            ns.z = 1
        o.append(g(T(1)))
    return o


@program
def global_missing(C):
    globals().pop("_GG", None)

    def f(x):
        try:
            return x * _GG
        except NameError:
            return x

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            globals()["_GG"] = 5.0
        if i == 12:
            del globals()["_GG"]
        o.append(g(T(1)))
    return o


@program
def builtin_shadow(C):
    globals().pop("max", None)

    def f(x):
        return x * max(1.0, 2.0)

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            globals()["max"] = min
        if i == 12:
            del globals()["max"]
        o.append(g(T(1)))
    return o


@program
def early_return(C):
    st = types.SimpleNamespace(stop=False, n=3)

    def f(x):
        for i in range(5):
            if i >= st.n:
                return x
            x = x * 2
            if st.stop:
                return x + 0.5
        return x

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            st.stop = True
        if i == 11:
            st.stop = False
            st.n = 1
        o.append(g(T(1)))
    return o


@program
def global_nan(C):
    ns = types.SimpleNamespace(k=1.0)

    def f(x):
        return x if ns.k != ns.k else x * ns.k

    g = C(f)
    o = []
    for i in range(2 * N):
        if i > 9:
            ns.k = [float("nan"), 2.0][i % 2]
        o.append(g(T(3, 4)))
    return o


@program
def numpy_captured(C):
    a = np.array([1.0, 2.0], np.float32)
    g = C(lambda x: x * torch.from_numpy(a))
    o = []
    for i in range(N):
        if i >= 9:
            a[0] = i
        o.append(g(T(1, 1)))
    return o


@program
def numpy_captured2(C):
    a = np.array([1.0, 2.0], np.float32)
    g = C(lambda x: x * torch.tensor(a))
    o = []
    for i in range(N):
        if i >= 9:
            a[0] = i
        o.append(g(T(1, 1)))
    return o


@program
def numpy_scalar_captured(C):
    a = np.array([1.0, 2.0], np.float32)
    g = C(lambda x: x * float(a[0]))
    o = []
    for i in range(N):
        if i >= 9:
            a[0] = i
        o.append(g(T(1, 1)))
    return o


@program
def fork_rng(C):
    torch.manual_seed(0)

    def f(x):
        with torch.random.fork_rng():
            y = x + torch.rand(2)
        return y + torch.rand(2)

    g = C(f)
    return [g(T(0, 0)) for i in range(N)] + [torch.rand(1)]


@program
def return_twice(C):

    def f(x):
        y = x * 2
        return (y, y, [y, {"a": y}])

    g = C(f)
    o = []
    for i in range(N):
        a, b, (c, d) = g(T(i))
        o.append((a is b, b is c, d["a"] is a))
        a.add_(1)
        o += [b, c]
    return o


@program
def return_view_of_result(C):

    def f(x):
        y = x * 2
        return (y, y[0], y.view(-1))

    g = C(f)
    o = []
    for i in range(N):
        a, b, c = g(T(i, 1))
        a.add_(1)
        o += [b, c]
    return o


@program
def return_global_list(C):
    kept = [1, 2]

    def f(x):
        return (kept, x + 1)

    g = C(f)
    o = []
    for i in range(N):
        r, _ = g(T(i))
        o.append(r is kept)
    return o


@program
def return_object(C):

    class R:
        def __init__(s, v):
            s.v = v

    g = C(lambda x: R(x + 1))
    o = []
    keep = []
    for i in range(N):
        r = g(T(i))
        keep.append(r)
        o.append(r.v)
    return o + [k.v for k in keep]


@program
def return_generator(C):

    def f(x):
        for i in range(3):
            yield (x * i)

    g = C(f)
    o = []
    for i in range(N):
        o.append(list(g(T(i))))
    return o


@program
def exception_shape(C):
    w = T(0, 0)

    def f(x):
        w.add_(1)
        return (w + x).sum()

    g = C(f)
    o = []
    for i in range(N):
        try:
            o.append(g(T(1, 2) if i % 3 else T(1, 2, 3)))
        except RuntimeError:
            o.append("shape")
        o.append(w.clone())
    return o


@program
def deepcopied(C):
    torch.manual_seed(0)
    m = nn.Linear(2, 2)
    c = C(m)
    o = []
    for i in range(N):
        o.append(c(T(i, 1)).detach())
    d = copy.deepcopy(c)
    with torch.no_grad():
        m.weight.mul_(2)
    for i in range(N):
        o.append(d(T(i, 1)).detach())
        o.append(c(T(i, 1)).detach())
    return o


@program
def del_attr(C):

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.k = 2.0

        def forward(s, x):
            return (
                x * getattr(s, "k", 1.0) * (getattr(s, "w", None) if getattr(s, "w", None) is not None else 1)
            )

    m = M()
    g = C(m)
    o = []
    for i in range(N):
        if i == 8:
            del m.k
        if i == 10:
            m.w = nn.Parameter(T(3))
        if i == 12:
            del m.w
        o.append(g(T(i)).detach())
    return o


@program
def module_added(C):
    torch.manual_seed(0)
    m = nn.Sequential(nn.Linear(2, 2))
    g = C(m)
    o = []
    for i in range(N):
        if i == 8:
            m.append(nn.Linear(2, 2))
        if i == 10:
            m[0] = nn.Identity()
        if i == 12:
            del m[1]
        o.append(g(T(i, 1)).detach())
    return o


@program
def weakrefs(C):

    class K:
        v = 1.0

    k = K()
    r = weakref.ref(k)

    def f(x):
        q = r()
        return x * (q.v if q is not None else -1.0)

    g = C(f)
    o = []
    for i in range(N):
        if i == 8:
            k.v = 4.0
        if i == 10:
            del k
            gc.collect()
        o.append(g(T(i)))
    return o
