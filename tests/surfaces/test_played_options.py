"""What is played where: a store or tapes, and how far they reach where no time is given."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.model.stamp import instant, iso
from tapeline.surfaces.played_options import PlayedOptions
from trade_fixtures import START_NS, stored

BTC = "binance:BTC/USDT"
TRADES = {BTC: ("trades",)}


def test_a_store_is_played_as_far_as_it_reaches_or_as_was_asked(tmp_path: Path) -> None:
    store = stored(tmp_path / "store", 60)
    with ExitStack() as stack:
        whole = PlayedOptions(store=store).opened(stack, TRADES)
        assert (whole.span[0], whole.name, whole.missing) == (START_NS, f"store {store}", {})
        assert list(whole.instruments) == [BTC]
        assert len(list(whole.events)) == 60
        part = PlayedOptions(store=store, from_=iso(START_NS), to=iso(START_NS + 10 * 10**9)).opened(stack, TRADES)
        assert part.span == (START_NS, START_NS + 10 * 10**9)
        assert len(list(part.events)) == 10
        bars = PlayedOptions(store=store).opened(
            stack, {BTC: ("bars:1m@trades",)}
        )  # built from trades: they say how far
        assert bars.span == whole.span


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    store = stored(tmp_path / "store", 600, hole=True)
    with ExitStack() as stack:
        found = PlayedOptions(store=store).opened(stack, TRADES)
    assert found.missing == {(BTC, "trades"): [(START_NS + 300 * 10**9, START_NS + 360 * 10**9)]}


def test_a_tape_is_played_as_far_as_it_reaches_and_an_unlisted_instrument_is_warned_of(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = shared / "captures" / "binance_spot_hft_btcusdt_20240808.ws.jsonl.gz"
    with ExitStack() as stack:
        whole = PlayedOptions(tape=(tape,)).opened(stack, TRADES)
        times = [at_ns for at_ns, _ in whole.events]
        assert whole.name == f"tape {tape.name}"
        assert whole.span == (times[0], times[-1] + 1)
        assert "no recorded list names binance:BTC/USDT" in capsys.readouterr().err
        part = PlayedOptions(tape=(tape,), to="2024-08-08T23:56:00Z").opened(stack, TRADES)
        assert part.span == (times[0], instant("2024-08-08T23:56:00Z"))
        assert 0 < len(list(part.events)) < len(times)


def test_what_cannot_be_played_is_said(tmp_path: Path, shared: Path) -> None:
    store = stored(tmp_path / "store", 10)
    reach = f"{iso(START_NS)} to {iso(START_NS + 9 * 10**9 + 1)}"
    tape = shared / "captures" / "binance_spot_hft_btcusdt_20240808.ws.jsonl.gz"
    cases = [
        (PlayedOptions(), TRADES, "either --store PATH or --tape FILE"),
        (PlayedOptions(store=store, tape=(tape,)), TRADES, "either --store PATH or --tape FILE"),
        (PlayedOptions(store=store, from_="2024-08-09", to="2024-08-08"), TRADES, "--to is not after --from"),
        (PlayedOptions(store=store, from_="2099-01-01"), TRADES, f"nothing to play: .* {BTC} from {reach}"),
        (PlayedOptions(store=store, to="2001-01-01"), TRADES, f"nothing to play: .* {BTC} from {reach}"),
        (PlayedOptions(store=store), {"binance:XRP/USDT": ("trades",)}, "the store holds nothing of binance:XRP/USDT"),
        (PlayedOptions(tape=(tape,)), {BTC: ("trades",), "okx:BTC/USDT": ("trades",)}, "tapes are of one venue"),
        (PlayedOptions(tape=(tape,)), {"binance:XRP/USDT": ("trades",)}, "the tape has no event of binance:XRP/USDT"),
    ]
    for options, feeds, said in cases:
        with ExitStack() as stack, pytest.raises(ConfigError, match=said):
            options.opened(stack, feeds)
