"""Attention, lazy modules, ``nn.utils``, checkpointing and mixed precision: one program for both libraries."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from .stories import Story, compare, message, raised

pytestmark = pytest.mark.parity
PROGRAMS: dict[str, Callable[[Any], Story]] = {}


def program(function: Callable[[Any], Story]) -> Callable[[Any], Story]:
    PROGRAMS[function.__name__] = function
    return function


def module(torch: Any, path: str) -> Any:
    return import_module(f"{torch.__name__}.{path}")


def trained(torch: Any, net: Any, x: Any) -> Story:
    """What a step of training and an evaluation show."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    story: Story = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        story.append(loss)
    net.eval()
    return [*story, net(x), dict(net.state_dict())]


# --- attention --------------------------------------------------------------------------------------------------------


@program
def attention_errors(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(4, 2)
    x = torch.randn(3, 2, 4)
    flat = x[:, 0]
    no = torch.zeros
    return [
        message(call)
        for call in (
            lambda: nn.MultiheadAttention(0, 1),
            lambda: nn.MultiheadAttention(5, 2),
            lambda: attention(x[None], x, x),
            lambda: attention(x, x[0], x),
            lambda: attention(flat, x, x),
            lambda: attention(x, x, x, key_padding_mask=no(2)),
            lambda: attention(x, x, x, attn_mask=no(2)),
            lambda: attention(x, x, x, attn_mask=no(2, 2)),
            lambda: attention(x, x, x, attn_mask=no(3, 3, 3)),
            lambda: attention(flat, flat, flat, attn_mask=no(3, 3, 3)),
            lambda: attention(x, x, x, attn_mask=no(3, 3, dtype=torch.int64)),
            lambda: attention(x, x, x, is_causal=True),
            lambda: attention(torch.randn(3, 2, 5), x, x),
            lambda: attention(x, torch.randn(4, 2, 4), x),
            lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"),
        )
    ]


@program
def attention_masks(torch: Any) -> Story:
    torch.manual_seed(0)
    story: Story = []
    x, y = torch.randn(3, 2, 4), torch.randn(5, 2, 4)
    for options in (
        {},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"bias": False},
        {"kdim": 4, "vdim": 3},
    ):
        attention = torch.nn.MultiheadAttention(4, 2, **options)
        value = torch.randn(5, 2, 3) if "vdim" in options else y
        causal = torch.nn.Transformer.generate_square_subsequent_mask(5)[:3]
        padding = torch.tensor([[False, False, False, True, True], [False, True, False, False, True]])
        for named in (
            {},
            {"attn_mask": causal},
            {"attn_mask": causal == 0},
            {"key_padding_mask": padding},
            {"key_padding_mask": padding, "attn_mask": causal < 0, "need_weights": False},
            {"attn_mask": causal.repeat(4, 1, 1), "average_attn_weights": False},
            {"need_weights": False},
        ):
            story.append(list(attention(x, y, value, **named)))
    return story


@program
def attention_dropout(torch: Any) -> Story:
    torch.manual_seed(0)
    attention = torch.nn.MultiheadAttention(4, 2, dropout=0.5)
    x = torch.randn(3, 2, 4)
    return [attention(x, x, x), attention(x, x, x, need_weights=False)[0].shape, attention.eval()(x, x, x)]


@program
def encoder_leaves_padding_out(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4), enable_nested_tensor=False).eval()
    x = torch.randn(2, 3, 4)
    padding = torch.tensor([[False, False, True], [False, True, True]])
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    return [
        net(x),
        net(x, mask),
        net(x, mask, is_causal=True),
        net(x, src_key_padding_mask=padding)[0, :2],
        nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()(x, src_key_padding_mask=padding)[
            1, :1
        ],
    ]


