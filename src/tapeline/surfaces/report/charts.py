"""Charts as inline SVG: candles with markers of fills, and lines over time. Numbers in, markup out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from tapeline.app.trade.candles import Candle
from tapeline.app.trade.record import Deal

WIDE, LEFT, RIGHT, FOOT = 1000, 8, 78, 22
TICKS = 5


class Frame:
    """Where a chart's numbers are on its paper."""

    def __init__(self, from_ns: int, to_ns: int, low: float, high: float, tall: int) -> None:
        if high <= low:
            low, high = low - abs(low) * 0.01 - 1e-9, high + abs(high) * 0.01 + 1e-9
        room = (high - low) * 0.05
        self._from, self._to, self.tall = from_ns, max(to_ns, from_ns + 1), tall
        self.low, self.high = low - room, high + room

    def x(self, at_ns: int) -> float:
        """Across."""
        return LEFT + (at_ns - self._from) / (self._to - self._from) * (WIDE - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Down."""
        return 6 + (self.high - value) / (self.high - self.low) * (self.tall - 6 - FOOT)

    def axes(self, unit: str = "") -> str:
        """Lines and labels of both."""
        parts = []
        for step in range(TICKS):
            value = self.low + (self.high - self.low) * (step + 0.5) / TICKS
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{WIDE - RIGHT + 5}" y="{y + 4:.1f}">{_short(value)}{unit}</text>')
            at_ns = self._from + (self._to - self._from) * step // (TICKS - 1)
            anchor = ("start", "middle", "middle", "middle", "end")[step]
            label = _when(at_ns, self._to - self._from)
            parts.append(f'<text x="{self.x(at_ns):.1f}" y="{self.tall - 6}" text-anchor="{anchor}">{label}</text>')
        return "".join(parts)


def candles(made: Sequence[Candle], length_ns: int, deals: Sequence[Deal], span: tuple[int, int]) -> str:
    """Candles, and a triangle where something was bought (up) or sold (down)."""
    if not made:
        return "<p>no price was played</p>"
    frame = Frame(*span, min(each.low for each in made), max(each.high for each in made), 360)
    wide = max(1.0, (frame.x(span[0] + length_ns) - frame.x(span[0])) * 0.7)
    parts = [frame.axes()]
    for each in made:
        middle = frame.x(each.at_ns + length_ns // 2)
        top, bottom = frame.y(max(each.open, each.close)), frame.y(min(each.open, each.close))
        kind = "up" if each.close >= each.open else "down"
        parts.append(
            f'<path class="{kind}" d="M{middle:.1f} {frame.y(each.high):.1f}V{frame.y(each.low):.1f}"/>'
            f'<rect class="{kind}" x="{middle - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" '
            f'height="{max(0.8, bottom - top):.1f}"/>'
        )
    parts += [_marker(frame, deal) for deal in deals]
    return _svg(frame.tall, "".join(parts), "candles with the fills")


def line(points: Sequence[tuple[int, float]], span: tuple[int, int], *, tall: int, name: str, unit: str = "") -> str:
    """One line over time, filled down to its lowest value, or up to zero where it is never above."""
    if not points:
        return "<p>nothing was sampled</p>"
    values = [value for _, value in points]
    frame = Frame(*span, min(values), max(values), tall)
    path = " ".join(f"{frame.x(at_ns):.1f},{frame.y(value):.1f}" for at_ns, value in points)
    edge = frame.y(0.0) if max(values) <= 0 else frame.y(frame.low)
    first, last = frame.x(points[0][0]), frame.x(points[-1][0])
    area = f'<polygon class="area {name}" points="{first:.1f},{edge:.1f} {path} {last:.1f},{edge:.1f}"/>'
    return _svg(tall, f'{frame.axes(unit)}{area}<polyline class="line {name}" points="{path}"/>', name)


def _marker(frame: Frame, deal: Deal) -> str:
    x, y = frame.x(deal.at_ns), frame.y(float(deal.price))
    up = deal.side == "buy"
    shape = f"M{x:.1f} {y:.1f}l-5 {9 if up else -9}h10z"
    about = f"{deal.side} {deal.size} at {deal.price}, {_when(deal.at_ns, 0)} {deal.note}".strip()
    return f'<path class="{"bought" if up else "sold"}" d="{shape}"><title>{escape(about)}</title></path>'


def _svg(tall: int, within: str, name: str) -> str:
    return f'<svg viewBox="0 0 {WIDE} {tall}" role="img" aria-label="{escape(name)}">{within}</svg>'


def _short(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4g}"


def _when(at_ns: int, span_ns: int) -> str:
    text = "%Y-%m-%d" if span_ns > 5 * 86_400 * 10**9 else "%m-%d %H:%M" if span_ns else "%Y-%m-%d %H:%M:%S"
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime(text)
