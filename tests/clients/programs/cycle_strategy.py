"""A strategy that buys, rests, cancels and asks for too much, once each, and writes down what it is told."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapeline import Strategy


class Cycle(Strategy):
    channels = ("trades", "quotes")
    report = ""
    size = "0.01"
    too_much = "100"

    def say(self, what: str, **more: Any) -> None:
        with Path(self.report).open("a") as file:
            file.write(json.dumps({"what": what, **{name: str(value) for name, value in more.items()}}) + "\n")

    def on_start(self) -> None:
        self.step = "wait"
        self.say("start", position=self.position(self.instruments[0]))

    def on_trade(self, trade: Any) -> None:
        if self.step == "wait":
            self.step = "buying"
            self.say("trade", source=trade.source)
            self.buy(trade.instrument, Decimal(self.size))

    def on_quote(self, quote: Any) -> None:
        if self.step == "bought" and quote.bid:
            self.step = "resting"
            self.say("quote", source=quote.source)
            self.buy(quote.instrument, Decimal(self.size), price=quote.bid * 97 // 100)

    def on_fill(self, fill: Any) -> None:
        self.say(
            "fill", size=fill.size, fee=fill.fee, ours=bool(fill.client_id), position=self.position(fill.instrument)
        )

    def on_order(self, order: Any) -> None:
        self.say("order", step=self.step, state=order.state, reason=order.reason)
        if order.state == "filled" and self.step == "buying":
            self.step = "bought"
        elif order.state == "open" and self.step == "resting":
            self.step = "cancelling"
            self.cancel(order.client_id)
        elif order.state == "cancelled" and self.step == "cancelling":
            self.step = "greedy"
            self.buy(order.intent.instrument, Decimal(self.too_much), price=order.price)
        elif order.state in {"rejected", "withdrawn", "never_arrived"} and self.step == "greedy":
            self.step = "left"
            self.buy(order.intent.instrument, Decimal(self.size), price=order.price)

    def on_stop(self) -> None:
        self.say("stop", step=self.step, position=self.position(self.instruments[0]))
