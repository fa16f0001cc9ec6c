"""Programs with what ordinary model code does in Python: containers of its own classes, context managers, caches, guards.

``C`` compiles, or is the identity. ``REFUSED`` are those that no static graph can repeat.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import dataclasses
import functools
import gc
import inspect
import logging
import threading
import warnings
import weakref

import rushlight as torch

PROGRAMS = {}
REFUSED = {
    "arg_list_append", "arg_dict_set", "arg_object_set", "gen_outer", "weak", "logging_guard", "counter_attr",
    "logs_every_time", "changes_a_slot", "deque_popped",
}  # fmt: skip
N = 20  # calls: more than a function needs to be replayed, or to run eagerly


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def T(*values):
    return torch.tensor([float(v) for v in values])


@program
def dict_subclass_attr(C):
    class D(dict):
        pass

    d = D()
    d.gain = 2.0
    g = C(lambda x: x * d.gain)
    o = []
    for i in range(N):
        if i >= 9:
            d.gain = float(i)
        o.append(g(T(1)))
    return o


@program
def dict_subclass_class_attr(C):
    class D(dict):
        gain = 2.0

    d = D()
    g = C(lambda x: x * d.gain)
    o = []
    for i in range(N):
        if i >= 9:
            D.gain = float(i)
        o.append(g(T(1)))
    return o


@program
def list_subclass_attr(C):
    class D(list):
        pass

    d = D()
    d.gain = 2.0
    g = C(lambda x: x * d.gain)
    o = []
    for i in range(N):
        if i >= 9:
            d.gain = float(i)
        o.append(g(T(1)))
    return o


@program
def tuple_subclass_attr(C):
    class D(tuple):
        pass

    d = D((1, 2))
    d.gain = 2.0
    g = C(lambda x: x * d.gain)
    o = []
    for i in range(N):
        if i >= 9:
            d.gain = float(i)
        o.append(g(T(1)))
    return o


@program
def defaultdict_factory(C):
    d = collections.defaultdict(lambda: 2.0)

    def f(x):
        return x * d.default_factory()

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            d.default_factory = lambda: 7.0
        o.append(g(T(1)))
    return o


@program
def defaultdict_removed(C):
    d = collections.defaultdict(lambda: 5.0)
    d["a"] = 2.0
    g = C(lambda x: x * d.get("a", 3.0))
    o = []
    for i in range(N):
        if i == 9:
            del d["a"]
        o.append(g(T(1)))
    return [*o, len(d)]


@program
def dict_subclass_getitem(C):
    class D(dict):
        gain = 1.0

        def __getitem__(self, k):
            return super().__getitem__(k) * self.gain

    d = D(a=2.0)
    g = C(lambda x: x * d["a"])
    o = []
    for i in range(N):
        if i == 9:
            D.gain = 4.0
        if i == 11:
            dict.__setitem__(d, "a", 9.0)
        o.append(g(T(1)))
    return o


@program
def arg_list_append(C):
    g = C(lambda x, given: (given.append(1), x * len(given))[1])
    o = []
    for _ in range(N):
        given = []
        o.append(g(T(1), given))
        o.append(len(given))
    return o


@program
def arg_dict_set(C):
    def f(x, d):
        d["n"] = 3
        return x * 2

    g = C(f)
    o = []
    for _ in range(N):
        d = {}
        o.append(g(T(1), d))
        o.append(len(d))
    return o


@program
def arg_object_set(C):
    class A:
        pass

    def f(x, a):
        a.n = 3
        return x * 2

    g = C(f)
    o = []
    a = A()
    for _ in range(N):
        a.n = 0
        o.append(g(T(1), a))
        o.append(a.n)
    return o


@program
def ctxmanager(C):
    @contextlib.contextmanager
    def scaled(k):
        yield k

    def f(x):
        with scaled(3.0) as k:
            return x * k

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def ctxmanager_state(C):
    cur = [1.0]

    @contextlib.contextmanager
    def scaled(k):
        old = cur[0]
        cur[0] = k
        try:
            yield
        finally:
            cur[0] = old

    def f(x):
        with scaled(3.0):
            return x * cur[0]

    g = C(f)
    o = []
    for _ in range(N):
        o.append(g(T(1)))
    return o


@program
def gen(C):
    def vals(n):
        for i in range(n):
            yield float(i)

    def f(x):
        return sum(x * v for v in vals(3))

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def gen_outer(C):
    def vals():
        i = 0
        while True:
            i += 1
            yield float(i)

    it = vals()
    g = C(lambda x: x * next(it))
    return [g(T(1)) for i in range(N)]


@program
def dataclass_cfg(C):
    @dataclasses.dataclass
    class Cfg:
        gain: float = 2.0

    c = Cfg()
    g = C(lambda x: x * c.gain)
    o = []
    for i in range(N):
        if i >= 9:
            c.gain = float(i)
        o.append(g(T(1)))
    return o


@program
def dataclass_arg(C):
    @dataclasses.dataclass
    class Cfg:
        gain: float = 2.0

    g = C(lambda x, c: x * c.gain)
    o = []
    for i in range(N):
        o.append(g(T(1), Cfg(float(i))))
    return o


@program
def dataclass_result(C):
    @dataclasses.dataclass
    class Out:
        y: object
        z: object = None

    g = C(lambda x: Out(x * 2))
    o = []
    for i in range(N):
        r = g(T(i))
        o.append(r.y)
        o.append(r.z)
    return o


@program
def thread_local(C):
    local = threading.local()
    local.v = 2.0
    g = C(lambda x: x * local.v)
    o = []
    for i in range(N):
        if i >= 9:
            local.v = float(i)
        o.append(g(T(1)))
    return o


@program
def ctxvar(C):
    v = contextvars.ContextVar("v", default=2.0)
    g = C(lambda x: x * v.get())
    o = []
    for i in range(N):
        if i >= 9:
            v.set(float(i))
        o.append(g(T(1)))
    return o


@program
def weak(C):
    class A:
        v = 2.0

    a = A()
    r = weakref.ref(a)
    g = C(lambda x: x * (r().v if r() is not None else 5.0))
    o = []
    for i in range(N):
        if i == 9:
            a = None
            gc.collect()
        o.append(g(T(1)))
    return o


@program
def set_of_types(C):
    s = {int}
    g = C(lambda x: x * (2.0 if float in s else 3.0))
    o = []
    for i in range(N):
        if i == 9:
            s.add(float)
        o.append(g(T(1)))
    return o


@program
def lock(C):
    L = threading.Lock()

    def f(x):
        with L:
            return x * 2

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def logging_guard(C):
    lg = logging.getLogger("rl.test")
    lg.setLevel(logging.ERROR)
    recs = []

    class H(logging.Handler):
        def emit(self, r):
            recs.append(r.getMessage())

    lg.handlers[:] = [H()]
    lg.propagate = False

    def f(x):
        lg.debug("hello")
        if lg.isEnabledFor(logging.INFO):
            x = x + 1
        return x * 2

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            lg.setLevel(logging.DEBUG)
        o.append(g(T(1)))
    return [*o, len(recs)]


@program
def lazy_attr(C):
    class A:
        t = None

    a = A()

    def f(x):
        if a.t is None:
            a.t = 3.0
        return x * a.t

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def lazy_dict(C):
    cache = {}

    def f(x):
        n = x.shape[0]
        if n not in cache:
            cache[n] = float(n)
        return x * cache[n]

    g = C(f)
    return [g(torch.ones(1 + i % 3)) for i in range(N)] + [len(cache)]


@program
def warn(C):
    def f(x):
        warnings.warn("careful", stacklevel=2)
        return x * 2

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def counter_attr(C):
    class A:
        n = 0

    a = A()

    def f(x):
        a.n += 1
        return x * 2

    g = C(f)
    return [g(T(1)) for i in range(N)] + [a.n]


@program
def sig(C):
    def h(a, b=2):
        return a

    def f(x):
        return x * len(inspect.signature(h).parameters)

    g = C(f)
    return [g(T(1)) for i in range(N)]


@program
def module_fn_attr(C):
    def f(x):
        return x * f.gain

    f.gain = 2.0
    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            f.gain = 5.0
        o.append(g(T(1)))
    return o


@program
def function_as_a_name_space(C):
    def cfg():
        pass

    cfg.gain = 2.0
    holder = {"cfg": cfg}
    g = C(lambda x: x * holder["cfg"].gain)
    o = []
    for i in range(N):
        if i == 9:
            cfg.gain = 5.0
        o.append(g(T(1)))
    return o


class Base:
    gain = 2.0


@program
def class_attribute_by_getattr(C):
    g = C(lambda x: x * getattr(Base, "ga" + "in"))
    o = []
    for i in range(N):
        Base.gain = 2.0 if i < 9 else float(i)
        o.append(g(T(1)))
    Base.gain = 2.0
    return o


@program
def class_attribute_that_comes_later(C):
    class A:
        pass

    a = A()
    g = C(lambda x: x * getattr(a, "late", 1.0) + (1.0 if hasattr(A, "later") else 0.0))
    o = []
    for i in range(N):
        if i == 9:
            A.late = 3.0
        if i == 11:
            A.later = True
        o.append(g(T(1)))
    return o


@program
def logs_every_time(C):
    logger = logging.getLogger("rushlight.test.every")
    seen = []

    class Keeps(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    logger.handlers[:] = [Keeps()]
    logger.propagate = False
    logger.setLevel(logging.INFO)

    def f(x):
        logger.info("a step")
        return x * 2

    g = C(f)
    return [*[g(T(i)) for i in range(N)], len(seen)]


@program
def logs_once(C):
    logger = logging.getLogger("rushlight.test.once")
    seen = []

    class Keeps(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    logger.handlers[:] = [Keeps()]
    logger.propagate = False
    logger.setLevel(logging.INFO)

    @functools.lru_cache(None)
    def once(message):
        logger.warning(message)

    def f(x):
        once("careful")
        return x * 2

    g = C(f)
    return [*[g(T(i)) for i in range(N)], len(seen)]


@program
def context_variable_set_for_a_while(C):
    depth = contextvars.ContextVar("depth", default=1.0)

    @contextlib.contextmanager
    def deeper():
        token = depth.set(depth.get() + 1)
        try:
            yield
        finally:
            depth.reset(token)

    def f(x):
        with deeper(), deeper():
            return x * depth.get()

    g = C(f)
    o = []
    for i in range(N):
        if i == 9:
            depth.set(4.0)
        o.append(g(T(1)))
    return [*o, depth.get()]


@program
def an_exit_stack_and_suppressed_errors(C):
    def f(x):
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            with contextlib.suppress(ValueError):
                x = x * 3
                raise ValueError("for nothing")
        return x + 1

    g = C(f)
    return [g(T(i)) for i in range(N)]


@program
def module_in_eval_mode_for_a_while(C):
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5))

    @contextlib.contextmanager
    def evaluating(module):
        before = module.training
        module.eval()
        try:
            yield module
        finally:
            module.train(before)

    def f(x):
        with torch.no_grad(), evaluating(model) as m:
            return m(x)

    g = C(f)
    return [*[g(torch.ones(2, 3)) for i in range(4)], model.training]


@dataclasses.dataclass
class Output(collections.OrderedDict):
    """Like what models of well-known packages return: a dictionary, a tuple and a dataclass at once."""

    logits: object = None
    states: object = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)

    def to_tuple(self):
        return tuple(self[key] for key in self.keys())


@program
def outputs_that_are_dictionaries_and_dataclasses(C):
    def f(x):
        inner = Output(logits=x * 2)
        first = inner.to_tuple()[0]
        return Output(logits=first + 1, states=(first, x.sum()))

    g = C(f)
    o = []
    for i in range(N):
        made = g(T(i, 2))
        assert type(made) is Output
        assert made["logits"] is made.logits
        o += [made.logits, made.states, list(made), made.to_tuple()]
    return o


@program
def objects_that_hold_objects(C):
    class Layer:
        __slots__ = ("keys", "number")

        def __init__(self, keys, number):
            self.keys, self.number = keys, number

    class Cache:
        def __init__(self):
            self.layers = []

        def update(self, keys):
            self.layers.append(Layer(keys, len(self.layers)))
            return keys

    def f(x):
        cache = Cache()
        for k in range(3):
            x = cache.update(x * k + 1)
        return x, cache, x.sum().item()

    g = C(f)
    o = []
    for i in range(N):
        y, cache, total = g(T(i))
        assert type(cache) is Cache
        o += [y, total, [layer.keys for layer in cache.layers], [layer.number for layer in cache.layers]]
    return o


@program
def a_distribution_as_the_result(C):
    g = C(lambda x: torch.distributions.Normal(x * 2, 1.0, validate_args=False))
    return [g(T(i)).mean for i in range(N)]


@program
def default_dictionaries_as_results(C):
    def f(x):
        made = collections.defaultdict(list)
        made["a"].append(x * 2)
        return made

    g = C(f)
    o = []
    for i in range(N):
        made = g(T(i))
        made["b"].append(1)
        o += [made["a"], len(made["b"])]
    return o


@program
def changes_a_slot(C):
    class A:
        __slots__ = ("n",)

    a = A()
    a.n = 0

    def f(x):
        a.n += 1
        return x * a.n

    g = C(f)
    return [*[g(T(1)) for i in range(N)], a.n]


@program
def deque_popped(C):
    waiting = collections.deque(range(100))
    g = C(lambda x: x * waiting.popleft())
    return [*[g(T(1)) for i in range(N)], len(waiting)]


@program
def sets_of_objects(C):
    class A:
        pass

    a, b = A(), A()
    known = {a}
    g = C(lambda x: x * (2.0 if b in known else 3.0))
    o = []
    for i in range(N):
        if i == 9:
            known.add(b)
        o.append(g(T(1)))
    return o


@program
def gradients_through_an_object(C):
    w = torch.ones(2, requires_grad=True)

    def f(x):
        return Output(logits=(w * x).sum(), states=w * 2)

    g = C(f)
    o = []
    for i in range(N):
        w.grad = None
        made = g(T(i, 1))
        (made.logits + made.states.sum()).backward()
        o += [w.grad.clone(), made.logits.detach()]
    return o
