"""An ``Explanation`` as one page of HTML that needs nothing but itself: no network, no other files."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from ..compiler import native
from ..compiler.launch import HostLaunch, Launch
from ..ir.drawing import DARK, draw
from ..ir.printer import text_of
from .explain_text import (
    NOTES,
    flops_text,
    limits_text,
    nbytes_text,
    share_text,
    source_lines,
    source_text,
    summary,
    time_text,
    timing,
)
from .memory_drawing import block_name, draw_memory

if TYPE_CHECKING:
    from .explain import ExplainedProgram, Explanation, Kernel

_STYLE: Final = (
    """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1c2430; --soft: #55606e; --rule: #d5dbe3;
  --panel: #f4f6f9;
  --bar: #b9d3f0; --link: #1d5a9e; --mark: #fff0b8; --t0: #cfe3f7; --t1: #d6ecd3; --t2: #f8e3bf; --t3: #ead7f0;
  --t4: #f5d5d5; }
@media (prefers-color-scheme: dark) { :root { --ground: #12171e; --ink: #e6ebf2; --soft: #aab4c2; --rule: #36404d;
  --panel: #1b222c; --bar: #2c4d73; --link: #8bbcf3; --mark: #4d4317; --t0: #25435f; --t1: #28452a; --t2: #51401c;
  --t3: #452d4f;
  --t4: #552b2b; """
    + DARK
    + """ } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1.5rem 4rem; max-width: 1280px; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .3rem 0; } a { color: var(--link); } .soft, caption, figcaption { color: var(--soft); }
code, pre, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .86em; }
.scroll { overflow: auto; border: 1px solid var(--rule); border-radius: 6px; } figure { margin: .5rem 0; }
.scroll.tall { max-height: 60rem; } .fitted svg { width: 100%; height: auto; }
.scroll svg { display: block; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; padding: .4rem .6rem; font-size: .9em; }
th, td { padding: .3rem .55rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap;
  vertical-align: top; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--ground); }
th { background: var(--panel); } td.text, th.text { text-align: left; }
td.wide { white-space: normal; min-width: 24rem; overflow-wrap: anywhere; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible, summary:focus-visible, a:focus-visible,
.scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " ▲"; } th[aria-sort="descending"] button::after { content: " ▼"; }
.bar { display: inline-block; height: .6em; background: var(--bar); margin-right: .4em; border-radius: 2px;
  vertical-align: baseline; }
tr.lit td { background: var(--mark); } .lit > rect { stroke-width: 3; stroke: var(--link) !important; }
details { margin: .35rem 0; } summary { cursor: pointer; }
details > div, details > pre, details > dl { margin-left: 1.1rem; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: .6rem .8rem;
  overflow: auto; max-height: 32rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: .3rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
.memory text { font-size: 11px; fill: var(--ink); } .mem-grid { stroke: var(--rule); }
.mem-block rect { stroke: var(--soft); }
.mem-0 rect { fill: var(--t0); } .mem-1 rect { fill: var(--t1); } .mem-2 rect { fill: var(--t2); }
.mem-3 rect { fill: var(--t3); }
.mem-4 rect { fill: var(--t4); }
@media print { .scroll, pre { max-height: none; overflow: visible; } }
"""
)
# Sorting by a column, and showing the same kernel in the graph and the table together. The page is complete without it.
_SCRIPT: Final = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "descending";
    table.querySelectorAll("thead th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => {
      const value = row.cells[column].dataset.value;
      return value === "" ? -Infinity : isNaN(value) ? value : Number(value);
    };
    const compare = (x, y) => x < y ? -1 : x > y ? 1 : 0;
    body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b)) * (up ? 1 : -1)));
  }));
}
for (const button of document.querySelectorAll("button.fit")) button.addEventListener("click", () => {
  const fitted = button.closest("figure, details").querySelector(".scroll").classList.toggle("fitted");
  button.setAttribute("aria-pressed", fitted);
});
for (const section of document.querySelectorAll("section.program")) {
  const groups = JSON.parse(section.dataset.groups);
  const nameOf = part => part.dataset.kernel || (part.dataset.group && groups[part.dataset.group]);
  const show = (name, on) => {
    section.querySelectorAll(`tr[data-kernel="${name}"]`).forEach(row => row.classList.toggle("lit", on));
    section.querySelectorAll(".grouped [data-group]").forEach(part => {
      if (String(groups[part.dataset.group]) === String(name)) part.classList.toggle("lit", on);
    });
  };
  section.querySelectorAll("tr[data-kernel], .grouped [data-group]").forEach(part => {
    part.addEventListener("mouseenter", () => show(nameOf(part), true));
    part.addEventListener("mouseleave", () => show(nameOf(part), false));
    if (part.dataset.group) part.addEventListener("click", () => {
      const details = section.querySelector(`details[data-details="${nameOf(part)}"]`);
      if (details) { details.open = true; details.scrollIntoView({ block: "start" }); }
    });
  });
}
addEventListener("hashchange", open); addEventListener("load", open);
function open() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
}
"""
_COLUMNS: Final = (
    "#", "1 thread", "part of all", "share of limit", "all threads", "limited by",
    "read", "written", "operations", "GFLOP/s", "GB/s", "kernel",
)  # fmt: skip
_FIT: Final = '<p><button type="button" class="fit" aria-pressed="false">Fit to the width</button></p>'
_TEXT_COLUMNS: Final = frozenset(("limited by", "kernel"))


def page(explanation: Explanation, assembly: bool) -> str:
    """The whole page. ``assembly``: with the kernels' LLVM IR and machine code."""
    title = f"{explanation.name}: explained"
    programs = explanation.programs
    parts = [
        f"<h1>{escape(explanation.name)}</h1>",
        f"<p>{escape(explanation.mode)} mode, {len(programs)} program{'s' * (len(programs) != 1)}, "
        f"{len(explanation.kernels)} kernel{'s' * (len(explanation.kernels) != 1)}.</p>",
    ]
    if explanation.note:
        parts.append(f"<p>{escape(explanation.note)}</p>")
    if explanation.limits is not None:
        parts.append(f"<p>{escape(limits_text(explanation))}.</p>")
    if len(programs) > 1:
        links = [
            f'<li><a href="#p{i}">Program {i}</a>: {escape(timing(p))}</li>'
            for i, p in enumerate(programs, 1)
        ]
        parts.append(f'<nav aria-label="Programs"><ul>{"".join(links)}</ul></nav>')
    if not programs:
        parts.append("<p>The call asked for nothing that a graph holds.</p>")
    codes: dict[tuple[str, str], str] = {}
    for number, program in enumerate(programs, 1):
        parts.append(_program(number, program, codes, assembly))
    notes = "".join([f"<li>{escape(note)}</li>" for note in NOTES])
    parts.append(f'<h2>What the numbers mean</h2><ul class="soft">{notes}</ul>')
    content = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n{content}\n</main>"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _program(
    number: int, program: ExplainedProgram, codes: dict[tuple[str, str], str], assembly: bool
) -> str:
    kernels = [kernel for kernel in program.kernels if kernel.facts.nodes]
    groups = "[" + ",".join([str(kernel.number) for kernel in kernels]) + "]"
    ran = "" if program.calls == 1 else f" This call ran it {program.calls} times."
    parts = [
        f'<section class="program" id="p{number}" data-groups="{groups}">',
        f"<h2>Program {number}</h2>",
        f"<p>It ends because {escape(program.ended)}.{ran}</p><p>{escape(summary(program))}.</p>",
        f"<p>{escape(timing(program))}</p>",
    ]
    if program.kernels:
        parts.append(_table(number, program))
    if program.parts:
        parts.append(_devices(program))
    hover = [part.heading for part in program.parts] or [_hover(kernel) for kernel in kernels]
    final = draw(program.after, program.groups, hover.__getitem__, name=f"-{number}", dark=False)
    framed = "Frames are parts, each on one device; " if program.parts else "Frames are kernels; "
    caption = f"{framed}values flow down." if program.kernels or program.parts else "Values flow down."
    parts.append(
        f'<h3>Graph</h3><figure>{_FIT}<div class="scroll tall grouped" tabindex="0" role="region" '
        f'aria-label="Graph">{final}</div>'
        f"<figcaption>{caption} Thick borders: results. Hover for details; a click on a frame leads to its "
        "code.</figcaption></figure>"
    )
    if program.native:
        recorded = draw(program.before, name=f"-{number}-recorded", dark=False)
        parts.append(
            f'<details><summary>The graph as it was recorded</summary>{_FIT}<div class="scroll tall" tabindex="0" '
            f'role="region" aria-label="Graph as recorded">{recorded}</div></details>'
        )
        parts.append(_memory(program))
    parts.append("<h3>Intermediate representation</h3>")
    parts.append(_folded(f"As recorded: {len(program.before.nodes)} nodes", text_of(program.before)))
    last = text_of(program.before)
    for name, graph in program.passes:
        text = text_of(graph)
        if text == last:
            parts.append(f'<p class="soft">After <code>{escape(name)}</code>: no change</p>')
        else:
            parts.append(_folded(f"After {name}: {len(graph.nodes)} nodes", text))
        last = text
    if program.parts and assembly:
        missing = "NVRTC is not installed here (pip install nvidia-cuda-nvrtc-cu12)."
        parts.append("<h3>Kernels</h3>")
        parts += [_folded("CUDA C", program.cuda_source), _folded("PTX", program.ptx or missing)]
    if program.kernels:
        parts.append("<h3>Kernels</h3>")
        parts += [_kernel(number, kernel, codes, assembly) for kernel in program.kernels]
    return "\n".join(parts) + "</section>"


