import pytest

from tapeline.wire.breaker import Breaker


def test_it_trips_after_so_many_failures_in_a_row_and_probes_after_the_cool_down() -> None:
    breaker = Breaker(3, 30.0)
    assert [breaker.failed(1.0), breaker.failed(2.0)] == [False, False]
    assert breaker.state(2.0) == "closed"
    assert breaker.wait_s(2.0) == 0.0
    assert breaker.failed(3.0)
    assert breaker.state(3.0) == "open"
    assert breaker.wait_s(10.0) == 23.0
    assert breaker.state(33.0) == "half_open"
    assert breaker.wait_s(40.0) == 0.0


def test_a_probe_that_works_closes_it_and_the_count_starts_anew() -> None:
    breaker = Breaker(2, 30.0)
    breaker.failed(0.0)
    breaker.failed(0.0)
    breaker.probing()
    assert breaker.state(1.0) == "half_open"
    breaker.worked()
    assert breaker.state(1.0) == "closed"
    assert not breaker.failed(2.0)
    assert breaker.failed(3.0)
    assert breaker.trips == 2


def test_a_probe_that_fails_opens_it_again_at_once() -> None:
    breaker = Breaker(5, 30.0)
    breaker.trip(0.0)
    breaker.probing()
    assert breaker.failed(31.0)
    assert breaker.state(31.0) == "open"
    assert breaker.wait_s(31.0) == 30.0
    assert not breaker.failed(32.0)  # open already: the cool-down is not drawn out
    assert breaker.wait_s(32.0) == 29.0
    assert breaker.trips == 2


def test_success_between_failures_counts_anew() -> None:
    breaker = Breaker(2, 30.0)
    for _ in range(10):
        assert not breaker.failed(0.0)
        breaker.worked()


def test_nothing_is_probed_while_it_is_closed() -> None:
    breaker = Breaker(2, 30.0)
    breaker.probing()
    assert breaker.state(0.0) == "closed"
    assert not breaker.failed(0.0)


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="trips at nothing"):
        Breaker(0, 1.0)
