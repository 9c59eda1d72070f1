from tapeline.market.resync import Resync


def test_a_book_asks_at_once_then_once_in_five_seconds_then_seldomer() -> None:
    resync, asks, now = Resync(cap_s=30), list[float](), 100.0
    while now < 220:
        if resync.allowed("BTC", now):
            resync.asked("BTC", now)
            asks.append(now)
        now += 1
    assert asks == [100, 105, 115, 135, 165, 195]
    assert resync.attempts("BTC") == 6
    assert resync.next_at(["BTC"], 200.0) == 225


def test_what_helped_starts_anew_but_never_twice_in_five_seconds() -> None:
    resync = Resync()
    for at in (0.0, 5.0, 15.0):
        assert resync.allowed("BTC", at)
        resync.asked("BTC", at)
    resync.done("BTC")
    assert resync.attempts("BTC") == 0
    assert not resync.allowed("BTC", 19.9)
    assert resync.allowed("BTC", 20)


def test_one_book_does_not_hold_up_another_until_there_are_too_many() -> None:
    resync = Resync(per_window=3, window_s=10)
    for n in range(3):
        assert resync.allowed(f"S{n}", n)
        resync.asked(f"S{n}", n)
    assert not resync.allowed("S9", 3)
    assert resync.next_at(["S9"], 3) == 10
    assert resync.next_at(["S0", "S9"], 11) == 11
    assert resync.allowed("S9", 10)
    resync.asked("S9", 10)
    assert not resync.allowed("S0", 10.5)
    assert resync.allowed("S0", 11)


def test_nobody_waits_for_nothing_and_the_forgotten_are_new() -> None:
    resync = Resync()
    assert resync.next_at([], 5) == float("inf")
    assert resync.next_at(["BTC"], 5) == 5
    for n in range(5000):
        resync.asked("BTC", n)
    assert resync.next_at(["BTC"], 4999) == 4999 + 120
    resync.forget("BTC")
    assert resync.attempts("BTC") == 0
    assert resync.allowed("BTC", 5010)
