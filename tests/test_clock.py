import datetime as dt

from tapeline.clock import Clock, SystemClock


def test_the_machines_clocks() -> None:
    clock: Clock = SystemClock()
    wall = [clock.wall_ns() for _ in range(3)]
    assert wall == sorted(wall)
    assert isinstance(wall[0], int)
    assert wall[0] > dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp() * 1e9
    now = [clock.now() for _ in range(3)]
    assert now == sorted(now)
    assert isinstance(now[0], float)
