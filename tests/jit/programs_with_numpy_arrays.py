"""Programs that change tensors' memory through NumPy while a compiled function runs. ``C`` compiles, or is the identity."""

from __future__ import annotations

import numpy as np

import rushlight as torch

PROGRAMS = {}
N = 20  # calls: more than a function needs to be replayed, or to run eagerly


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def changed_after_use(C):
    a = np.ones(3, np.float32)

    def f(x):
        t = torch.from_numpy(a)
        y = t * x
        a[0] += 1
        return y

    g = C(f)
    return [g(torch.ones(3)) for _ in range(N)] + [a.tolist()]


@program
def changed_after_use_closure(C):
    a = np.ones(3, np.float32)
    t = torch.from_numpy(a)

    def f(x):
        y = t * x
        a[0] += 1
        return y + t

    g = C(f)
    return [g(torch.ones(3)) for _ in range(N)]


@program
def numpy_of_argument(C):
    def f(x):
        y = x * 2
        n = x.numpy()
        n[0] = 7
        z = x + 1
        n[1] = 9
        return y, z, x.clone()

    g = C(f)
    o = []
    for _ in range(N):
        o += list(g(torch.ones(3)))
    return o


@program
def numpy_of_intermediate(C):
    def f(x):
        y = x * 2
        n = y.numpy()
        z = y + 1
        n[:] = 5
        w = y + 1
        return z, w, y

    g = C(f)
    o = []
    for _ in range(N):
        o += list(g(torch.ones(3)))
    return o


@program
def kept_numpy_outside(C):
    x = torch.ones(3)
    n = x.numpy()

    def f():
        y = x * 2
        n[0] += 1
        z = x * 2
        return y + z

    g = C(f)
    return [g() for _ in range(N)]


@program
def view_of_numpy(C):
    a = np.ones((4, 4), np.float32)

    def f(x):
        t = torch.from_numpy(a[1])
        y = t + x
        a[:] += 1
        return y

    g = C(f)
    return [g(torch.ones(4)) for _ in range(N)]


@program
def view_of_tensor(C):
    a = np.ones((4, 4), np.float32)
    t = torch.from_numpy(a)

    def f(x):
        y = t[1] + x
        a[1, 0] += 1
        t.mul_(2)
        z = t[1] + x
        a[:, 1] -= 1
        return y, z, t.sum()

    g = C(f)
    o = []
    for _ in range(N):
        o += list(g(torch.ones(4)))
    return [*o, a.copy().tolist()]


@program
def argument_held_outside(C):
    a = np.ones(3, np.float32)
    t = torch.from_numpy(a)

    def f(x, n):
        y = x * 2
        n[0] = n[0] + 1
        return y

    g = C(f)
    return [g(t, a) for _ in range(N)]


@program
def asarray_of(C):
    x = torch.ones(3)

    def f():
        n = np.asarray(x)
        y = x * 2
        n += 1
        return y

    g = C(f)
    return [g() for _ in range(N)]


@program
def as_tensor_and_frombuffer(C):
    a = np.ones(3, np.float32)

    def f():
        t = torch.as_tensor(a)
        y = t * 2
        a.fill(4)
        u = torch.asarray(a)
        z = u * 2
        a[1] = 1
        return y, z

    g = C(f)
    o = []
    for _ in range(N):
        a[:] = 1
        o += list(g())
    return o


@program
def tensor_then_inplace(C):
    a = np.ones(3, np.float32)
    t = torch.from_numpy(a)

    def f():
        y = t * 2
        t.add_(1)
        s = a.sum()
        z = t * 2
        a[0] = 0
        return y, z, torch.tensor(float(s))

    g = C(f)
    o = []
    for _ in range(N):
        a[:] = 1
        o += list(g())
    return [*o, a.tolist()]


@program
def dlpack_of(C):
    x = torch.ones(3)

    def f():
        assert np.from_dlpack(x.detach()).shape == (3,)
        y = x * 2
        m = x.numpy()
        m[0] += 1
        return y

    g = C(f)
    return [g() for _ in range(N)]
