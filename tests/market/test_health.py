from typing import Any

from tapeline.market.health import CLEAR_S, MIB, NEVER_S, WARM_S, Health, Limits, Pulse, Readings
from tapeline.model.event import Alert

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"


class Ward:
    """A second is a look."""

    def __init__(self, **limits: Any) -> None:
        self.health = Health(Limits(**limits))
        self.now = 0.0

    def after(self, seconds: float, **readings: Any) -> list[Alert]:
        """Time passes, a look each second; what was said meanwhile."""
        said: list[Alert] = []
        for _ in range(int(seconds)):
            self.now += 1.0
            said += self.health.look(Readings(**readings), self.now, int(self.now * 1e9))
        return said


def told(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.kind, alert.state, alert.subject) for alert in alerts]


def pulse(age_s: float, pause_s: float | None = 0.1, channel: str = "trades") -> Pulse:
    return Pulse(channel, age_s, pause_s)


def test_data_that_is_older_than_a_minute_and_an_instrument_at_a_time() -> None:
    ward = Ward()
    assert ward.after(1, pulses={BTC: [pulse(60.0)], ETH: [pulse(1.0)]}) == []
    (alert,) = ward.after(1, pulses={BTC: [pulse(61.0), pulse(75.0, channel="quotes")], ETH: [pulse(2.0)]})
    assert alert == Alert(
        BTC, "alert", None, 2_000_000_000, "built", "stale", "raised", BTC, 75.0, 60.0,
        "nothing of trades, quotes for 75 s",
    )  # fmt: skip
    assert ward.after(5, pulses={BTC: [pulse(80.0)]}) == [], "it is said once"
    assert ward.health.active == [alert]
    assert told(ward.after(CLEAR_S, pulses={BTC: [pulse(0.1)]})) == [("stale", "cleared", BTC)]
    assert ward.health.active == []


def test_a_quiet_series_has_its_own_pace_and_one_that_never_spoke_ten_minutes() -> None:
    ward = Ward()
    assert ward.after(1, pulses={BTC: [pulse(300.0, 20.0)], ETH: [pulse(NEVER_S, None)]}) == []
    said = ward.after(1, pulses={BTC: [pulse(401.0, 20.0)], ETH: [pulse(NEVER_S + 1, None)]})
    assert [(alert.subject, alert.limit) for alert in said] == [(BTC, 400.0), (ETH, NEVER_S)]
    assert ward.after(1, pulses={"x:Y": []}) == []


def test_one_that_wavers_about_its_limit_rings_once() -> None:
    ward = Ward(behind_s=10.0)
    assert told(ward.after(1, behind_s=11.0)) == [("store_behind", "raised", "store")]
    for _ in range(20):
        assert ward.after(3, behind_s=8.5) == []
        assert ward.after(3, behind_s=12.0) == []
    assert ward.after(CLEAR_S - 1, behind_s=7.0) == []
    (alert,) = ward.after(1, behind_s=7.0)
    assert (alert.state, alert.value, alert.text) == ("cleared", 7.0, "the store is 11.0 s behind"), (
        "what it was raised for"
    )
    assert told(ward.after(1, behind_s=11.0)) == [("store_behind", "raised", "store")], "and again, the second time"


def test_what_is_on_or_off() -> None:
    ward = Ward()
    said = ward.after(3, fallbacks={BTC: "silent for 60 s"}, breakers=["binance/public/1"])
    assert told(said) == [("fallback", "raised", BTC), ("breaker_open", "raised", "binance/public/1")]
    assert (said[0].instrument, said[1].instrument) == (BTC, None)
    assert said[0].text == "polled instead of streamed: silent for 60 s"
    assert ward.after(CLEAR_S - 1) == []
    assert told(ward.after(1)) == [("fallback", "cleared", BTC), ("breaker_open", "cleared", "binance/public/1")]


def test_a_count_that_grows_stays_raised_for_a_while_after_the_last() -> None:
    ward = Ward(hold_s=300.0)
    assert ward.after(10, mismatches=4, unrecoverable=7) == [], "what was before is not news"
    said = ward.after(1, mismatches=5, unrecoverable=9)
    assert [(alert.kind, alert.value) for alert in said] == [("gap_unrecoverable", 2.0), ("mismatch", 1.0)]
    assert ward.after(295, mismatches=5, unrecoverable=9) == []
    assert told(ward.after(30, mismatches=5, unrecoverable=9)) == [
        ("gap_unrecoverable", "cleared", "holes"), ("mismatch", "cleared", "audit"),
    ]  # fmt: skip


def test_errors_by_the_minute() -> None:
    ward = Ward(errors_per_minute=60.0)
    errors = 0
    for _ in range(300):
        errors += 1
        assert ward.after(1, errors=errors) == [], "sixty a minute are no more than sixty"
    said = []
    for _ in range(60):
        errors += 2
        said += ward.after(1, errors=errors)
    assert told(said) == [("error_rate", "raised", "problems")]
    assert told(ward.after(120, errors=errors)) == [("error_rate", "cleared", "problems")]


def test_memory_that_grows_within_an_hour_and_not_in_the_first_minutes() -> None:
    ward = Ward(memory_mb_per_hour=100.0)
    assert ward.after(WARM_S, memory_bytes=50 * MIB) == []
    assert ward.after(10, memory_bytes=400 * MIB) == [], "the first ten minutes do not count"
    assert ward.after(3000, memory_bytes=480 * MIB) == []
    (alert,) = ward.after(1, memory_bytes=501 * MIB)
    assert (alert.kind, alert.value, alert.text) == ("memory_growth", 101.0, "101 MiB more within an hour")
    said = ward.after(3700, memory_bytes=501 * MIB)
    assert told(said) == [("memory_growth", "cleared", "process")], "it has not grown since"
    assert ward.after(10, memory_bytes=None) == []


def test_growth_that_is_slow_is_measured_by_the_hour() -> None:
    ward = Ward(memory_mb_per_hour=100.0)
    said: list[Alert] = []
    for minute in range(600):
        said += ward.after(60, memory_bytes=(100 + minute) * MIB)
    assert said == [], "sixty an hour"
