"""What people expect to be told of a run: return, CAGR, Sharpe, Sortino, drawdown, win rate and so on. Pure.

Money stays exact; ratios are floats. Sharpe and Sortino are of the returns of whole UTC days, a year being 365, and of
the samples themselves where there are fewer than five days; the free rate is zero. What is said of a year is said of
runs of a day or longer only.
"""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from tapeline.app.trade.record import Deal, Record, Sample
from tapeline.model.number import EXACT, ROUNDING, ZERO

DAY_NS = 86_400_000_000_000
YEAR_NS = 365 * DAY_NS
FEW_DAYS = 5


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Shares are fractions (0.1 is 10 %), durations seconds; None where there is nothing to say it of.

    Money is in `currency`, at the rates of its time; what had none then counts nothing, as in an account's worth.
    """

    from_ns: int
    to_ns: int
    currency: str
    equity_start: Decimal
    equity_end: Decimal
    won: Decimal
    total_return: float | None
    cagr: float | None  # return a year, compounded
    volatility: float | None  # of returns, a year
    sharpe: float | None
    sortino: float | None
    calmar: float | None  # CAGR over the deepest drawdown
    max_drawdown: float
    max_drawdown_value: Decimal
    max_drawdown_s: float  # the longest time from a peak until it was reached again, or the end
    exposure: float  # share of the time in which something was held
    trades: int
    open_trades: int
    win_rate: float | None
    profit_factor: float | None  # what winners won over what losers lost; None where nobody lost
    expectancy: Decimal | None  # what a trade wins in the mean
    best: Decimal | None
    worst: Decimal | None
    mean_trade_s: float | None
    orders: int
    fills: int
    maker_share: float | None
    traded: Decimal  # value of all fills
    turnover: float | None  # the same, in mean equities
    fees: Decimal
    slippage: Decimal  # what takers paid beyond the price at which their orders were sent
    payments: Decimal
    denied: int


def statistics(record: Record, currency: str, from_ns: int, to_ns: int) -> Statistics:
    """The statistics of a finished run."""
    samples = record.samples or [Sample(from_ns, ZERO, exposed=False)]
    start, end = samples[0].equity, samples[-1].equity
    total = _ratio(EXACT.subtract(end, start), start)
    returns, year = _returns(samples) if to_ns - from_ns >= DAY_NS else ([], 0.0)
    depth, depth_value, longest_s = drawdown(samples)
    cagr = _yearly(total, to_ns - from_ns)
    closed = [each for each in record.trips if not each.open]
    won = [_in(each.won, each.rate) for each in closed]
    mean_equity = _mean([float(each.equity) for each in samples])
    traded = _sum(_in(deal.value, deal.rate) for deal in record.deals)
    return Statistics(
        from_ns=from_ns, to_ns=to_ns, currency=currency, equity_start=start, equity_end=end,
        won=EXACT.subtract(end, start), total_return=total, cagr=cagr,
        volatility=_scaled(_deviation(returns), year), sharpe=_per(returns, _deviation(returns), year),
        sortino=_per(returns, _downside(returns), year),
        calmar=None if cagr is None or not depth else cagr / depth,
        max_drawdown=depth, max_drawdown_value=depth_value, max_drawdown_s=longest_s,
        exposure=_exposure(samples), trades=len(won), open_trades=len(record.trips) - len(won),
        win_rate=_part(sum(each.won > ZERO for each in closed), len(won)), profit_factor=_factor(won),
        expectancy=_mean_of(won), best=max(won, default=None), worst=min(won, default=None),
        mean_trade_s=_mean([(each.closed_ns - each.opened_ns) / 1e9 for each in record.trips if not each.open]),
        orders=record.orders, fills=len(record.deals),
        maker_share=_part(sum(deal.liquidity == "maker" for deal in record.deals), len(record.deals)),
        traded=traded, turnover=float(traded) / mean_equity if mean_equity else None,
        fees=_fees(record.deals), slippage=_sum(_in(deal.slippage, deal.rate) for deal in record.deals),
        payments=_sum(each.amount for each in record.payments), denied=sum(record.denied.values()),
    )  # fmt: skip


def drawdown(samples: Sequence[Sample]) -> tuple[float, Decimal, float]:
    """(the deepest as a share of the peak before it, the same as a value, the longest in seconds)."""
    peak, peak_ns = samples[0].equity, samples[0].at_ns
    share, value, longest_ns, below = 0.0, ZERO, 0, False
    for each in samples:
        if below:
            longest_ns = max(longest_ns, each.at_ns - peak_ns)
        below = each.equity < peak
        if not below:
            peak, peak_ns = each.equity, each.at_ns
            continue
        lost = EXACT.subtract(peak, each.equity)
        value = max(value, lost)
        if peak > ZERO:
            share = max(share, float(ROUNDING.divide(lost, peak)))
        longest_ns = max(longest_ns, each.at_ns - peak_ns)
    return share, value, longest_ns / 1e9


def drawdowns(samples: Sequence[Sample]) -> list[float]:
    """The share of the peak that is lost, at every sample."""
    found, peak = [], ZERO
    for each in samples:
        peak = max(peak, each.equity)
        found.append(float(ROUNDING.divide(EXACT.subtract(peak, each.equity), peak)) if peak > ZERO else 0.0)
    return found


def _returns(samples: Sequence[Sample]) -> tuple[list[float], float]:
    """Returns of whole days, else of samples; and how many of them make a year."""
    days: dict[int, Sample] = {each.at_ns // DAY_NS: each for each in samples}  # the last of each
    if len(days) > FEW_DAYS:
        ends = [samples[0], *days.values()]
        return _steps(ends), 365.0
    span_ns = samples[-1].at_ns - samples[0].at_ns
    if len(samples) < 3 or span_ns <= 0:
        return [], 0.0
    return _steps(samples), YEAR_NS / (span_ns / (len(samples) - 1))


def _steps(samples: Sequence[Sample]) -> list[float]:
    return [
        float(ROUNDING.divide(after.equity, before.equity)) - 1.0
        for before, after in pairwise(samples)
        if before.equity > ZERO
    ]


def _per(returns: Sequence[float], deviation: float | None, year: float) -> float | None:
    mean = _mean(returns)
    return None if mean is None or not deviation else mean / deviation * math.sqrt(year)


def _scaled(deviation: float | None, year: float) -> float | None:
    return None if deviation is None else deviation * math.sqrt(year)


def _deviation(returns: Sequence[float]) -> float | None:
    if len(returns) < 2:
        return None
    mean = sum(returns) / len(returns)
    return math.sqrt(sum((each - mean) ** 2 for each in returns) / (len(returns) - 1))


def _downside(returns: Sequence[float]) -> float | None:
    """How far returns fall under zero: the root of the mean square of the losses, over all returns."""
    return math.sqrt(sum(min(0.0, each) ** 2 for each in returns) / len(returns)) if returns else None


def _yearly(total: float | None, span_ns: int) -> float | None:
    if total is None or span_ns < DAY_NS or total <= -1:
        return None
    try:
        return math.expm1(math.log1p(total) * (YEAR_NS / span_ns))
    except OverflowError:
        return None  # a good hour, compounded for a year


def _exposure(samples: Sequence[Sample]) -> float:
    span_ns = samples[-1].at_ns - samples[0].at_ns
    held_ns = sum(after.at_ns - before.at_ns for before, after in pairwise(samples) if before.exposed)
    return held_ns / span_ns if span_ns else 0.0


def _factor(won: Sequence[Decimal]) -> float | None:
    gain, loss = _sum(each for each in won if each > ZERO), _sum(each for each in won if each < ZERO)
    return float(ROUNDING.divide(gain, loss.copy_negate())) if loss else None


def _fees(deals: Sequence[Deal]) -> Decimal:
    """Those that are said in quote currency; else nothing has said what one of its currency is worth."""
    return _sum(_in(deal.fee, deal.rate) for deal in deals if deal.fee_currency == _quote_of(deal.instrument))


def _quote_of(instrument: str) -> str:
    return instrument.partition("/")[2].partition(":")[0]


def _in(value: Decimal, rate: Decimal | None) -> Decimal:
    return ZERO if rate is None else EXACT.multiply(value, rate)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_of(values: Sequence[Decimal]) -> Decimal | None:
    return (
        ROUNDING.divide(_sum(values), Decimal(len(values))).quantize(Decimal("1e-8"), context=ROUNDING)
        if values
        else None
    )


def _part(count: int, of: int) -> float | None:
    return count / of if of else None


def _ratio(part: Decimal, of: Decimal) -> float | None:
    return float(ROUNDING.divide(part, of)) if of > ZERO else None


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for each in values:
        total = EXACT.add(total, each)
    return total
