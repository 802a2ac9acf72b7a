"""The schedules beside PyTorch's schedulers of the same names."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.training import SCHEDULES, Adam, Cosine, Linear, OneCycle, Schedule, Sgd, WarmUp

UPDATES = 40


def rates(schedule: Schedule, updates: int = UPDATES) -> list[float]:
    return [schedule(update, updates) for update in range(updates)]


def cosine_then(torch: Any, optimizer: Any) -> Any:
    kinds = torch.optim.lr_scheduler
    warm_up = kinds.LinearLR(optimizer, start_factor=0.01, end_factor=1.0, total_iters=8)
    cosine = kinds.CosineAnnealingLR(optimizer, T_max=UPDATES - 8, eta_min=0.01)
    return kinds.SequentialLR(optimizer, [warm_up, cosine], milestones=[8])


# Ours → theirs, for a peak of 0.1.
PEERS: dict[Schedule, Callable[[Any, Any], Any]] = {
    Linear(0.1, 0.02): lambda torch, optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.2, UPDATES),
    Cosine(0.1): lambda torch, optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES),
    Cosine(0.1, 0.03): lambda torch, optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES, 0.03),
    OneCycle(0.1): lambda torch, optimizer: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=UPDATES, cycle_momentum=False
    ),
    OneCycle(0.1, 0.25): lambda torch, optimizer: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=UPDATES, pct_start=0.25, cycle_momentum=False
    ),
    WarmUp(Cosine(0.1, 0.01), 0.2): cosine_then,
}


def test_every_schedule_is_checked_here() -> None:
    assert {type(schedule) for schedule in PEERS} == set(SCHEDULES.values())


@pytest.mark.parametrize("schedule", PEERS, ids=str)
def test_the_same_rates_as_pytorch(schedule: Schedule) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls its parts in a way they warn of
        scheduler = PEERS[schedule](torch, optimizer)
        theirs = []
        for _ in range(UPDATES):
            theirs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    np.testing.assert_allclose(rates(schedule), theirs, rtol=1e-9, atol=1e-12)


def test_by_hand() -> None:
    assert rates(Linear(1.0), 4) == [1.0, 0.75, 0.5, 0.25]
    assert rates(Cosine(1.0), 4) == pytest.approx([1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])
    assert rates(WarmUp(2.0, 0.5), 4) == pytest.approx([0.02, 1.01, 2.0, 2.0])


@pytest.mark.parametrize("schedule", PEERS, ids=str)
@pytest.mark.parametrize("updates", [1, 2, 3])
def test_a_run_may_be_short(schedule: Schedule, updates: int) -> None:
    assert all(0 <= rate <= 0.1 + 1e-12 for rate in rates(schedule, updates))


def test_an_optimizer_moves_at_the_rate_of_the_moment() -> None:
    parameters = np.zeros(1)
    optimizer = Sgd(Linear(1.0))
    places = []
    for count in range(1, 5):
        optimizer.update(parameters, np.array([-1.0]), {}, count, 4)
        places.append(float(parameters[0]))
    assert places == [1.0, 1.75, 2.25, 2.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(0), "Cosine: peak must be a number above 0, found 0"),
        (lambda: Linear(0.1, -1), "Linear: final must be 0 or more, found -1"),
        (lambda: OneCycle(0.1, 1.0), "OneCycle: warm_up must be between 0 and 1, found 1.0"),
        (lambda: WarmUp(0.1, 0), "WarmUp: share must be between 0 and 1, found 0"),
        (lambda: WarmUp(-0.1), "WarmUp: then must be a rate above 0 or a schedule, found -0.1"),
        (lambda: Adam("fast"), "Adam: rate must be a number above 0 or a schedule, found 'fast'"),  # type: ignore[arg-type]
    ],
)
def test_options_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        make()
    assert str(caught.value) == message
