"""Programs that change memory which others see, and other odd uses of tensors. ``C`` compiles, or is the identity."""

from __future__ import annotations

import copy
import sys
import types

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
def view_write_inside(C):
    base = torch.zeros(2, 3)
    v = base[1]

    def f(x):
        v.add_(x)
        return base.sum()

    g = C(f)
    o = []
    for _i in range(N):
        o.append(g(T(1, 2, 3)))
        o.append(base.clone())
    return o


@program
def base_write_view_read(C):
    base = torch.zeros(2, 3)
    v = base[1]

    def f(x):
        base.add_(1)
        y = v * x
        base[1].mul_(2)
        return y + v

    g = C(f)
    o = []
    for _i in range(N):
        o.append(g(T(1, 2, 3)))
        o.append(base.clone())
    return o


@program
def detach_alias_written(C):
    w = T(1, 2)
    d = w.detach()

    def f(x):
        y = w * x
        d.mul_(2)
        return (y, w + 0)

    g = C(f)
    o = []
    for i in range(N):
        o += list(g(T(i, 1)))
        w.div_(2)
    return o


@program
def split_written(C):
    w = torch.arange(6.0)
    a, b, c = w.split(2)

    def f(x):
        y = w * 1
        a.add_(x)
        b.mul_(2)
        z = w.clone()
        c.copy_(a)
        return (y, z, w.sum())

    g = C(f)
    o = []
    for i in range(N):
        o += list(g(T(i, 1)))
        o.append(w.clone())
    return o


@program
def unbind_stack(C):
    w = torch.zeros(3, 2)
    rows = w.unbind(0)

    def f(x):
        for k, r in enumerate(rows):
            r.add_(x * k)
        return torch.stack(rows) + w

    g = C(f)
    o = []
    for i in range(N):
        o.append(g(T(i, 1)))
        o.append(w.clone())
    return o


@program
def view_of_arg_written(C):

    def f(x):
        v = x[:, 0]
        y = x * 2
        v.add_(10)
        return (y, x.sum(), v * 1)

    g = C(f)
    o = []
    for i in range(N):
        x = torch.arange(6.0).reshape(2, 3) + i
        o += list(g(x))
        o.append(x)
    return o


@program
def arg_and_its_view(C):

    def f(x, v):
        y = x * 2
        v.add_(10)
        z = x * 3
        x.mul_(2)
        return (y, z, v * 1)

    g = C(f)
    o = []
    for i in range(N):
        x = torch.arange(6.0).reshape(2, 3) + i
        o += list(g(x, x[i % 2]))
        o.append(x)
        x = torch.arange(6.0).reshape(2, 3) + i
        o += list(g(x, torch.ones(3)))
        o.append(x)
    return o


@program
def two_views_overlap(C):
    w = torch.arange(5.0)
    a = w[:4]
    b = w[1:]

    def f(x):
        y = b * 1
        a.add_(x)
        z = b * 1
        b.mul_(2)
        return (y, z, a + 0)

    g = C(f)
    o = []
    for i in range(N):
        o += list(g(torch.tensor(float(i))))
        o.append(w.clone())
        w.mul_(0.1)
    return o


@program
def transposed_view(C):
    w = torch.arange(6.0).reshape(2, 3)
    t = w.t()

    def f(x):
        y = t @ w
        t[0].add_(x)
        return (y, w * 1, t @ w)

    g = C(f)
    o = []
    for _i in range(N):
        o += list(g(T(1, 2)))
        w.mul_(0.5)
    return o


@program
def view_of_view(C):
    w = torch.arange(8.0)
    v = w.view(2, 4)
    u = v[:, 1:3]
    s = u.t()

    def f(x):
        s.add_(x)
        a = w.sum()
        w.sub_(1)
        b = u.sum()
        u.zero_()
        return (a, b, v * 1)

    g = C(f)
    o = []
    for _i in range(N):
        o += list(g(T(1, 2)))
        o.append(w.clone())
    return o


@program
def as_strided_view(C):
    w = torch.arange(6.0)
    v = w.as_strided((3, 2), (1, 2))

    def f(x):
        y = v * x
        w.add_(1)
        return (y, v * 1)

    g = C(f)
    o = []
    for _i in range(N):
        o += list(g(T(1, 2)))
    return o


@program
def expand_view(C):
    w = T(1, 2)
    e = w.expand(3, 2)

    def f(x):
        y = e * x
        w.add_(1)
        return (y, e.sum())

    g = C(f)
    o = []
    for _i in range(N):
        o += list(g(T(1, 2)))
    return o


@program
def diag_view(C):
    w = torch.eye(3)
    d = w.diagonal()

    def f(x):
        d.add_(x)
        y = w @ w
        w.t_() if False else w.mul_(0.5)
        return (y, d * 1)

    g = C(f)
    o = []
    for _i in range(N):
        o += list(g(T(1, 2, 3)))
    return o


