"""Rates, worth and equity, where prices are known and where they are not."""

from decimal import Decimal

from msgspec.structs import replace

from engine_fixtures import BTC, PERP, Bench

D = Decimal
EUR = replace(BTC, symbol="EUR/USDT", native="EURUSDT", base="EUR")


def test_a_rate_is_a_price_or_its_inverse_or_nothing() -> None:
    bench = Bench(instruments=(BTC, EUR))
    s = bench.engine.situation
    assert (s.rate("sim", "USDT", "USDT"), s.rate("sim", "EUR", "USDT")) == (D(1), None)
    bench.price("1.25", EUR)
    assert (s.rate("sim", "EUR", "USDT"), s.rate("sim", "USDT", "EUR")) == (D("1.25"), D("0.8"))
    bench.price("50000")
    assert s.rates_into("main", "USDT") == {"USDT": D(1), "EUR": D("1.25"), "BTC": D(50000)}
    assert s.rate("elsewhere", "BTC", "USDT") is None


def test_worth_is_in_the_currency_of_all_accounts_with_its_sign() -> None:
    bench = Bench(currency="EUR", instruments=(BTC, EUR, PERP))
    s = bench.engine.situation
    assert s.worth(BTC.id, D(1)) is None
    bench.price("100")
    assert s.worth(BTC.id, D(1)) is None, "no rate"
    bench.price("1.25", EUR)
    assert s.worth(BTC.id, D(-2)) == D(-160)
    assert s.worth("sim:XRP/USDT", D(1)) is None


def test_equity_counts_what_has_a_rate() -> None:
    bench = Bench(instruments=(BTC, EUR))
    bench.hold("2", "100")
    s = bench.engine.situation
    assert s.equity("main") == 0
    bench.price("150")
    assert s.equity("main") == D(100)
    bench.price("2", EUR)
    assert s.equity("main", "EUR") == D(-100), "what has no price in euro counts nothing: of bitcoin there is none"


def test_who_looks_from_outside_changes_nothing_that_is_decided_later() -> None:
    bench = Bench(instruments=(BTC, EUR))
    bench.hold("2", "100")
    s = bench.engine.situation
    before = s.ledger.marks()
    bench.price("150")
    assert s.equity_seen("main") == D(100)
    assert s.ledger.marks() == before
    s.equity("main")
    assert s.ledger.marks() == {**before, BTC.id: D(150)}


def test_an_account_runs_until_it_is_told_otherwise() -> None:
    s = Bench().engine.situation
    assert (s.halt("main"), s.halt("nobody")) == ("running", "running")
    s.note("kind", "main", "text")
    assert s.out[-1].kind == "kind"  # type: ignore[union-attr]  # a Note