@program
def transformer_trains(torch: Any) -> Story:
    torch.manual_seed(0)
    net = torch.nn.Transformer(8, 2, 1, 1, 16, dropout=0.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    source, target = torch.randn(4, 2, 8), torch.randn(3, 2, 8)
    mask = net.generate_square_subsequent_mask(3)
    story: Story = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = (net(source, target, tgt_mask=mask) ** 2).mean() + net.encoder(source).sin().mean()
        loss.backward()
        optimizer.step()
        story.append(loss)
    return [
        *story,
        raised(lambda: net(source, torch.randn(3, 3, 8))),
        raised(lambda: net(source[..., :7], target)),
    ]


# --- lazy modules and others ----------------------------------------------------------------------------------------------


@program
def lazy(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    net = nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    story: Story = [
        repr(net),
        list(net.state_dict()),
        repr(net[0].weight),
        net.double()[0].weight.dtype == torch.float64,
        raised(lambda: net[0].weight.shape),
        raised(lambda: net[0].weight + 1),
        raised(net.share_memory),
        raised(lambda: nn.Linear(2, 3).load_state_dict(nn.LazyLinear(3).state_dict())),
        torch.nn.parameter.is_lazy(net[0].weight),
        repr(copy.deepcopy(net[3])),
        net[0].weight.requires_grad,
    ]
    net.float()
    other = nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    x = torch.randn(2, 1, 5, 5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(x).sum().backward()
    optimizer.step()
    story += [repr(net), dict(net.state_dict()), type(net[3]) is nn.Linear]
    other.load_state_dict(net.state_dict())
    story += [repr(other), other(x), repr(other), net(x)]
    story.append(message(lambda: nn.LazyConv2d(3, 2)(torch.randn(2, 4))))
    story.append(raised(lambda: nn.LazyBatchNorm2d()(torch.randn(2, 4))))
    return story


@program
def own_lazy_module(torch: Any) -> Story:
    nn = torch.nn

    class Scale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.UninitializedParameter()

        def initialize_parameters(self, x: Any) -> None:
            self.scale.materialize(x.shape[1:])
            with torch.no_grad():
                self.scale.fill_(2)

        def forward(self, x: Any) -> Any:
            return x * self.scale

    net = Scale()
    before = net.has_uninitialized_params()
    return [
        before,
        net(torch.ones(2, 3)),
        net.has_uninitialized_params(),
        net(torch.ones(2, 3)),
        dict(net.state_dict()),
    ]


@program
def adaptive_log_softmax(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    kind = nn.AdaptiveLogSoftmaxWithLoss
    loss = kind(8, 20, [5, 10], div_value=2.0, head_bias=True)
    x, target = torch.randn(6, 8, requires_grad=True), torch.tensor([0, 19, 7, 4, 10, 5])
    result = loss(x, target)
    result.loss.backward()
    gradients = [p.grad for p in loss.parameters()]
    return [
        repr(loss),
        list(result),
        result._fields,
        x.grad,
        gradients,
        loss.log_prob(x),
        loss.predict(x),
        loss(x[0], target[0]),
        message(lambda: kind(8, 20, [])),
        message(lambda: kind(8, 20, [5, 5])),
        message(lambda: kind(8, 20, [25])),
        message(lambda: loss(x, target + 5)),
        message(lambda: loss(x, target[:2])),
        message(lambda: loss(x, target[None])),
    ]


@program
def other_layers(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, 3)
    norm = nn.SyncBatchNorm(5)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Conv2d(5, 5, 1), nn.BatchNorm2d(5)))
    return [
        [nn.CrossMapLRN2d(size, 0.1, 0.5, 2)(x) for size in (1, 2, 3, 4, 5)],
        message(lambda: nn.CrossMapLRN2d(3)(x[0])),
        norm(x),
        dict(norm.state_dict()),
        message(lambda: norm(x[0, :, 0, 0])),
        repr(converted),
        converted(x),
        repr(nn.DataParallel(nn.Linear(2, 2))),
        repr(nn.NLLLoss2d()),
        repr(nn.Container(a=nn.ReLU())),
    ]


# --- nn.utils ----------------------------------------------------------------------------------------------------------


@program
def parametrizations(torch: Any) -> Story:
    nn, P = torch.nn, module(torch, "nn.utils.parametrize")
    torch.manual_seed(0)

    class Symmetric(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).T

        def right_inverse(self, x: Any) -> Any:
            return x.triu()

    class Halves(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a + b

        def right_inverse(self, x: Any) -> Any:
            return x / 2, x / 2

    class Double(nn.Module):
        def forward(self, x: Any) -> Any:
            return 2 * x

    class Crop(nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:1]

    net = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)).double()
    layer = net[0]
    P.register_parametrization(layer, "weight", Symmetric())
    P.register_parametrization(layer, "weight", Double())
    P.register_parametrization(net[1], "weight", Double())
    x = torch.randn(4, 3, dtype=torch.float64)
    story: Story = [
        repr(net),
        list(net.state_dict()),
        P.is_parametrized(layer),
        P.is_parametrized(layer, "bias"),
    ]
    story += trained(torch, net, x)
    copied = copy.deepcopy(net)
    story += [copied(x), repr(copied), P.type_before_parametrizations(layer).__name__]
    story.append(message(lambda: pickle.dumps(net)))
    story.append(message(lambda: setattr(layer, "weight", torch.ones(3, 3))))
    with P.cached():
        story.append(layer.weight is layer.weight)
    story += [layer.weight is layer.weight, layer.parametrizations.weight.original]
    P.remove_parametrizations(layer, "weight", leave_parametrized=True)
    story += [repr(layer), layer.weight, list(layer.state_dict()), layer.weight.requires_grad]
    P.register_parametrization(layer, "weight", Symmetric())
    layer.weight = torch.ones(3, 3, dtype=torch.float64)
    story += [layer.weight, layer.parametrizations.weight.original]
    P.remove_parametrizations(layer, "weight", leave_parametrized=False)
    story += [layer.weight, repr(layer)]
    P.register_parametrization(layer, "bias", Halves())
    story += [
        list(layer.state_dict()),
        layer(x),
        message(lambda: P.remove_parametrizations(layer, "bias", False)),
    ]
    P.remove_parametrizations(layer, "bias")
    story += [
        layer.bias,
        message(lambda: P.register_parametrization(nn.Linear(3, 3), "weight", Crop())),
        message(lambda: P.register_parametrization(nn.Linear(3, 3), "none", Double())),
        message(lambda: P.remove_parametrizations(nn.Linear(2, 2), "weight")),
        repr(P.register_parametrization(nn.Linear(3, 3), "weight", Crop(), unsafe=True)),
    ]
    return story


@program
def weight_norms(torch: Any) -> Story:
    nn, Z = torch.nn, module(torch, "nn.utils.parametrizations")
    story: Story = []
    makers: list[Any] = [
        lambda: Z.weight_norm(nn.Linear(3, 4)),
        lambda: Z.weight_norm(nn.Linear(3, 4), dim=None),
        lambda: Z.weight_norm(nn.Linear(3, 4), dim=1),
        lambda: nn.utils.weight_norm(nn.Linear(3, 4)),
        lambda: nn.utils.weight_norm(nn.Linear(3, 4), dim=None),
        lambda: Z.spectral_norm(nn.Linear(3, 4)),
        lambda: Z.spectral_norm(nn.Linear(3, 4), n_power_iterations=3),
        lambda: nn.utils.spectral_norm(nn.Linear(3, 4)),
        lambda: nn.utils.spectral_norm(nn.Linear(3, 4), n_power_iterations=2, dim=1),
    ]
    for make in makers:
        torch.manual_seed(0)
        net = make()
        story += [repr(net), *trained(torch, net, torch.randn(5, 3))]
    for make, x in (
        (lambda: Z.weight_norm(nn.Conv2d(2, 3, 2)), (1, 2, 4, 4)),
        (lambda: Z.spectral_norm(nn.ConvTranspose1d(2, 3, 2)), (1, 2, 4)),
        (lambda: nn.utils.spectral_norm(nn.ConvTranspose1d(2, 3, 2)), (1, 2, 4)),
        (lambda: nn.utils.weight_norm(nn.LSTM(2, 3), "weight_hh_l0"), None),
    ):
        torch.manual_seed(1)
        net = make()
        if x is None:
            story += [net(torch.randn(4, 2, 2))[0], list(net.state_dict())]
        else:
            story += trained(torch, net, torch.randn(x))
    torch.manual_seed(2)
    for undo, make in (
        (nn.utils.remove_weight_norm, nn.utils.weight_norm),
        (nn.utils.remove_spectral_norm, nn.utils.spectral_norm),
    ):
        net = make(nn.Linear(3, 4))
        undo(net)
        story += [
            repr(net),
            dict(net.state_dict()),
            net(torch.ones(3)),
            message(lambda undo=undo, net=net: undo(net)),
        ]
        story.append(message(lambda make=make: make(make(nn.Linear(2, 2)))))
    old = nn.utils.weight_norm(nn.Linear(3, 4))
    new = Z.weight_norm(nn.Linear(3, 4))
    new.load_state_dict(old.state_dict())
    story.append(new(torch.ones(3)))
    return story


@program
def orthogonal(torch: Any) -> Story:
    nn, Z = torch.nn, module(torch, "nn.utils.parametrizations")
    story: Story = []
    for rows, columns in ((3, 3), (4, 3), (3, 4)):
        for map_name in (None, "matrix_exp", "cayley", "householder"):
            for trivial in (True, False):
                torch.manual_seed(0)
                net = Z.orthogonal(
                    nn.Linear(columns, rows).double(), "weight", map_name, use_trivialization=trivial
                )
                story += [
                    list(net.state_dict()),
                    *trained(torch, net, torch.randn(5, columns, dtype=torch.float64)),
                ]
    return [
        *story,
        message(lambda: Z.orthogonal(nn.Linear(2, 3), "bias")),
        message(lambda: Z.orthogonal(nn.Linear(2, 3), orthogonal_map="x")),
        message(lambda: Z.spectral_norm(nn.Linear(2, 3), "b")),
        message(lambda: Z.spectral_norm(nn.Linear(2, 3), n_power_iterations=0)),
    ]


@program
def pruning(torch: Any) -> Story:
    nn, prune = torch.nn, module(torch, "nn.utils.prune")
    story: Story = []
    makers: list[Any] = [
        lambda net: prune.identity(net, "weight"),
        lambda net: prune.l1_unstructured(net, "weight", 0.3),
        lambda net: prune.l1_unstructured(net, "weight", 5),
        lambda net: prune.random_unstructured(net, "weight", 0.5),
        lambda net: prune.random_structured(net, "weight", 2, dim=0),
        lambda net: prune.ln_structured(net, "weight", 0.5, n=2, dim=1),
        lambda net: prune.custom_from_mask(net, "bias", torch.tensor([1, 0, 1, 0])),
        lambda net: prune.l1_unstructured(prune.ln_structured(net, "weight", 1, n=1, dim=0), "weight", 3),
    ]
    for make in makers:
        torch.manual_seed(0)
        net = nn.Linear(5, 4)
        make(net)
        story += [list(net.state_dict()), prune.is_pruned(net), *trained(torch, net, torch.randn(3, 5))]
    net = nn.Linear(5, 4)
    story.append(message(lambda: prune.remove(net, "weight")[:0]))
    torch.manual_seed(1)
    pair = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    parts = [(pair[0], "weight"), (pair[1], "weight")]
    prune.global_unstructured(parts, prune.L1Unstructured, amount=0.4)
    story += [dict(pair.state_dict())]
    prune.remove(pair[0], "weight")
    return [
        *story,
        dict(pair.state_dict()),
        prune.is_pruned(pair[0]),
        isinstance(pair[0].weight, nn.Parameter),
        raised(lambda: prune.l1_unstructured(net, "weight", 1.5)),
        raised(lambda: prune.l1_unstructured(net, "weight", -1)),
        raised(lambda: prune.l1_unstructured(net, "weight", "a")),
        raised(lambda: prune.l1_unstructured(net, "weight", 100)),
        raised(lambda: prune.ln_structured(net, "bias", 1, 2, 0)),
        list(net.state_dict()),
    ]


@program
def fusion_and_initialization(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3)
    x = torch.randn(4, 2, 3, 3)
    norm(conv(x))
    linear, flat = nn.Linear(3, 3), nn.BatchNorm1d(3)
    flat(linear(torch.randn(4, 3)))
    up, norm1 = nn.ConvTranspose2d(2, 3, 2), nn.BatchNorm2d(3)
    norm1(up(x))
    for part in (conv, norm, linear, flat, up, norm1):
        part.eval()
    fused = nn.utils.fuse_conv_bn_eval(conv, norm)
    return [
        fused(x),
        dict(fused.state_dict()),
        nn.utils.fuse_conv_bn_eval(up, norm1, transpose=True)(x),
        nn.utils.fuse_linear_bn_eval(linear, flat)(torch.ones(2, 3)),
        message(lambda: nn.utils.fuse_conv_bn_eval(conv.train(), norm)),
        message(lambda: nn.utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(2).eval())),
        repr(nn.utils.skip_init(nn.Linear, 2, 3)),
        torch.rand(2),
        message(lambda: nn.utils.skip_init(int)),
        message(lambda: nn.utils.skip_init(nn.ReLU)),
    ]