@program
def dtype_view(C):
    w = T(1, 2)
    v = w.view(torch.int32)

    def f(x):
        y = w * x
        v.add_(1 << 20)
        return (y, w * 1)

    g = C(f)
    o = []
    for _i in range(N):
        o += list(g(T(1, 2)))
    return o


@program
def results_fed_back(C):

    def f(h, x):
        return (h * 0.5 + x, h)

    g = C(f)
    h = T(0, 0)
    o = []
    for i in range(N):
        h, p = g(h, T(i, 1))
        o += [h.clone(), p.clone()]
    return o


@program
def result_mutated_then_fed(C):

    def f(h, x):
        return h * 0.5 + x

    g = C(f)
    h = T(0, 0)
    o = []
    for i in range(N):
        h = g(h, T(i, 1))
        h.add_(1)
        o.append(h.clone())
        v = h[:1]
        v.mul_(2)
        o.append(h.clone())
    return o


@program
def state_swapped(C):
    a, b = (T(1, 1), T(2, 2))
    st = {"a": a, "b": b}

    def f(x):
        return st["a"] * x + st["b"]

    g = C(f)
    o = []
    for i in range(2 * N):
        if i % 3 == 0:
            st["a"], st["b"] = (st["b"], st["a"])
        o.append(g(T(i, 1)))
    return o


@program
def grad_accumulate(C):
    w = T(1, 2).requires_grad_()
    opt = torch.optim.SGD([w], 0.1)

    def f(x, last):
        (w * x).square().sum().backward()
        if last:
            opt.step()
            opt.zero_grad()
        return w.detach().clone()

    g = C(f)
    return [g(T(i, 1), i % 4 == 3) for i in range(3 * N)]


@program
def zero_grad_kinds(C):
    w = T(1, 2).requires_grad_()
    opt = torch.optim.SGD([w], 0.1, momentum=0.9, nesterov=True)

    def f(x, none):
        opt.zero_grad(set_to_none=none)
        (w * x).square().sum().backward()
        opt.step()
        return w.detach().clone()

    g = C(f)
    return [g(T(i, 1) * 0.1, i % 5 == 3) for i in range(3 * N)]


@program
def ema(C):
    torch.manual_seed(0)
    m = nn.Linear(2, 2)
    e = copy.deepcopy(m)
    opt = torch.optim.Adam(m.parameters(), 0.1)

    def f(x):
        opt.zero_grad()
        loss = m(x).square().sum()
        loss.backward()
        opt.step()
        with torch.no_grad():
            for p, q in zip(m.parameters(), e.parameters(), strict=False):
                q.lerp_(p, 0.1)
        return loss.detach()

    g = C(f)
    return [g(torch.ones(1, 2) * i) for i in range(N)] + [q.detach() for q in e.parameters()]


@program
def nested_compiled(C):
    w = T(1, 2)
    inner = C(lambda x: (w.add_(1), x * w)[1])
    outer = C(lambda x: inner(x) + inner(x * 2))
    o = []
    for i in range(N):
        o.append(outer(T(i, 1)))
        o.append(inner(T(i, 1)))
    return o


@program
def index_put(C):
    w = torch.zeros(4)

    def f(i, x):
        w[i] += x
        w.index_add_(0, i, x)
        w[i[0]] = 7.0
        return w * 1

    g = C(f)
    o = []
    for i in range(N):
        o.append(g(torch.tensor([i % 4, (i + 1) % 4]), T(1, 2)))
    return o


@program
def item_used(C):

    def f(x):
        s = x.sum().item()
        return (x * s, s + 1, s)

    g = C(f)
    return [g(T(i, 2)) for i in range(N)]


@program
def resize_inside(C):
    buf = torch.zeros(2)

    def f(x):
        buf.resize_(4)
        buf.fill_(2)
        return buf * 1

    g = C(f)
    o = []
    for i in range(4):
        o.append(g(T(i, 2)))
        o.append(tuple(buf.shape))
    return o


@program
def requires_grad_arg_inside(C):

    def f(x):
        x.requires_grad_()
        y = (x * x).sum()
        y.backward()
        return y.detach()

    g = C(f)
    o = []
    for i in range(N):
        x = T(i, 2)
        o.append(g(x))
        o += [x.requires_grad, x.grad]
    return o


@program
def rand_in_branch(C):
    torch.manual_seed(0)
    cfg = {"r": True}

    def f(x):
        return x + torch.rand(2) if cfg["r"] else x

    g = C(f)
    o = []
    for i in range(2 * N):
        cfg["r"] = i % 7 != 6
        o.append(g(T(0, 0)))
    return [*o, torch.rand(1)]


