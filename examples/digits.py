"""Two classifiers for handwritten digits: an MLP and a small convolutional network.

The data are the 1,797 real 8×8 images that scikit-learn ships (the test set of the UCI "Optical Recognition of Handwritten
Digits" collection). Run this file to train both:

    python examples/digits.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import rushlight as torch
from rushlight import nn
from rushlight.utils.data import DataLoader, TensorDataset, random_split


class Run(NamedTuple):
    """A trained model and how it went."""

    model: nn.Module
    losses: list[float]  # the mean of each epoch
    accuracy: float  # on the test images


class Digits(NamedTuple):
    """The images (N×1×8×8, from 0 to 1) and labels, split at random by a fixed seed."""

    train: TensorDataset
    test_images: torch.Tensor
    test_labels: torch.Tensor


def load_digits(test_share: float = 0.2) -> Digits:
    """The digits with a fifth of them held out for testing."""
    from sklearn.datasets import load_digits as load

    raw = load()
    images = torch.tensor(raw.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(raw.target, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    held_out = int(len(labels) * test_share)
    train, test = random_split(range(len(labels)), [len(labels) - held_out, held_out], generator=generator)
    where = torch.tensor(list(test))
    kept = torch.tensor(list(train))
    return Digits(TensorDataset(images[kept], labels[kept]), images[where], labels[where])


def mlp() -> nn.Module:
    """64 pixels, one hidden layer of 128, ten classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))


def conv_net() -> nn.Module:
    """Two 3×3 convolutions with batch normalisation, a 2×2 pooling, two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of images that ``model`` classifies rightly."""
    model.eval()
    with torch.no_grad():
        right = (model(images).argmax(1) == labels).float().mean().item()
    model.train()
    return right


def train(
    build: Callable[[], nn.Module],
    digits: Digits,
    epochs: int,
    progress: Callable[[float], None] = lambda loss: None,
) -> Run:
    """Train a new model with Adam and a one-cycle schedule; ``progress`` hears of each epoch's mean loss."""
    torch.manual_seed(0)
    model = build()
    loader = DataLoader(digits.train, batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, epochs=epochs, steps_per_epoch=len(loader)
    )
    loss_of = nn.CrossEntropyLoss()
    losses = []
    for _ in range(epochs):
        total = 0.0
        for images, labels in loader:
            loss = loss_of(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(labels)
        losses.append(total / len(digits.train))
        progress(losses[-1])
    return Run(model, losses, accuracy(model, digits.test_images, digits.test_labels))


MODELS: dict[str, tuple[Callable[[], nn.Module], int]] = {"MLP": (mlp, 30), "conv net": (conv_net, 15)}


if __name__ == "__main__":
    data = load_digits()
    for name, (build, epochs) in MODELS.items():
        run = train(build, data, epochs)
        print(f"{name:10} loss {run.losses[-1]:.4f}, test accuracy {run.accuracy:.2%}")
