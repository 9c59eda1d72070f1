from decimal import Decimal

import msgspec
import pytest

from tapeline.config import Config
from tapeline.config.account import AccountConfig
from tapeline.config.levels import faults
from tapeline.config.risk import RiskConfig, risk_faults
from tapeline.config.walk import decode
from tapeline.model.limits import RiskLimits

D = Decimal
ACCOUNTS = {"main": AccountConfig(venue="pit")}


def test_limits_are_exact_and_named() -> None:
    config, findings = decode(
        {
            "account": {"main": {"venue": "pit"}},
            "risk": {
                "max_order_value": 1000, "price_band": 0.1, "on_breach": "halted",
                "account": {"main": {"max_gross": "12.5"}}, "instrument": {"pit:BTC/USDT": {"max_position": 0.3}},
            },
        },
        Config,
    )  # fmt: skip
    assert findings.faults == []
    assert config is not None
    assert (config.risk.max_order_value, config.risk.price_band) == (D(1000), D("0.1"))
    assert config.risk.account["main"] == RiskLimits(max_gross=D("12.5"))
    assert config.risk.instrument["pit:BTC/USDT"] == RiskLimits(max_position=D("0.3"))
    assert findings.origins["risk.max_order_value"] == "file"
    assert list(faults(config)) == []


def test_a_limit_that_is_none_is_told_with_the_nearest() -> None:
    _, findings = decode({"risk": {"strategy": {"grid": {"max_postion": 1}}}}, Config)
    assert findings.faults == ["risk.strategy.grid.max_postion: unknown key, did you mean max_position?"]


def test_what_the_default_is_stricter_in() -> None:
    given = msgspec.structs.asdict(RiskConfig())
    assert {name: given[name] for name in RiskLimits.__struct_fields__ if given[name] is not None} == {
        "price_band": D("0.05"), "refuse_self_trade": True, "max_open_orders": 200, "max_orders_per_second": 50,
        "max_data_age_s": 60.0, "require_synchronised": True, "wait_after_repair_s": 2.0, "max_clock_offset_s": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize("value", [D(-1), D("NaN"), D("Infinity")])
def test_numbers_that_limit_nothing(value: Decimal) -> None:
    risk = RiskConfig(strategy={"grid": RiskLimits(max_position=value)})
    assert list(risk_faults(risk, {})) == ["risk.strategy.grid.max_position: expected a number >= 0"]


def test_names_that_are_none() -> None:
    risk = RiskConfig(account={"mian": RiskLimits()}, instrument={"BTC/USDT": RiskLimits()})
    assert list(risk_faults(risk, ACCOUNTS)) == [
        "risk.account.mian: there is no [account.mian]",
        "risk.instrument.BTC/USDT: an instrument is written venue:SYMBOL",
    ]
    assert list(risk_faults(RiskConfig(account={"main": RiskLimits(max_position=D(0))}), ACCOUNTS)) == []