@program
def randperm_multinomial(C):
    torch.manual_seed(0)

    def f(x):
        return (
            x[torch.randperm(4)],
            torch.multinomial(x.abs() + 1, 3),
            torch.randint(0, 9, (3,)),
            torch.bernoulli(x.sigmoid()),
            torch.normal(x, 1.0),
        )

    g = C(f)
    return [g(torch.arange(4.0)) for i in range(N)]


@program
def optimizer_made_inside(C):

    def f(x):
        w = x.detach().clone().requires_grad_()
        opt = torch.optim.Adam([w], 0.1)
        for _ in range(3):
            opt.zero_grad()
            (w * w).sum().backward()
            opt.step()
        return w.detach()

    g = C(f)
    return [g(T(i, 2)) for i in range(N)]


@program
def kv_cache_tensor_pos(C):
    k = torch.zeros(20, 2)
    pos = torch.tensor([0])

    def f(x):
        k.index_copy_(0, pos, x[None])
        pos.add_(1)
        return k.sum(0)

    g = C(f)
    return [g(T(i, 1)) for i in range(N)]


@program
def zero_size(C):
    g = C(lambda x: (x.sum(), x * 2, torch.cat([x, x])))
    return [g(torch.ones(i % 3, 2) * i) for i in range(2 * N)]


@program
def closure_chain(C):

    def make(k):

        def inner(x):
            return x * k[0]

        return inner

    k = [1.0]
    fns = [make(k), make([2.0])]

    def f(x):
        for h in fns:
            x = h(x)
        return x

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            k[0] = 3.0
        if i == 11:
            fns.append(make([10.0]))
        o.append(g(T(1)))
    return o


@program
def super_call(C):

    class B(nn.Module):
        k = 1.0

        def forward(s, x):
            return x * s.k

    class A(B):
        def forward(s, x):
            return super().forward(x) + 1

    m = A()
    g = C(m)
    o = []
    for i in range(N):
        if i == 9:
            B.k = 3.0
        if i == 11:
            B.forward = lambda s, x: x * 100
        o.append(g(T(1)))
    return o


@program
def class_replaced(C):

    class A:
        def f(s, x):
            return x * 2

    class B:
        def f(s, x):
            return x * 5

    a = A()
    g = C(lambda x: a.f(x))
    o = []
    for i in range(N):
        if i == 9:
            a.__class__ = B
        o.append(g(T(1)))
    return o


@program
def sys_modules(C):
    mod = types.ModuleType("t3mod")
    mod.K = 2.0
    sys.modules["t3mod"] = mod

    def f(x):
        import t3mod

        return x * t3mod.K

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            mod.K = 5.0
        o.append(g(T(1)))
    return o


@program
def local_import_from(C):
    mod = types.ModuleType("t3mod")
    mod.K = 2.0
    sys.modules["t3mod"] = mod

    def f(x):
        from t3mod import K

        return x * K

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            mod.K = 5.0
        o.append(g(T(1)))
    return o


@program
def grad_enabled_read(C):
    g = C(lambda x: x * (2 if torch.is_grad_enabled() else 1))
    o = []
    for i in range(2 * N):
        with torch.set_grad_enabled(i % 3 != 0):
            o.append(g(T(1)))
    return o


@program
def num_threads_read(C):
    g = C(lambda x: x * torch.get_num_threads())
    o = []
    n = torch.get_num_threads()
    for i in range(N):
        if i == 9:
            torch.set_num_threads(1 if n > 1 else 2)
        o.append(g(T(1)))
    torch.set_num_threads(n)
    return o


@program
def buffer_replaced(C):
    m = nn.Module()
    m.register_buffer("b", T(1))
    g = C(lambda x: x * m.b)
    o = []
    for i in range(N):
        if i == 9:
            m.b = T(5)
        if i == 11:
            m.register_buffer("b", T(7))
        o.append(g(T(1)))
    return o


@program
def parameter_list_dict(C):
    m = nn.Module()
    m.l = nn.ParameterList([nn.Parameter(T(1)), nn.Parameter(T(2))])
    m.d = nn.ParameterDict({"a": nn.Parameter(T(3))})
    m.ml = nn.ModuleList([nn.Identity()])

    def f(x):
        for p in m.l:
            x = x * p
        for k in m.d:
            x = x + m.d[k]
        for q in m.ml:
            x = q(x)
        return x.detach()

    g = C(f)
    o = []
    for i in range(N):
        if i == 8:
            m.l.append(nn.Parameter(T(3)))
        if i == 9:
            m.d["b"] = nn.Parameter(T(1))
        if i == 10:
            m.ml.append(nn.Tanh())
        if i == 11:
            m.l[0] = nn.Parameter(T(0.5))
        if i == 12:
            m.ml[0] = nn.ReLU()
        o.append(g(T(1)))
    return o
