"""The main job: trains everything in this folder on real input and shows what came of it.

    python examples/train_all.py [--out out]

Trains the two-layer net in its five forms and two digit classifiers, saves the convolutional one as a checkpoint, loads it
into a fresh model and checks that it classifies alike, and writes a picture of the loss curves and of some predictions.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from typing import Any

# Matplotlib keeps a font cache in the home folder; where that can't be written to, a temporary one will do.
if not os.access(os.path.expanduser("~"), os.W_OK):
    os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())

import digits
import two_layer_net
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

import rushlight as torch

STEPS = 500
REQUIRED = {"MLP": 0.97, "conv net": 0.98}


def train_forms(console: Console) -> dict[str, list[float]]:
    """The losses of the five forms of the two-layer net."""
    table = Table(title=f"The two-layer net, {STEPS} steps")
    for heading in ("form", "first loss", "last loss", "ms per step"):
        table.add_column(heading, justify="left" if heading == "form" else "right")
    curves = {}
    for name, form in two_layer_net.FORMS.items():
        torch.manual_seed(0)
        random.seed(0)
        start = time.perf_counter()
        curves[name] = list(tqdm(form(STEPS), total=STEPS, desc=f"{name:18}", leave=False))
        elapsed = time.perf_counter() - start
        first, last = curves[name][0], curves[name][-1]
        table.add_row(name, f"{first:,.2f}", f"{last:.3g}", f"{1000 * elapsed / STEPS:.2f}")
    console.print(table)
    return curves


def train_digits(console: Console, data: digits.Digits) -> dict[str, digits.Run]:
    """The trained digit classifiers."""
    table = Table(title=f"Digits: {len(data.train)} images to learn from, {len(data.test_labels)} to test on")
    for heading in ("model", "parameters", "epochs", "last loss", "test accuracy", "required", "seconds"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    runs = {}
    for name, (build, epochs) in digits.MODELS.items():
        with tqdm(total=epochs, desc=f"{name:18}", leave=False) as bar:

            def show(loss: float, bar: Any = bar) -> None:
                bar.set_postfix(loss=f"{loss:.4f}")
                bar.update()

            start = time.perf_counter()
            run = runs[name] = digits.train(build, data, epochs, show)
            elapsed = time.perf_counter() - start
        size = sum(p.numel() for p in run.model.parameters())
        table.add_row(
            name, f"{size:,}", str(epochs), f"{run.losses[-1]:.4f}", f"{run.accuracy:.2%}", f"{REQUIRED[name]:.0%}",
            f"{elapsed:.1f}",
        )  # fmt: skip
    console.print(table)
    return runs


def check_checkpoint(run: digits.Run, data: digits.Digits, path: str) -> None:
    """Save the model, load it into a fresh one, and see that both give the very same scores."""
    torch.save({"model": run.model.state_dict(), "accuracy": run.accuracy}, path)
    saved = torch.load(path)
    fresh = digits.conv_net()
    fresh.load_state_dict(saved["model"])
    fresh.eval()
    run.model.eval()
    with torch.no_grad():
        if not torch.equal(fresh(data.test_images), run.model(data.test_images)):
            sys.exit(f"{path}: the loaded model differs from the saved one")


def draw(curves: dict[str, list[float]], runs: dict[str, digits.Run], data: digits.Digits, path: str) -> None:
    """The loss curves, and sixteen test images with what the convolutional net takes them for."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(13, 8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 2))
    left, right = top.subplots(1, 2)
    for i, (name, losses) in enumerate(curves.items()):
        left.plot(
            losses, label=name, linewidth=6 - 1.2 * i
        )  # the first three coincide: thinner lines on thicker ones
    left.set(title="The two-layer net in five forms", xlabel="step", ylabel="squared error", yscale="log")
    left.legend()
    for name, run in runs.items():
        right.plot(
            range(1, len(run.losses) + 1), run.losses, label=f"{name} ({run.accuracy:.1%} on the test images)"
        )
    right.set(title="Digits", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    right.legend()
    model = runs["conv net"].model
    model.eval()
    with torch.no_grad():
        chances = model(data.test_images[:16]).softmax(1)
    for i, axes in enumerate(bottom.subplots(2, 8).flat):
        guess = int(chances[i].argmax())
        truth = int(data.test_labels[i])
        axes.imshow(data.test_images[i, 0].numpy(), cmap="gray_r")
        axes.set_title(
            f"{guess} ({float(chances[i, guess]):.0%})",
            color="black" if guess == truth else "red",
            fontsize=9,
        )
        axes.axis("off")
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", default="out", help="folder for the checkpoint and the picture (default: out)"
    )
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    console = Console()
    start = time.perf_counter()
    curves = train_forms(console)
    data = digits.load_digits()
    runs = train_digits(console, data)
    checkpoint, picture = (os.path.join(options.out, name) for name in ("digits.pt", "training.png"))
    check_checkpoint(runs["conv net"], data, checkpoint)
    draw(curves, runs, data, picture)
    console.print(
        f"Wrote {checkpoint} (loaded back: same scores) and {picture} in {time.perf_counter() - start:.0f} s."
    )
    short = [
        f"{name} reached {runs[name].accuracy:.2%}"
        for name in REQUIRED
        if runs[name].accuracy < REQUIRED[name]
    ]
    if short:
        console.print("[red]Below what is required: " + ", ".join(short))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
