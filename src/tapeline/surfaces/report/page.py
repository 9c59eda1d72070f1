"""A backtest as one HTML file: figures, charts, trades, and what is not proven of its data."""

from collections.abc import Iterable
from decimal import Decimal
from html import escape

from tapeline.app.trade.backtesting import Outcome
from tapeline.app.trade.candles import Candles
from tapeline.app.trade.statistics import drawdowns
from tapeline.model.number import plain
from tapeline.model.stamp import iso
from tapeline.surfaces.report.charts import candles as candle_chart
from tapeline.surfaces.report.charts import line
from tapeline.surfaces.report.figures import figures

MOST_ROWS, MOST_MARKERS = 500, 2000
STYLE = """
:root{--ink:#1c2430;--dim:#66717f;--line:#e3e7ec;--up:#1a8f5a;--down:#c8413b;--mark:#2b62c4;--paper:#fff;--card:#f7f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#97a1ae;--line:#2c333d;--up:#3fbf86;--down:#ef6f69;
--mark:#7aa5f5;--paper:#14181e;--card:#1b2027}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1080px;margin:2em auto;
padding:0 1em}
h1{font-size:1.5em;margin-bottom:.1em}h2{font-size:1.1em;margin:1.8em 0 .5em}.dim{color:var(--dim)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(155px,1fr));gap:8px}
.cards div{background:var(--card);border-radius:6px;padding:8px 10px}.cards span{display:block;color:var(--dim);
font-size:.82em}.cards b{font-size:1.08em}
.warn{border-left:4px solid var(--down);background:var(--card);padding:8px 12px;margin:1em 0}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--dim)}.grid{stroke:var(--line)}
path.up{stroke:var(--up)}path.down{stroke:var(--down)}rect.up{fill:var(--up)}rect.down{fill:var(--down)}
.bought{fill:var(--mark)}.sold{fill:none;stroke:var(--mark);stroke-width:1.5}
.line{fill:none;stroke:var(--mark);stroke-width:1.5}.area{fill:var(--mark);opacity:.12}
.line.drawdown{stroke:var(--down)}.area.drawdown{fill:var(--down)}
table{border-collapse:collapse;width:100%;font-size:.86em}th,td{text-align:right;padding:3px 8px;
border-bottom:1px solid var(--line)}th:first-child,td:first-child,.l{text-align:left}.scroll{overflow-x:auto}
"""


def page(outcome: Outcome, made: Candles, title: str, data: str) -> str:
    """The whole file. `data` says where the events came from."""
    found = outcome.statistics
    span = (found.from_ns, found.to_ns)
    equity = [(each.at_ns, float(each.equity)) for each in outcome.record.samples]
    lost = [
        (each.at_ns, -100 * part)
        for each, part in zip(outcome.record.samples, drawdowns(outcome.record.samples), strict=True)
    ]
    cards = "".join(f"<div><span>{escape(name)}</span><b>{escape(text)}</b></div>" for name, text in figures(found))
    digest = outcome.digest or "none: nothing was commanded"
    about = (
        f"{iso(span[0])} to {iso(span[1])} &middot; {escape(data)} &middot; {outcome.events:,} events &middot; {digest}"
    )
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="dim">{about}</p>']
    parts += [*_warnings(outcome), f'<div class="cards">{cards}</div>']
    for instrument in made.instruments():
        deals = [each for each in outcome.record.deals if each.instrument == instrument]
        chart = candle_chart(made.of(instrument), made.length_ns, deals[:MOST_MARKERS], span)
        parts += [f"<h2>{escape(instrument)}</h2>", chart]
    parts += [f"<h2>Equity in {escape(found.currency)}</h2>", line(equity, span, tall=220, name="equity")]
    parts += ["<h2>Drawdown</h2>", line(lost, span, tall=140, name="drawdown", unit=" %")]
    parts += ["<h2>Trades</h2>", _trades(outcome)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _warnings(outcome: Outcome) -> Iterable[str]:
    for (instrument, channel), ranges in outcome.missing.items():
        shown = ", ".join(f"{iso(from_ns)} to {iso(to_ns)}" for from_ns, to_ns in ranges[:5])
        more = f" and {len(ranges) - 5} more" if len(ranges) > 5 else ""
        yield (
            f'<div class="warn"><b>Not proven:</b> {escape(channel)} of {escape(instrument)} may lack events in '
            f"{shown}{more}. What is missing was not played.</div>"
        )
    for name, why in outcome.paused.items():
        yield f'<div class="warn"><b>Strategy {escape(name)} was paused:</b> {escape(why)}</div>'
    for why, count in outcome.record.denied.items():
        yield f'<div class="warn">{count} orders were refused: {escape(why)}</div>'


def _trades(outcome: Outcome) -> str:
    trips = outcome.record.trips
    if not trips:
        return "<p>none</p>"
    head = "<tr><th>opened</th><th>closed</th><th class='l'>instrument</th><th>side</th><th>size</th><th>entry</th>"
    head += "<th>exit</th><th>won</th><th>fees</th></tr>"
    rows = "".join(
        f"<tr><td>{iso(each.opened_ns)}</td><td>{'open' if each.open else iso(each.closed_ns)}</td>"
        f"<td class='l'>{escape(each.instrument)}</td><td>{each.side}</td><td>{_number(each.size)}</td>"
        f"<td>{_number(each.entry_price)}</td><td>{_number(each.exit_price)}</td><td>{_number(each.won)}</td>"
        f"<td>{_number(each.fees)}</td></tr>"
        for each in trips[:MOST_ROWS]
    )
    more = "" if len(trips) <= MOST_ROWS else f"<p class='dim'>and {len(trips) - MOST_ROWS} more: see --csv</p>"
    return f"<div class='scroll'><table>{head}{rows}</table></div>{more}"


def _number(value: Decimal) -> str:
    return plain(round(value, 8))
