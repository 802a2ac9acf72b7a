"""The optimizers beside PyTorch and beside the formulas of their papers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from glassnet.activations import Array
from glassnet.errors import OptionError
from glassnet.training import OPTIMIZERS, Adam, AdamW, Optimizer, Sgd
from glassnet.training.optimizers import BLOCK, scale_down

CHOICES = [Sgd(0.1), Sgd(0.1, 0.9), Adam(0.01), Adam(0.1, 0.8, 0.99, 1e-3), AdamW(0.01), AdamW(0.05, weight_decay=0.3)]
CHOICES += [Sgd(0.1, 0.9, clip=0.5), AdamW(0.01, clip=3.0)]


def slopes(count: int, size: int = 50) -> list[Array]:
    generator = np.random.default_rng(1)
    found = [generator.standard_normal(size) * 10.0 ** generator.integers(-6, 2, size) for _ in range(count)]
    for slope in found:
        slope[:5] = 0  # a pixel that is never inked
    return found


def moved(optimizer: Optimizer, count: int, dtype: type = np.float64) -> Array:
    parameters: Array = np.linspace(-1, 1, 50).astype(dtype)
    memory = optimizer.memory(parameters)
    for number, slope in enumerate(slopes(count), start=1):
        optimizer.update(parameters, slope.astype(dtype), memory, number)
    assert parameters.dtype == dtype
    return parameters


def test_every_optimizer_is_checked_here() -> None:
    assert {type(choice) for choice in CHOICES} == set(OPTIMIZERS.values())


@pytest.mark.parametrize("optimizer", CHOICES, ids=str)
def test_the_same_updates_as_pytorch(optimizer: Optimizer) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    options = dataclasses.asdict(optimizer)
    theirs = {"lr": options.pop("rate")}
    clip = options.pop("clip")
    if "beta1" in options:
        theirs |= {"betas": (options.pop("beta1"), options.pop("beta2")), "eps": options.pop("epsilon")}
    parameter = torch.tensor(np.linspace(-1, 1, 50), requires_grad=True)
    kind = {Sgd: torch.optim.SGD, Adam: torch.optim.Adam, AdamW: torch.optim.AdamW}[type(optimizer)]
    other = kind([parameter], **theirs, **options)
    for slope in slopes(30):
        parameter.grad = torch.tensor(slope)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_([parameter], clip)
        other.step()
    np.testing.assert_allclose(
        moved(optimizer, 30), parameter.detach().numpy(), rtol=1e-6 if clip else 1e-10, atol=1e-12
    )


def test_adam_as_its_paper_writes_it() -> None:
    rate, beta1, beta2, epsilon = 0.01, 0.9, 0.999, 1e-8
    parameters, m, v = np.linspace(-1, 1, 50), np.zeros(50), np.zeros(50)
    for t, g in enumerate(slopes(30), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        parameters -= rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    np.testing.assert_allclose(moved(Adam(rate), 30), parameters, rtol=1e-10)


def test_sgd_with_momentum_by_hand() -> None:
    parameters, optimizer = np.array([1.0]), Sgd(0.1, 0.5)
    memory = optimizer.memory(parameters)
    optimizer.update(parameters, np.array([2.0]), memory, 1)  # v = 2
    assert parameters == pytest.approx(0.8)
    optimizer.update(parameters, np.array([2.0]), memory, 2)  # v = 0.5·2 + 2 = 3
    assert parameters == pytest.approx(0.5)


@pytest.mark.parametrize("optimizer", CHOICES, ids=str)
def test_float32_stays_float32_and_near(optimizer: Optimizer) -> None:
    np.testing.assert_allclose(moved(optimizer, 30, np.float32), moved(optimizer, 30), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimizer", CHOICES, ids=str)
def test_a_slope_of_0_leaves_parameters_where_they_are_but_for_decay(optimizer: Optimizer) -> None:
    assert isinstance(optimizer.rate, float)
    decay = (1 - optimizer.rate * getattr(optimizer, "weight_decay", 0.0)) ** 30
    np.testing.assert_allclose(moved(optimizer, 30)[:5], np.linspace(-1, 1, 50)[:5] * decay)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Sgd, {"rate": 0}, "Sgd: rate must be a number above 0, found 0"),
        (Sgd, {"rate": float("nan")}, "Sgd: rate must be a number above 0, found nan"),
        (Sgd, {"rate": 0.1, "momentum": 1}, "Sgd: momentum must be at least 0 and below 1, found 1"),
        (Adam, {"beta1": -0.1}, "Adam: beta1 must be at least 0 and below 1, found -0.1"),
        (Adam, {"epsilon": 0}, "Adam: epsilon must be a number above 0, found 0"),
        (Sgd, {"clip": 0}, "Sgd: clip must be a number above 0, found 0"),
        (AdamW, {"weight_decay": -1}, "AdamW: weight_decay must be 0 or more, found -1"),
    ],
)
def test_options_out_of_range(kind: type[Optimizer], options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        kind(**options)
    assert str(caught.value) == message


def test_a_gradient_that_is_too_long_is_scaled_down() -> None:
    gradient = np.array([3.0, 0.0, 4.0])
    assert scale_down(gradient, 10) == 5
    np.testing.assert_array_equal(gradient, [3, 0, 4])
    assert scale_down(gradient, 1) == 5
    np.testing.assert_allclose(gradient, [0.6, 0, 0.8])


def test_a_long_vector_is_gone_through_in_blocks() -> None:
    size = 2 * BLOCK + 5
    whole, parts = np.linspace(-1, 1, size), np.linspace(-1, 1, size)
    optimizer = AdamW(0.01)
    memory, others = optimizer.memory(whole), optimizer.memory(parts)
    for count in (1, 2):
        gradient = np.random.default_rng(count).standard_normal(size)
        optimizer.move(whole, gradient.copy(), memory, count, 0.01)
        optimizer.update(parts, gradient, others, count)
    np.testing.assert_array_equal(parts, whole)
