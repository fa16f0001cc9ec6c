"""Functions with two bodies."""

from __future__ import annotations

import threading

from rushlight.core.switch import Switch


def plain(a, b=2):
    return "plain", a, b


def other(a, b=2):
    return ("other", *switch.original(a, b))


switch = Switch(plain, other)


def test_the_body_changes_while_the_switch_is_on():
    assert plain(1) == ("plain", 1, 2)
    switch.turn_on()
    try:
        assert plain(1) == ("other", "plain", 1, 2)
        assert plain(1, b=3) == ("other", "plain", 1, 3)
        assert switch.original(1) == ("plain", 1, 2)
    finally:
        switch.turn_off()
    assert plain(1) == ("plain", 1, 2)


def test_users_are_counted():
    switch.turn_on()
    switch.turn_on()
    switch.turn_off()
    assert plain(1)[0] == "other"
    switch.turn_off()
    assert plain(1)[0] == "plain"


def test_users_in_several_threads():
    def work():
        for _ in range(500):
            switch.turn_on()
            assert plain(1)[0] == "other"
            switch.turn_off()

    failures = []

    def guarded():
        try:
            work()
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert plain(1)[0] == "plain"


def test_specialised_calls_notice():
    """The interpreter specialises hot calls; they must still see the other body."""

    def call():
        return plain(1)[0]

    for _ in range(200):
        assert call() == "plain"
    switch.turn_on()
    try:
        assert {call() for _ in range(200)} == {"other"}
    finally:
        switch.turn_off()
    assert {call() for _ in range(200)} == {"plain"}
