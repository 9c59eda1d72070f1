"""From configuration to a hand: which accounts, which address, which key."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hand_stage import StageHand, a_latch, exchange

from tapeline.config import Config, FlattenConfig, Secret, StoreConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.errors import ConfigError
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues import venue_named
from tapeline.watch.heartbeat import Heart
from tapeline.watch.minimal import accounts_of, hand_of, stop_of, with_paper

D = Decimal
AT_NS = 1_760_000_000_000_000_000
KEY, SECRET = Secret("the-key-of-main"), Secret("the-secret-of-main")
LIVE = AccountConfig(venue="binance-usdm", mode="live", key=KEY, secret=SECRET)
SPOT = AccountConfig(venue="binance", mode="live", key=KEY, secret=SECRET)


def test_which_accounts() -> None:
    both = Config(account={"main": LIVE, "spot": SPOT})
    assert list(accounts_of(both, None)) == ["main", "spot"]
    assert list(accounts_of(both, "spot")) == ["spot"]
    with pytest.raises(ConfigError, match="no account 'mian': main, spot"):
        accounts_of(both, "mian")
    with pytest.raises(ConfigError, match="there is no account in the configuration"):
        accounts_of(Config(), None)


def test_a_run_on_paper_made_accounts_of_its_own(tmp_path: Path) -> None:
    bare = Config(store=StoreConfig(path=str(tmp_path)), account={"main": LIVE})
    assert with_paper(bare) == bare, "nothing has run there"
    Heart(tmp_path, ("okx", "main"), Standing()).beat()
    found = accounts_of(with_paper(bare), None)
    assert {name: (each.venue, each.mode) for name, each in found.items()} == {
        "main": ("binance-usdm", "live"), "okx": ("okx", "paper"),
    }  # fmt: skip
    assert with_paper(Config()) == Config()


class Standing:
    """A clock that stands."""

    def now(self) -> float:
        return 1.0

    def wall_ns(self) -> int:
        return AT_NS


def test_addresses_of_a_hand(tmp_path: Path) -> None:
    async def main() -> None:
        asked: list[str] = []

        async def fetch(base: str, _request: object) -> object:
            asked.append(base)
            raise OSError("nobody")

        for account, onto in (
            (LIVE, None),
            (msgspec.structs.replace(LIVE, testnet=True), None),
            (LIVE, "http://here:1"),
        ):
            of = Config(account={"main": account}, venue={"binance-usdm": VenueConfig(rest_url=onto)})
            hand = hand_of(
                "main", of, fetch=fetch, clock=VirtualClock(AT_NS), environ={"XDG_STATE_HOME": str(tmp_path)},  # type: ignore[arg-type]  # it answers nothing
                chance=lambda: 0.5,
            )  # fmt: skip
            with pytest.raises(OSError, match="nobody"):
                await hand.open_orders()
        assert asked == ["https://fapi.binance.com", "https://demo-fapi.binance.com", "http://here:1"]

    run(main())
    with pytest.raises(ConfigError, match="venue"):
        hand_of(
            "main", Config(account={"main": AccountConfig(venue="nowhere", mode="live")}), fetch=None,  # type: ignore[arg-type]  # never used
            clock=VirtualClock(AT_NS), environ={}, chance=lambda: 0.5,
        )  # fmt: skip


def test_a_stop_is_as_the_configuration_has_it() -> None:
    of = Config(flatten=FlattenConfig(band=D("0.01"), widen=D("0.02"), band_max=D("0.03"), slices=7, wait_s=1.0))
    hand = StageHand(exchange())
    stop = stop_of(
        hand, a_latch(), of, clock=hand.clock, who="ann", why="w", flatten=True, note=lambda _kind, _text: None
    )
    assert (stop.steps.band, stop.steps.widen, stop.steps.band_max, stop.steps.slices) == (
        D("0.01"), D("0.02"), D("0.03"), 7
    )  # fmt: skip
    assert (stop.wait_s, stop.give_up_s, stop.flatten) == (1.0, 300.0, True)


def test_a_venue_without_orders_has_no_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tapeline.watch.minimal.venue_named", lambda name: replace(venue_named(name), orders=None))
    with pytest.raises(ConfigError, match="takes no orders here"):
        hand_of(
            "main", Config(account={"main": LIVE}), fetch=None, clock=VirtualClock(AT_NS),  # type: ignore[arg-type]  # never used
            environ={"XDG_STATE_HOME": str(tmp_path)}, chance=lambda: 0.5,
        )  # fmt: skip