# --- functional_call ----------------------------------------------------------------------------------------------------------


@program
def functional_calls(torch: Any) -> Story:
    nn, func = torch.nn, module(torch, "func")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LSTM(3, 2))
    x = torch.randn(4, 2)
    own = {name: value.detach() * 2 for name, value in net.named_parameters()}
    own = {name: value.requires_grad_() for name, value in own.items()}
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    result = func.functional_call(net, (own, buffers), x)
    result[0].sum().backward()
    tied = nn.Linear(2, 2)
    tied.again = tied.weight
    two = torch.ones(2, 2)
    call = func.functional_call
    stack = func.stack_module_state
    models = [nn.Linear(1, 2) for _ in range(3)]
    return [
        result[0],
        [value.grad for value in own.values()],
        buffers,
        dict(net.named_buffers()),
        all(p.grad is None for p in net.parameters()),
        call(tied, {"again": two}, x),
        call(tied, {"again": two}, x, tie_weights=False).shape,
        message(lambda: call(tied, {"weight": two, "again": two * 2}, x)),
        message(lambda: call(nn.Linear(2, 2), {"weight": two}, x, strict=True)),
        message(lambda: call(nn.Linear(2, 2), {"weight": two, "x.y": two}, x, strict=True)),
        message(lambda: call(nn.Linear(2, 2), ({"weight": two}, {"weight": two}), x)),
        message(lambda: call(nn.Linear(2, 2), 3, x)),
        message(lambda: call(nn.Linear(2, 2), {"weight": 1}, x)),
        raised(lambda: call(nn.Linear(2, 2), {"none": two}, x)[:0]),
        raised(lambda: call(nn.Linear(2, 2), {"none.weight": two}, x)),
        stack(models),
        message(lambda: stack([])),
        message(lambda: stack([nn.Linear(2, 2), nn.Linear(2, 2).eval()])),
        message(lambda: stack([nn.Linear(2, 2), nn.ReLU()])),
        message(lambda: stack([nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)])),
    ]


