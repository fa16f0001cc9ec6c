"""``explain``: every kernel accounted for, numbers that a calculation by hand gives, a page that stands alone, no traces."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.compiler.groups import VIRTUAL
from rushlight.core.storage import program_site
from rushlight.ir.graph import Kind
from rushlight.runtime import programs
from rushlight.runtime.recording import Tape

both = pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])
pytest.importorskip("llvmlite")


def tutorial():
    torch.manual_seed(0)
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    w1, w2 = torch.randn(1000, 100) * 0.03, torch.randn(100, 10) * 0.1
    w1.requires_grad_(), w2.requires_grad_()

    def step(x, y):
        hidden = x.mm(w1).clamp(min=0)
        loss = (hidden.mm(w2) - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            w1.sub_(1e-6 * w1.grad)
            w2.sub_(1e-6 * w2.grad)
            w1.grad = w2.grad = None
        return loss

    return step, (x, y), (w1, w2)


@pytest.fixture(scope="module", params=[False, True], ids=["recorded", "static"])
def explained(request):
    step, arguments, _ = tutorial()
    return torch.explain(torch.compile(step, fullgraph=request.param), *arguments)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_the_kernels_cover_every_node(explained):
    (program,) = explained.programs
    covered = {node for kernel in program.kernels for node in kernel.facts.nodes}
    needed = {output.node for output in program.after.outputs}
    for number in range(len(program.after.nodes) - 1, -1, -1):
        if number in needed:
            needed.update(program.after.nodes[number].operands)
    # A negative factor of a matrix product becomes its alpha.
    factors = {i for n in program.after.nodes if n.kind is Kind.MATMUL for i in n.operands[3:]}
    computed = {i for i in needed if program.after.nodes[i].kind not in VIRTUAL} - factors
    assert computed <= covered
    assert [kernel.number for kernel in program.kernels] == list(range(1, len(program.kernels) + 1))


def test_the_lines_are_named(explained):
    source, first = inspect.getsourcelines(tutorial)
    line = {
        text: first + i
        for i, part in enumerate(source)
        for text in ("hidden", "loss", "backward", "w1.sub_")
        if text in part.split("=")[0]
    }
    first_product = explained.kernels[0].facts
    assert [(at.number, at.function) for at in first_product.lines] == [(line["hidden"], "step")]
    assert first_product.lines[0].text == "hidden = x.mm(w1).clamp(min=0)"
    gradients = [at for at in explained.lines if at.gradient_of is not None]
    assert {at.text for at in gradients} == {"loss.backward()"}
    assert line["hidden"] in {at.gradient_of.number for at in gradients}
    assert all(at.file == __file__ for at in explained.lines)


def test_operations_and_bytes_of_the_matrix_products(explained):
    products = [k.facts for k in explained.kernels if k.facts.form == "matrix product"]
    f = 4  # bytes of a float32
    expected = {
        "matmul (64×1000 @ 1000×100)": (64 * 1000 * f + 1000 * 100 * f, 64 * 100 * f, 2 * 64 * 1000 * 100),
        "matmul (64×100 @ 100×10)": (64 * 100 * f + 100 * 10 * f, 64 * 10 * f, 2 * 64 * 100 * 10),
        "matmul (64×10 @ 10×100)": (64 * 10 * f + 10 * 100 * f, 64 * 100 * f, 2 * 64 * 10 * 100),
        "matmul (1000×64 @ 64×100), scaled and added": (
            (1000 * 64 + 64 * 100 + 1000 * 100) * f, 1000 * 100 * f, 2 * 1000 * 64 * 100,
        ),
        "matmul (100×64 @ 64×10), scaled and added": ((100 * 64 + 64 * 10 + 100 * 10) * f, 100 * 10 * f, 2 * 100 * 64 * 10),
    }  # fmt: skip
    assert {facts.name: (facts.read, facts.written, facts.flops) for facts in products} == expected
    assert all(facts.exact for facts in products)


def test_bytes_of_a_loop():
    kernel = torch.explain(lambda x, row: (x * 2 + row).sum(1), torch.ones(50, 30), torch.ones(30)).kernels[0]
    assert (kernel.facts.read, kernel.facts.written) == (50 * 30 * 4 + 30 * 4, 50 * 4)
    assert not kernel.facts.exact


def test_the_text(explained):
    text = str(explained)
    assert text.startswith(f"step: {explained.mode} mode, 1 program, {len(explained.kernels)} kernels")
    assert "matrix product: matmul (64×1000 @ 1000×100)" in text
    assert "test_explain.py" in text and "hidden = x.mm(w1).clamp(min=0)" in text
    assert "[gradient of line" in text
    assert "~" in text and "estimate" in text  # what is estimated says so


def test_measurements_are_there(explained):
    for kernel in explained.kernels:
        assert kernel.seconds is not None and kernel.seconds >= 0
        assert kernel.shared_seconds is not None
        assert kernel.bound in ("arithmetic", "memory")
    assert explained.programs[0].seconds > 0
    assert explained.limits.gflops > 0 and all(rate > 0 for _, rate in explained.limits.bandwidths)


def test_the_code_of_a_kernel(explained):
    loop = next(kernel for kernel in explained.kernels if kernel.facts.form.startswith("loop"))
    assert "define" in loop.llvm and "ret" in loop.assembly


@both
def test_the_memory_plan(fullgraph):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 5)
    )

    def gradients(x):
        model.zero_grad()
        loss = F.cross_entropy(model(x), torch.tensor([0, 1]))
        loss.backward()
        return loss

    (program,) = torch.explain(torch.compile(gradients, fullgraph=fullgraph), torch.ones(2, 1, 8, 8)).programs
    blocks = program.memory
    assert blocks
    for block in blocks:
        assert block.offset >= 0 and block.offset + block.nbytes <= program.arena_bytes
        assert 1 <= block.first <= block.last <= len(program.kernels)
    for i, a in enumerate(blocks):
        for b in blocks[:i]:
            at_once = a.first <= b.last and b.first <= a.last
            assert not (at_once and a.offset < b.offset + b.nbytes and b.offset < a.offset + a.nbytes), (a, b)


def test_several_programs():
    def function(x):
        total = (x * 2).sum()
        if total.item() > 0:
            x = x + 1
        for _ in range(3):
            x = x * 1.5
            float(x[0])
        return x.exp()

    explanation = torch.explain(function, torch.ones(6))
    np.testing.assert_allclose(explanation.result.numpy(), np.full(6, np.exp(2 * 1.5**3)), rtol=1e-6)
    first, *_, last = explanation.programs
    assert "a value is needed" in first.ended and "if total.item() > 0:" in first.ended
    assert last.ended == "the call ends"
    assert sum(program.calls for program in explanation.programs) == 5
    assert any(program.calls > 1 for program in explanation.programs)  # one structure is shown once
    assert str(explanation).count("Program ") == len(explanation.programs)
    Page(explanation.html())


def test_a_call_without_tensors():
    explanation = torch.explain(lambda: 3)
    assert explanation.result == 3 and explanation.programs == []
    assert "nothing that a graph holds" in str(explanation)
    Page(explanation.html())


def test_modules_and_methods():
    module = torch.nn.Linear(4, 3)
    for callee in (module, torch.compile(module), torch.compile(module, fullgraph=True), module.forward):
        explanation = torch.explain(callee, torch.ones(2, 4))
        np.testing.assert_allclose(
            explanation.result.detach().numpy(), module(torch.ones(2, 4)).detach().numpy(), rtol=1e-6
        )
        assert explanation.name.split(".")[0] == "Linear"


def test_numpy_runs_programs(monkeypatch):
    monkeypatch.setattr(programs, "_build", [programs.ReferenceProgram])
    explanation = torch.explain(lambda x: x.exp().sum(), torch.ones(3))
    assert explanation.limits is None and explanation.kernels == []
    assert "NumPy runs it" in str(explanation)
    Page(explanation.html())


# --- no traces --------------------------------------------------------------------------------------------------------


def trainer(fullgraph):
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    )
    optimizer = torch.optim.Adam(model.parameters(), 0.01)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, torch.compile(step, fullgraph=fullgraph)


@both
def test_the_state_is_that_after_a_call(fullgraph):
    outcomes = []
    for explaining in (False, True):
        model, step = trainer(fullgraph)
        x = torch.randn(5, 6)
        losses = []
        for number in range(6):
            # Before anything is compiled, with a program that is known, and before it is used again.
            explain = explaining and number in (0, 3)
            losses.append(float(torch.explain(step, x).result if explain else step(x)))
        arrays = [p.detach().numpy().copy() for p in [*model.parameters(), *model.buffers()]]
        arrays += [p.grad.numpy().copy() for p in model.parameters()]
        outcomes.append((losses, arrays, torch.get_rng_state().numpy().copy(), x.numpy().copy()))
    (losses, arrays, generator, data), (others, changed, other_generator, other_data) = outcomes
    assert losses == others
    for array, other in zip(arrays, changed, strict=True):
        np.testing.assert_array_equal(array, other)
    np.testing.assert_array_equal(generator, other_generator)
    np.testing.assert_array_equal(data, other_data)


def test_what_must_not_run_again_is_not_timed():
    def function(x):
        return torch.cond(x.sum() > 0, lambda x: F.dropout(x, 0.5), lambda x: x.cos(), (x,))

    states = []
    for explaining in (False, True):
        torch.manual_seed(4)
        compiled = torch.compile(function, fullgraph=True)
        if explaining:
            explanation = torch.explain(compiled, torch.ones(4))
        else:
            compiled(torch.ones(4))
        states.append(torch.get_rng_state().numpy().copy())
    np.testing.assert_array_equal(*states)
    assert explanation.kernels[0].seconds is None and explanation.programs[0].seconds is None
    assert "Not timed: control_flow.cond does more than compute values" in str(explanation)
    Page(explanation.html())


@both
def test_an_error_in_the_call(fullgraph):
    def function(x):
        x = x + 1
        raise LookupError("half-way")

    compiled = torch.compile(function, fullgraph=fullgraph)
    with pytest.raises(LookupError, match="half-way"):
        torch.explain(compiled, torch.ones(3))
    assert torch.explain(lambda x: x + 1, torch.ones(3)).result.tolist() == [2, 2, 2]
    with pytest.raises(TypeError, match="expected a function or a module"):
        torch.explain(3)


def test_other_recordings_note_no_lines(monkeypatch):
    seen = []
    build = programs.builder()
    monkeypatch.setattr(programs, "_build", [lambda graph: seen.append(graph) or build(graph)])
    torch.explain(torch.compile(lambda x: x.sin() * 7), torch.ones(5))
    torch.compile(lambda x: x.sin() * 11)(torch.ones(5))
    noted, plain = seen
    assert any(node.site is not None for node in noted.nodes)
    assert all(node.site is None for node in plain.nodes)
    assert Tape.sites is None


def test_only_imported_when_asked_for():
    code = "import sys, rushlight; assert not [m for m in sys.modules if 'explain' in m.split('.')[-1]]; rushlight.explain"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- the page ---------------------------------------------------------------------------------------------------------

VOID = {"meta", "br", "line", "rect", "path"}


class Page(HTMLParser):
    """A page whose tags are balanced, whose ids are its own, and which refers to nothing outside."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.ids, self.links, self.tags, self.words = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.stack
        assert len(set(self.ids)) == len(self.ids)
        assert all(link.startswith("#") and link[1:] in self.ids for link in self.links)
        addresses = set(re.findall(r"[a-z]+://[^\"'\s<]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, which nobody fetches
        assert "@import" not in text and not re.search(r"url\((?!#)", text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        assert not {"src", "srcset", "action", "data", "xlink:href"} & set(given), tag
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given:
            self.links.append(given["href"])
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page(explained, tmp_path):
    page = Page(explained.html())
    rows = [given for tag, given in page.tags if tag == "tr" and "data-kernel" in given]
    assert [int(row["data-kernel"]) for row in rows] == [kernel.number for kernel in explained.kernels]
    groups = {given["data-group"] for tag, given in page.tags if given.get("class") == "rl-group"}
    assert len(groups) == len(explained.kernels)
    words = "".join(page.words)
    assert (
        "define" in words and "Assembly" in words and "After lower" in words and "hidden = x.mm(w1)" in words
    )
    assert "prefers-color-scheme: dark" in words
    explained.save(tmp_path / "page.html", assembly=False)
    saved = (tmp_path / "page.html").read_text(encoding="utf-8")
    Page(saved)
    assert "define" not in saved
    with pytest.raises(OSError):
        explained.save(tmp_path / "missing" / "page.html")


def test_names_are_escaped():
    name = "<script>alert('1')</script>&"

    def function(x):
        return x.exp() * 2  # <b>"bold"</b> & <script>alert("2")</script>

    function.__qualname__ = name
    explanation = torch.explain(function, torch.ones(3))
    page = Page(explanation.html())
    assert [tag for tag, _ in page.tags].count("script") == 1 and "b" not in [tag for tag, _ in page.tags]
    assert name in "".join(page.words)
    assert '<script>alert("2")</script>' in "".join(page.words)


def test_sites_are_of_the_program():
    site = program_site()
    assert site is not None and site[0].co_filename == __file__
