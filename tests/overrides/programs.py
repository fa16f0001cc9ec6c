"""Programs that override operations: what PyTorch's own page on extending it shows, and what libraries do with it.

Each says what happened through ``say``; the test compares that with what the same text says under PyTorch.
"""

# ruff: noqa: E501 - programs as people write them

from __future__ import annotations

PROGRAMS: dict[str, str] = {}

PROGRAMS["scalar"] = r"""
import functools
HANDLED_FUNCTIONS = {}
class ScalarTensor(object):
    def __init__(self, N, value):
        self._N = N
        self._value = value
    def __repr__(self):
        return "ScalarTensor(N={}, value={})".format(self._N, self._value)
    def tensor(self):
        return self._value * torch.eye(self._N)
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if kwargs is None:
            kwargs = {}
        if func not in HANDLED_FUNCTIONS or not all(issubclass(t, (torch.Tensor, ScalarTensor)) for t in types):
            return NotImplemented
        return HANDLED_FUNCTIONS[func](*args, **kwargs)
def implements(torch_function):
    def decorator(func):
        functools.update_wrapper(func, torch_function)
        HANDLED_FUNCTIONS[torch_function] = func
        return func
    return decorator
@implements(torch.mean)
def mean(input):
    return float(input._value) / input._N
def ensure_tensor(data):
    if isinstance(data, ScalarTensor):
        return data.tensor()
    return torch.as_tensor(data)
@implements(torch.add)
def add(input, other):
    try:
        if input._N == other._N:
            return ScalarTensor(input._N, input._value + other._value)
        else:
            raise ValueError("Shape mismatch!")
    except AttributeError:
        return torch.add(ensure_tensor(input), ensure_tensor(other))
d = ScalarTensor(5, 2)
say(d, d.tensor(), torch.mean(d), torch.mean(d.tensor()))
s = ScalarTensor(2, 2)
say(torch.add(s, s)); t = torch.tensor([[1, 1,], [1, 1]])
say(torch.add(s, t), torch.add(t, s))
try: torch.mul(s, 3)
except TypeError as e: say("TypeError", "torch.mul" in str(e), "ScalarTensor" in str(e))
try: torch.add(s, ScalarTensor(3, 1))
except ValueError as e: say(str(e))
say(torch.overrides.is_tensor_like(s), torch.overrides.is_tensor_like(5))
"""

PROGRAMS["metadata"] = r"""
class MetadataTensor(object):
    def __init__(self, data, metadata=None, **kwargs):
        self._t = torch.as_tensor(data, **kwargs)
        self._metadata = metadata
    def __repr__(self):
        return "Metadata:\n{}\n\ndata:\n{}".format(self._metadata, self._t)
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if kwargs is None:
            kwargs = {}
        metadatas = tuple(a._metadata for a in args if hasattr(a, '_metadata'))
        args = [getattr(a, '_t', a) for a in args]
        assert len(metadatas) > 0
        ret = func(*args, **kwargs)
        return MetadataTensor(ret, metadata=metadatas[0])
metadata = {'owner': 'Ministry of Silly Walks'}
m = MetadataTensor([[1, 2], [3, 4]], metadata=metadata)
t = torch.tensor([[1, 2], [1, 2]])
say(torch.add(t, m)); say(torch.mul(t, m)); say(torch.add(m, t)); say(torch.nn.functional.relu(m)); say(torch.sum(m, 0)); say(torch.linalg.norm(MetadataTensor([1., 2.])))
"""

PROGRAMS["logging"] = r"""
class LoggingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        say("func:", func.__name__)
        if kwargs is None:
            kwargs = {}
        return super().__torch_function__(func, types, args, kwargs)
class SubTensor(torch.Tensor): pass
class SubTensor2(torch.Tensor): pass
class SubSubTensor2(SubTensor2): pass
say(type(SubTensor([0]) + SubTensor([1])).__name__)
say(type(torch.add(SubTensor([0]), SubTensor([1]))).__name__)
say(type(SubTensor2([0]) + torch.tensor([1.])).__name__, type(torch.tensor([1.]) + SubTensor2([0])).__name__)
say(type(torch.add(SubTensor2([0]), SubSubTensor2([1]))).__name__)
try: SubTensor([0]) + SubTensor2([1])
except TypeError as e: say("TypeError")
a = LoggingTensor([1., 2.])
b = a * 2 + 1
c = torch.stack([b, b]).sum(dim=0)
say(type(c).__name__, c.tolist())
say(a.shape, len(a), a[0].item())
a += 1
say(a.tolist())
"""

PROGRAMS["sub"] = r"""
HANDLED = {}
class SubTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if kwargs is None: kwargs = {}
        if func not in HANDLED or not all(issubclass(t, (torch.Tensor, SubTensor)) for t in types):
            return NotImplemented
        return HANDLED[func](*args, **kwargs)
for f in (torch.add, torch.Tensor.add, torch.nn.functional.softplus, torch.Tensor.shape.__get__, torch.Tensor.requires_grad.__set__):
    HANDLED[f] = (lambda f: lambda *a, **k: (getattr(f, "__name__", None), len(a), sorted(k)))(f)
x = torch.ones(2).as_subclass(SubTensor)
say(torch.add(x, 1), x + 1, 1 + x, x.add(1, alpha=2), x.shape, torch.nn.functional.softplus(x, beta=2))
x.requires_grad = True
try: x.sum()
except TypeError as e: say("TypeError", "torch.Tensor.sum" in str(e))
try: x - 1
except TypeError as e: say("TypeError")
"""