# --- checkpointing ------------------------------------------------------------------------------------------------------------


@program
def checkpoints(torch: Any) -> Story:
    nn, C = torch.nn, module(torch, "utils.checkpoint")
    story: Story = []
    for reentrant in (True, False):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)
        )
        x = torch.randn(5, 3, requires_grad=True)
        calls: list[int] = []

        def first(value: Any, net: Any = net, calls: list[int] = calls) -> Any:
            calls.append(1)
            return net[:3](value)

        result = net[3:](C.checkpoint(first, x, use_reentrant=reentrant))
        result.sum().backward()
        story += [result, x.grad, [p.grad for p in net.parameters()], len(calls), torch.rand(2)]
        net.zero_grad()
        result = C.checkpoint_sequential(net, 3, x, use_reentrant=reentrant)
        result.sum().backward()
        story += [result, [p.grad for p in net.parameters()]]
        several = C.checkpoint(lambda a, b, c: (a * b, a + c, 3), x, x.detach(), 2, use_reentrant=reentrant)
        story += [list(several)]
        (several[0].sum() + several[1].sum()).backward()
        story += [x.grad]
        with torch.no_grad():
            story += [C.checkpoint(lambda a: a * 2, x, use_reentrant=False)]
    x = torch.randn(3, requires_grad=True)
    changing = [0]

    def differs(value: Any) -> Any:
        changing[0] += 1
        return value.sin().cos() if changing[0] == 1 else value.sin()

    story += [
        torch.autograd.grad(C.checkpoint(lambda a: (a * 2).exp(), x, use_reentrant=False).sum(), x),
        C.checkpoint(lambda a, k=1: a * k, x, use_reentrant=False, k=3),
        raised(lambda: C.checkpoint(differs, x, use_reentrant=False).sum().backward()),
        message(lambda: C.checkpoint(lambda a, k=1: a * k, x, use_reentrant=True, k=3)),
        C.checkpoint(lambda a: a * 2, x),
        C.checkpoint(lambda a: a * 2, x.detach(), use_reentrant=True),
    ]
    nested = C.checkpoint(
        lambda a: C.checkpoint(lambda b: b.sin(), a * 2, use_reentrant=False).exp(), x, use_reentrant=False
    )
    nested.sum().backward()
    return [*story, nested, x.grad]


