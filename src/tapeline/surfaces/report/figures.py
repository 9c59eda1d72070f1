"""The figures of a run as a person reads them: name and text, for the terminal and the report alike."""

from collections.abc import Iterator
from decimal import Decimal

from tapeline.app.trade.statistics import Statistics


def figures(found: Statistics) -> Iterator[tuple[str, str]]:
    """(name, text) of every figure, most wanted first."""
    money = found.currency
    yield "return", _percent(found.total_return)
    yield "won", f"{_money(found.won)} {money}"
    yield "equity at the end", f"{_money(found.equity_end)} {money}"
    yield "CAGR", _percent(found.cagr)
    yield "Sharpe", _ratio(found.sharpe)
    yield "Sortino", _ratio(found.sortino)
    yield "Calmar", _ratio(found.calmar)
    yield "volatility a year", _percent(found.volatility)
    yield "max drawdown", f"{_percent(found.max_drawdown)} ({_money(found.max_drawdown_value)})"
    yield "longest drawdown", _span(found.max_drawdown_s)
    yield "exposure", _percent(found.exposure)
    yield "trades", f"{found.trades}" + (f" and {found.open_trades} open" if found.open_trades else "")
    yield "win rate", _percent(found.win_rate)
    yield "profit factor", _ratio(found.profit_factor)
    yield "mean trade", "-" if found.expectancy is None else f"{_money(found.expectancy)} {money}"
    yield (
        "best and worst",
        "-" if found.best is None or found.worst is None else f"{_money(found.best)}, {_money(found.worst)}",
    )
    yield "mean holding", "-" if found.mean_trade_s is None else _span(found.mean_trade_s)
    yield "orders", f"{found.orders}" + (f", {found.denied} refused" if found.denied else "")
    yield "fills", f"{found.fills}" + ("" if found.maker_share is None else f", {found.maker_share:.0%} maker")
    yield "turnover", "-" if found.turnover is None else f"{found.turnover:.2f} times"
    yield "fees", f"{_money(found.fees)} {money}"
    yield "slippage", f"{_money(found.slippage)} {money}"
    if found.payments:
        yield "funding and the like", f"{_money(found.payments)} {money}"


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{round(100 * value, 2) + 0.0:.2f} %"  # and no minus before a zero


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(seconds: float) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.1f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