PROGRAMS["mode"] = r"""
TorchFunctionMode = torch.overrides.TorchFunctionMode
class Log(TorchFunctionMode):
    def __init__(self, tag): super().__init__(); self.tag = tag
    def __torch_function__(self, func, types, args, kwargs=None):
        say(self.tag, func.__name__, [t.__name__ for t in types if t is not torch.Tensor])
        return func(*args, **(kwargs or {}))
class Device(TorchFunctionMode):
    def __torch_function__(self, func, types, args, kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.zeros, torch.ones, torch.empty) and kwargs.get('dtype') is None: kwargs['dtype'] = torch.float64
        return func(*args, **kwargs)
with Log("a"):
    x = torch.ones(2)
    y = x + 1
    z = torch.nn.functional.softmax(y, 0)
    q = x @ y
    s = x.shape
with Device():
    say(torch.zeros(2).dtype, torch.ones(1, dtype=torch.int32).dtype, torch.nn.Linear(2, 2).weight.dtype)
with Log("outer"), Log("inner"):
    torch.exp(x)
class Sub(torch.Tensor): pass
with Log("s"):
    w = torch.exp(x.as_subclass(Sub))
say(type(w).__name__)
class Nope(TorchFunctionMode):
    def __torch_function__(self, func, types, args, kwargs=None): return NotImplemented
try:
    with Nope(): torch.exp(x)
except TypeError as e: say("TypeError")
"""

PROGRAMS["module"] = r"""
import copy, pickle
class T(torch.Tensor): pass
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
x = torch.randn(5, 3).as_subclass(T)
out = net(x)
say(type(out).__name__, out.shape)
loss = torch.nn.functional.cross_entropy(out, torch.tensor([0, 1, 0, 1, 1]))
say(type(loss).__name__, round(loss.item(), 5))
loss.backward()
say(type(net[0].weight.grad).__name__)
y = torch.ones(2, requires_grad=True).as_subclass(T)
(y * y).sum().backward()
say(repr(x[0] * 0), str((x[0] * 0)))
v = torch.ones(2).as_subclass(T); v.note = "n"
u = copy.copy(v); say(type(u).__name__)
p = torch.nn.Parameter(v); say(isinstance(p, torch.nn.Parameter), isinstance(p, T), p.requires_grad, type(p * 2).__name__)
say(type(torch.nn.Parameter(torch.ones(2)) * 2).__name__)
class P(torch.nn.Parameter):
    calls = []
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        P.calls.append(func.__name__)
        return torch._C._disabled_torch_function_impl(func, types, args, kwargs or {})
lin = torch.nn.Linear(2, 2); lin.weight = P(torch.ones(2, 2))
r = lin(torch.ones(1, 2)); say(P.calls, type(r).__name__)
say([type(t).__name__ for t in torch.split(v, 1)], type(torch.max(v.reshape(1, 2), 1)).__name__, type(torch.max(v.reshape(1, 2), 1).values).__name__)
say([type(t).__name__ for t in v], type(v.numpy()).__name__, type(v.mT if v.ndim > 1 else v).__name__, type(v.data).__name__, type(v.detach()).__name__)
with torch._C.DisableTorchFunctionSubclass():
    say(type(v + 1).__name__)
say(type(torch.Tensor._make_subclass(T, torch.ones(2), True)).__name__, torch.Tensor._make_subclass(T, torch.ones(2), True).requires_grad)
v += 1; say(type(v).__name__, v.tolist()); v[0] = 5; say(v.tolist())
say(type(torch.zeros_like(v)).__name__, type(v.new_zeros(2)).__name__, type(v.to(torch.float64)).__name__, type(v.clone()).__name__)
say(type(torch.cat([torch.ones(1), v])).__name__, type(torch.where(v > 1, v, 0.)).__name__)
out = torch.empty(2); res = torch.add(v, 1, out=out); say(type(res).__name__, type(out).__name__)
opt = torch.optim.SGD([p], lr=0.1); (p * p).sum().backward(); opt.step(); say(p.tolist(), type(p.grad).__name__)
"""

PROGRAMS["order"] = r"""
log = []
def make(name, base, answer):
    def tf(cls, func, types, args=(), kwargs=None):
        log.append(cls.__name__)
        return answer
    return type(name, (base,), {"__torch_function__": classmethod(tf)})
class Duck: pass
A = make("A", torch.Tensor, NotImplemented); B = make("B", A, NotImplemented); D = make("D", Duck, NotImplemented); E = make("E", Duck, 7)
a = torch.ones(2).as_subclass(A); b = torch.ones(2).as_subclass(B); d, e = D(), E()
def run(f):
    log.clear()
    try: r = f()
    except TypeError as x: r = "TypeError"
    say(list(log), r)
run(lambda: torch.add(a, b)); run(lambda: torch.add(b, a)); run(lambda: torch.add(a, d)); run(lambda: torch.add(d, a))
run(lambda: torch.add(d, e)); run(lambda: torch.stack([a, e, b])); run(lambda: torch.cat((d, e))); run(lambda: torch.ones(2) + e)
run(lambda: torch.nn.functional.relu(e)); run(lambda: torch.where(torch.tensor(True), a, e)); run(lambda: torch.nn.functional.linear(torch.ones(1, 2), e))
run(lambda: torch.einsum("i,i", e, e)); run(lambda: torch.Tensor.add(torch.ones(1), e)); run(lambda: torch.ones(2).mul_(e)); run(lambda: torch.nn.functional.mse_loss(torch.ones(2), target=e))
run(lambda: torch.zeros(2)[e] if False else torch.exp(e)); run(lambda: torch.nn.functional.conv2d(e, e)); run(lambda: torch.linalg.inv(e)); run(lambda: torch.fft.fft(e)); run(lambda: torch.special.erf(e)); run(lambda: torch.nn.init.normal_(e))
run(lambda: torch.overrides.has_torch_function((1, a))); run(lambda: torch.overrides.handle_torch_function(torch.add, (d, e), d, e))
"""