# --- mixed precision ----------------------------------------------------------------------------------------------------------


@program
def autocast_dtypes(torch: Any) -> Story:
    F = torch.nn.functional
    torch.manual_seed(0)
    a = torch.rand(4, 4)
    low = a.bfloat16()
    classes = torch.tensor([0, 1, 2, 3])
    calls: dict[str, Callable[[], Any]] = {
        "mm": lambda: torch.mm(a, a), "matmul": lambda: a @ a, "method": lambda: a.matmul(a), "mixed": lambda: torch.mm(a, low),
        "double": lambda: torch.mm(a.double(), a.double()), "int": lambda: torch.mm(a.long(), a.long()),
        "bmm": lambda: torch.bmm(a[None], a[None]), "addmm": lambda: torch.addmm(a, a, a), "mv": lambda: torch.mv(a, a[0]),
        "einsum": lambda: torch.einsum("ij,jk", a, a), "linear": lambda: F.linear(a, a), "add": lambda: a + low,
        "conv": lambda: F.conv1d(a[None], a[:, :, None]), "up": lambda: F.conv_transpose2d(a[None, None], a[None, None]),
        "sdpa": lambda: F.scaled_dot_product_attention(a[None], a[None], a[None]), "softmax": lambda: torch.softmax(low, 0),
        "layer_norm": lambda: F.layer_norm(low, (4,)), "cross_entropy": lambda: F.cross_entropy(low, classes),
        "mse": lambda: F.mse_loss(low, a), "l1": lambda: F.l1_loss(low, low), "cat": lambda: torch.cat([a, low]),
        "stack": lambda: torch.stack([a, low]), "prod": low.prod, "cdist": lambda: torch.cdist(low, low),
        "trace": low.trace, "bce": lambda: F.binary_cross_entropy(low, a), "inv": lambda: torch.linalg.inv(low),
        "fft": lambda: torch.fft.fft(low), "gru": lambda: torch.nn.GRU(4, 4)(a)[0], "exp": low.exp,
        "mha": lambda: torch.nn.MultiheadAttention(4, 2)(a, a, a)[0], "cell": lambda: torch.nn.RNNCell(4, 4)(a),
        "prelu": lambda: F.prelu(low, torch.ones(1)), "nll": lambda: F.nll_loss(low, classes),
    }  # fmt: skip
    story: Story = []
    for dtype in (torch.bfloat16, torch.float16):
        for name, call in calls.items():
            with torch.autocast("cpu", dtype=dtype):
                story.append([name, str(call().dtype)])
    with torch.autocast("cpu"):
        story.append([torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled(), str((a @ a).dtype)])
        with torch.autocast("cpu", enabled=False):
            story.append([torch.is_autocast_enabled("cpu"), str((a @ a).dtype)])
        with torch.autocast("cpu", dtype=torch.float16):
            story.append([str((a @ a).dtype), str(torch.get_autocast_dtype("cpu"))])
        story.append([torch.nn.LSTM(4, 4)(a)[0].dtype == torch.bfloat16, str((a @ a).dtype)])

    @torch.autocast("cpu", dtype=torch.float16)
    def product() -> Any:
        return a @ a

    return [
        *story,
        str(product().dtype),
        str((a @ a).dtype),
        torch.is_autocast_enabled("cpu"),
        message(lambda: [torch.autocast("cpu", dtype=torch.float32), 1][1]),
        message(lambda: torch.autocast(3)),
        raised(lambda: torch.autocast("nowhere")),
        torch.amp.is_autocast_available("cpu"),
    ]


