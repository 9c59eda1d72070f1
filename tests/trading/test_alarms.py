from tapeline.trading.alarms import NEVER, SLACK, Alarms


def rung(alarms: Alarms, now_ns: int) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    while (alarm := alarms.next(now_ns)) is not None:
        found.append((alarm.at_ns, alarm.call))
    return found


def test_they_ring_in_the_order_of_their_times_then_of_their_setting() -> None:
    alarms = Alarms()
    alarms.set(20, "a", "later")
    alarms.set(10, "a", "first")
    alarms.set(10, "a", "second")
    assert alarms.due_ns == 10
    assert rung(alarms, 9) == []
    assert rung(alarms, 20) == [(10, "first"), (10, "second"), (20, "later")]
    assert alarms.due_ns == NEVER


def test_one_that_repeats_skips_the_times_that_have_passed() -> None:
    alarms = Alarms()
    alarms.set(10, "a", "beat", 10)
    assert len(rung(alarms, 10)) == 1
    assert alarms.due_ns == 20
    assert len(rung(alarms, 55)) == 1, "one ring for all that were missed"
    assert alarms.due_ns == 60


def test_forgotten_ones_do_not_ring() -> None:
    alarms = Alarms()
    first, _ = alarms.set(10, "a", "x"), alarms.set(11, "b", "y")
    alarms.forget(first)
    assert alarms.due_ns == 11
    alarms.forget(first)
    alarms.set(12, "b", "z")
    alarms.put_aside("b")
    assert (alarms.due_ns, rung(alarms, 100)) == (NEVER, [])


def test_those_of_an_owner_that_is_not_called_go_on_where_they_would_be() -> None:
    alarms = Alarms()
    once, later, beat = alarms.set(10, "a", "once"), alarms.set(90, "a", "later"), alarms.set(15, "a", "beat", 10)
    other = alarms.set(20, "b", "other")
    alarms.put_aside("a")
    assert rung(alarms, 42) == [(20, "other")]
    alarms.take_up("b", 42)
    alarms.take_up("a", 42)
    alarms.take_up("a", 42)
    assert rung(alarms, 42) == [(10, "once")], "it was to ring meanwhile"
    assert rung(alarms, 90) == [(15, "beat"), (90, "later")]
    assert alarms.due_ns == 95, "and every ten from where it began"
    assert len({once, later, beat, other}) == 4


def test_timers_that_are_ended_long_before_their_time_leave_nothing() -> None:
    alarms = Alarms()
    kept = [alarms.set(10 + at, "a", f"kept {at}") for at in range(3)]
    for at in range(10_000):
        alarms.forget(alarms.set(1_000 + at, "a", "never"))
    assert len(alarms._heap) <= 2 * len(kept) + SLACK  # what is left behind is what this is about
    assert rung(alarms, 2_000) == [(10, "kept 0"), (11, "kept 1"), (12, "kept 2")]
