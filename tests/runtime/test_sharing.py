"""The choice between sharing with workers and running alone, on machines whose times are given."""

from __future__ import annotations

import random

import pytest

from rushlight.runtime.sharing import Sharing

RUNS = 100


def reviews(sharing, count, *, shared, alone, stalled):
    """What is chosen in ``count`` reviews on a machine with these times of a run; ``stalled``: the share of waiting."""
    choices = []
    for number in range(count):
        time = alone[number % len(alone)] if sharing.alone else shared[number % len(shared)]
        spent = time * RUNS
        asleep = 0 if sharing.alone else int(stalled * spent)
        choices.append(sharing.review(spent, RUNS, asleep))
    return choices


def test_nothing_is_tried_on_a_calm_machine():
    assert not any(reviews(Sharing(), 1000, shared=[200_000], alone=[340_000], stalled=0.01))


def test_alone_is_kept_while_it_is_faster():
    choices = reviews(Sharing(), 200, shared=[900_000], alone=[500_000], stalled=0.4)
    assert sum(choices) > 0.8 * len(choices)


def test_alone_is_tried_ever_less_while_it_is_slower():
    choices = reviews(Sharing(), 300, shared=[450_000], alone=[700_000], stalled=0.3)
    assert 0 < sum(choices) < 0.1 * len(choices)
    assert sum(choices[150:]) < sum(choices[:150])


def test_workers_help_again_soon_after_the_machine_has_become_calm():
    sharing = Sharing()
    reviews(sharing, 100, shared=[900_000], alone=[500_000], stalled=0.4)
    choices = reviews(sharing, 50, shared=[200_000], alone=[340_000], stalled=0.0)
    assert not any(choices[10:])


def test_alone_is_tried_at_once_when_sharing_has_become_much_slower():
    sharing = Sharing()
    reviews(sharing, 300, shared=[450_000], alone=[700_000], stalled=0.3)
    choices = reviews(sharing, 100, shared=[2_000_000], alone=[800_000], stalled=0.6)
    assert sum(choices[:20]) > 10
    assert sum(choices) > 70


@pytest.mark.parametrize("alone, faster", [(450_000, True), (1_300_000, False)])
def test_single_measurements_that_mislead_do_not_decide(alone, faster):
    """One in five is four times as long in either way."""
    lengthened = random.Random(0)

    def times(time):
        return [time * (4 if lengthened.random() < 0.2 else 1) for _ in range(997)]

    choices = reviews(Sharing(), 2000, shared=times(600_000), alone=times(alone), stalled=0.3)
    share = sum(choices) / len(choices)
    assert share > 0.6 if faster else share < 0.3


def test_windows_that_are_bad_now_and_then_try_nothing():
    """Another library's threads go on spinning for a while when it is this program's turn: the next window is calm again."""
    sharing = Sharing()
    for _ in range(300):
        assert not reviews(sharing, 1, shared=[330_000], alone=[320_000], stalled=0.3)[0]
        assert not any(reviews(sharing, 2, shared=[220_000], alone=[320_000], stalled=0.01))