@program
def autocast_training(torch: Any) -> Story:
    nn = torch.nn
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    story: Story = []
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = net(x)
            loss = nn.functional.cross_entropy(result, target)
        loss.backward()
        optimizer.step()
        # bfloat16 has 8 bits: the libraries sum products in another order.
        story.append(
            [
                str(result.dtype),
                str(loss.dtype),
                round(loss.item(), 2),
                [str(p.grad.dtype) for p in net.parameters()],
            ]
        )
    return story


@program
def custom_functions_and_autocast(torch: Any) -> Story:
    amp = module(torch, "amp")
    seen: Story = []

    class Double(torch.autograd.Function):
        @staticmethod
        @amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx: Any, x: Any) -> Any:
            seen.append([str(x.dtype), torch.is_autocast_enabled("cpu")])
            return x * 2

        @staticmethod
        @amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, gradient: Any) -> Any:
            seen.append([str(gradient.dtype), torch.is_autocast_enabled("cpu")])
            return gradient * 2

    x = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    Double.apply(x).sum().backward()
    with torch.autocast("cpu"):
        y = Double.apply(x)
    y.sum().backward()
    return [*seen, str(y.dtype), str(x.grad.dtype)]


@program
def gradient_scaling(torch: Any) -> Story:
    amp = module(torch, "amp")
    scaler = amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.1)
    story: Story = [scaler.state_dict(), raised(scaler.update), raised(lambda: scaler.step(optimizer))]
    for i in range(6):
        optimizer.zero_grad()
        loss = (p * (float("inf") if i in (2, 3) else 1)).sum()
        scaled = scaler.scale(loss)
        scaled.backward()
        story += [scaled, p.grad]
        if i == 1:
            scaler.unscale_(optimizer)
            story += [p.grad, message(lambda: scaler.unscale_(optimizer))]
        story.append(scaler.step(optimizer))
        story.append(message(lambda: scaler.step(optimizer)))
        scaler.update()
        story += [scaler.get_scale(), p, scaler.state_dict()]
    other = amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    off = amp.GradScaler("cpu", enabled=False)
    return [
        *story,
        other.get_scale(),
        off.state_dict(),
        off.scale(p) is p,
        off.get_scale(),
        amp.GradScaler().is_enabled(),
        message(lambda: amp.GradScaler("cpu", growth_factor=1.0)),
        message(lambda: amp.GradScaler("cpu", backoff_factor=1.0)),
        [str(x.dtype) for x in scaler.scale([torch.ones(1), torch.ones(1).half()])],
    ]


