from decimal import Decimal

from tapeline.trading.risk.losses import DAY_NS, Losses

D = Decimal
MAIN = ("account", "main")


def test_loss_of_the_day_and_drawdown() -> None:
    losses = Losses()
    for equity, at_ns in ((1000, 0), (1200, 1), (900, 2)):
        losses.mark(MAIN, D(equity), at_ns)
    assert losses.lost_today(MAIN) == D(100)
    assert losses.drawdown(MAIN) == (D(300), D("0.25"))
    assert (losses.equity(MAIN), losses.peak(MAIN)) == (D(900), D(1200))


def test_a_new_day_starts_from_where_the_last_one_ended() -> None:
    losses = Losses()
    losses.mark(MAIN, D(1000), DAY_NS - 2)
    losses.mark(MAIN, D(900), DAY_NS - 1)
    losses.paid(MAIN, D(3))
    assert losses.fees(MAIN) == D(3)
    losses.mark(MAIN, D(850), DAY_NS)  # lost over midnight: that is of the new day
    assert (losses.lost_today(MAIN), losses.fees(MAIN)) == (D(50), D(0))
    assert losses.drawdown(MAIN) == (D(150), D("0.15"))


def test_a_transfer_is_neither_won_nor_lost() -> None:
    losses = Losses()
    losses.mark(MAIN, D(1000), 0)
    losses.moved(MAIN, D(-400))
    losses.mark(MAIN, D(590), 1)
    assert losses.lost_today(MAIN) == D(10)
    assert losses.drawdown(MAIN)[0] == D(10)
    assert losses.peak(MAIN) == D(600)
    losses.moved(("account", "other"), D(5))
    assert losses.equity(("account", "other")) is None


def test_what_was_never_marked_has_lost_nothing() -> None:
    losses = Losses()
    losses.paid(MAIN, D(1))
    assert (losses.lost_today(MAIN), losses.drawdown(MAIN), losses.fees(MAIN)) == (D(0), (D(0), D(0)), D(0))
    assert (losses.equity(MAIN), losses.peak(MAIN)) == (None, D(0))


def test_a_restart_forgets_no_loss() -> None:
    losses = Losses()
    losses.mark(MAIN, D(1000), 0)
    losses.mark(MAIN, D(700), 1)
    again = Losses(losses.memo())
    again.mark(MAIN, D(690), 2)
    assert again.lost_today(MAIN) == D(310)
    assert losses.lost_today(MAIN) == D(300)  # a memo is a copy


def test_a_peak_at_or_under_zero_has_no_share() -> None:
    losses = Losses()
    losses.mark(("strategy", "grid"), D(0), 0)
    losses.mark(("strategy", "grid"), D(-5), 1)
    assert losses.drawdown(("strategy", "grid")) == (D(5), D(0))
