from decimal import Decimal

from tapeline.config.watch import FlattenConfig, WatchConfig, watch_faults

D = Decimal


def test_the_defaults_agree_with_each_other() -> None:
    assert list(watch_faults(WatchConfig(), FlattenConfig())) == []


def test_settings_that_contradict_each_other() -> None:
    assert list(watch_faults(WatchConfig(overload_s=9.0, overload_halt_s=8.0, watchdog_s=2.0), FlattenConfig())) == [
        "watch: overload_halt_s (8) is under overload_s (9)",
        "watch: watchdog_s (2) must be three times heartbeat_s (1) or more, or one late beat is taken for death",
    ]
    assert list(watch_faults(WatchConfig(), FlattenConfig(band=D("0.2"), band_max=D("0.1")))) == [
        "flatten: band (0.2) is over band_max (0.1)"
    ]


def test_shares_of_a_price() -> None:
    for bad in (D(0), D(1), D("NaN"), D(-1)):
        assert list(watch_faults(WatchConfig(), FlattenConfig(widen=bad))) == [
            "flatten.widen: expected a share over 0 and under 1"
        ]