@program
def attention_backends(torch: Any) -> Story:
    A = module(torch, "nn.attention")
    q = torch.ones(1, 1, 2, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    with A.sdpa_kernel(A.SDPBackend.MATH):
        one = attend(q, q, q)
    with A.sdpa_kernel([A.SDPBackend.MATH, A.SDPBackend.FLASH_ATTENTION], set_priority=True):
        two = attend(q, q, q)
    return [
        one,
        two,
        [int(x) for x in (A.SDPBackend.ERROR, A.SDPBackend.CUDNN_ATTENTION)],
        raised(A.sdpa_kernel(3).__enter__),
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_story(name: str) -> None:
    compare(PROGRAMS[name])


def test_padding_is_zero_without_gradients() -> None:
    """PyTorch gives zeros there, by way of nested tensors, and warns that those are a prototype."""
    torch = pytest.importorskip("torch")
    import warnings

    import rushlight

    results = []
    for library in (torch, rushlight):
        library.manual_seed(0)
        layer = library.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        net = library.nn.TransformerEncoder(layer, 2).eval()
        padding = library.tensor([[False, False, True], [False, True, True]])
        with library.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.append(net(library.randn(2, 3, 4), src_key_padding_mask=padding).tolist())
    for expected, actual in zip(results[0], results[1], strict=True):
        for one, other in zip(expected, actual, strict=True):
            assert one == pytest.approx(other, rel=1e-5, abs=1e-6)
    assert results[1][1][2] == [0.0] * 4