def _devices(program: ExplainedProgram) -> str:
    """Every line of the plan with its device."""
    rows: list[str] = []
    number = 0
    for part_number, part in enumerate(program.parts, 1):
        for line in part.lines:
            number += 1
            of = "".join(
                [f'<br><span class="soft mono">{escape(source_text(s))}</span>' for s in source_lines(line)]
            )
            cells = (
                (number, str(number)),
                (part_number, str(part_number)),
                (line.device, escape(line.device)),
            )
            shown = "".join([f'<td data-value="{value}">{text}</td>' for value, text in cells])
            rows.append(
                f'<tr>{shown}<td class="text" data-value="{escape(line.by)}">{escape(line.by)}</td>'
                f'<td class="text wide" data-value="{escape(line.text)}">{escape(line.text)}{of}</td></tr>'
            )
    heads = "".join(
        [
            f'<th scope="col"{" class=text" if name in ("by", "what") else ""}><button type="button">{name}</button></th>'
            for name in ("#", "part", "device", "by", "what")
        ]
    )
    headings = "".join([f"<li>{escape(part.heading)}</li>" for part in program.parts])
    return (
        f'<h3>Launches, and their devices</h3><ul>{headings}</ul><div class="scroll tall" tabindex="0" role="region" '
        'aria-label="Table of launches"><table class="sortable"><caption>In the order in which they run. A column\'s heading '
        f"sorts by it.</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _hover(kernel: Kernel) -> str:
    facts = kernel.facts
    rows = [
        facts.name,
        f"{time_text(kernel.seconds)} on one thread, {share_text(kernel.share)} of the limit ({kernel.bound or 'unknown'})",
    ]
    rows.append(
        f"{nbytes_text(facts.read)} read, {nbytes_text(facts.written)} written, {flops_text(kernel)} operations"
    )
    return "\n".join(rows + [source_text(line) for line in facts.lines])


def _table(number: int, program: ExplainedProgram) -> str:
    total = sum([kernel.seconds or 0.0 for kernel in program.kernels])
    heads = "".join(
        [
            f'<th scope="col"{" class=text" if name in _TEXT_COLUMNS else ""}>'
            f'<button type="button">{escape(name)}</button></th>'
            for name in _COLUMNS
        ]
    )
    rows = "\n".join([_row(number, kernel, total) for kernel in program.kernels])
    return (
        '<h3>Kernels by cost</h3><div class="scroll" tabindex="0" role="region" aria-label="Table of kernels">'
        '<table class="sortable"><caption>In the order in which they run. A column\'s heading sorts by it. ~ is an estimate; '
        f"∥ may run at the same time as its neighbours.</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(number: int, kernel: Kernel, total: float) -> str:
    facts = kernel.facts
    part = kernel.seconds / total if kernel.seconds and total else None
    lines = "".join(
        [f'<br><span class="soft mono">{escape(source_text(line))}</span>' for line in facts.lines]
    )
    link = f'<a href="#p{number}k{kernel.number}">{escape(facts.name)}</a>'
    bar = "" if part is None else f'<span class="bar" style="width:{4 * part:.2f}rem"></span>'
    together = "∥ " if kernel.together else ""
    cells = (
        (kernel.number, str(kernel.number)),
        (kernel.seconds, time_text(kernel.seconds)),
        (part, bar + share_text(part)),
        (kernel.share, share_text(kernel.share)),
        (kernel.shared_seconds, together + time_text(kernel.shared_seconds)),
        (kernel.bound, kernel.bound),
        (facts.read, nbytes_text(facts.read)),
        (facts.written, nbytes_text(facts.written)),
        (facts.flops, escape(flops_text(kernel))),
        (kernel.gflops, _rate(kernel.gflops)),
        (kernel.bandwidth, _rate(kernel.bandwidth)),
    )
    text = "".join(
        [
            f'<td data-value="{"" if value is None else value}"{" class=text" if name in _TEXT_COLUMNS else ""}>{shown}</td>'
            for name, (value, shown) in zip(_COLUMNS, cells, strict=False)
        ]
    )
    return (
        f'<tr data-kernel="{kernel.number}">{text}<td class="text wide" data-value="{escape(facts.name)}">'
        f'<span class="soft">{escape(facts.form)}:</span> {link}{lines}</td></tr>'
    )


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.3g}"


def _memory(program: ExplainedProgram) -> str:
    if not program.memory:
        return "<h3>Memory plan</h3><p>No memory of its own: every value is in a kernel's registers, an input or a result.</p>"
    rows = "".join(
        [
            f"<tr><td>{block.offset}</td><td>{block.nbytes}</td><td>{block.first}</td><td>{block.last}</td>"
            f'<td class="text">{escape(block_name(block))}</td></tr>'
            for block in program.memory
        ]
    )
    return (
        '<h3>Memory plan</h3><figure><div class="scroll" tabindex="0" role="region" aria-label="Memory plan">'
        f"{draw_memory(program)}</div><figcaption>{nbytes_text(program.arena_bytes)} in all; inputs and results have "
        "memory of their own. Hover for the values.</figcaption></figure>"
        '<details><summary>The same as a table</summary><div class="scroll"><table><thead><tr>'
        '<th scope="col">offset</th><th scope="col">bytes</th><th scope="col">from kernel</th><th scope="col">to kernel</th>'
        f'<th scope="col" class="text">values</th></tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _kernel(number: int, kernel: Kernel, codes: dict[tuple[str, str], str], assembly: bool) -> str:
    facts = kernel.facts
    own = f"p{number}k{kernel.number}"
    lines = "<br>".join([escape(source_text(line)) for line in facts.lines]) or "-"
    nodes = " ".join([f"%{node}" for node in facts.nodes]) or "-"
    rows = [
        ("lines", f'<span class="mono">{lines}</span>'),
        ("operations", escape(", ".join(facts.operations)) or "-"),
        ("nodes after the passes", nodes),
        ("launches", "<br>".join([escape(_launch_text(one)) for one in facts.launches])),
    ]
    text = "".join([f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows])
    parts = [f"<dl>{text}</dl>"]
    for position, one in enumerate(kernel.modules if assembly else ()):
        known = codes.get((one.text, one.name))
        if known is not None:
            parts.append(
                f'<p>The code is that of <a href="#{known}">program {known[1:].replace("k", ", kernel ")}</a>.</p>'
            )
            continue
        codes[one.text, one.name] = own
        which = f" of launch {position + 1}" if len(kernel.modules) > 1 else ""
        parts.append(_folded(f"LLVM IR{which}, before LLVM's own passes", one.text))
        parts.append(_folded(f"Assembly{which}", _assembly(one)))
    return (
        f'<details id="{own}" data-details="{kernel.number}"><summary>{kernel.number} · {escape(facts.form)}: '
        f"{escape(facts.name)}</summary><div>{''.join(parts)}</div></details>"
    )


def _launch_text(one: Launch | HostLaunch) -> str:
    if isinstance(one, HostLaunch):
        return f"{one.label}: a Python function"
    return f"{one.label or one.name}: {one.units} work units, taken {one.grain} or more at a time"


def _assembly(one: Launch) -> str:
    return native.assembly(one.text, one.name)


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
