"""Who listens to what: names, speeds, leaving."""

from tapeline.model.topic import Topic
from tapeline.sim.client import Client, Clients
from tapeline.sim.limits import Meter
from tapeline.sim.pipe import memory_pipe

FAST, SLOW, TRADES = Topic("book", "A"), Topic("book@1000ms", "A"), Topic("trades", "A")


def client() -> Client:
    return Client(memory_pipe()[1], "public", 0.0, Meter(1, 1), Meter(1, 1))


def test_listening_and_leaving() -> None:
    clients, one, two = Clients(), client(), client()
    clients.add(one)
    clients.add(two)
    for _ in range(2):
        clients.subscribe(one, FAST, FAST)
    clients.subscribe(one, SLOW, FAST)
    clients.subscribe(two, SLOW, FAST)
    clients.subscribe(two, TRADES, None)
    assert clients.listening == {FAST: [(one, None), (one, SLOW), (two, SLOW)]}
    assert clients.wants() == {FAST: 1, SLOW: 2, TRADES: 1}
    clients.unsubscribe(one, [SLOW, TRADES])
    assert clients.listening == {FAST: [(one, None), (two, SLOW)]}
    clients.remove(two)
    clients.remove(two)
    assert clients.listening == {FAST: [(one, None)]}
    clients.unsubscribe(one, [FAST])
    assert clients.listening == {}
    assert clients.wants() == {}


def test_whom_a_fault_strikes() -> None:
    clients, one, two = Clients(), client(), client()
    assert clients.chosen("1") == []
    clients.add(one)
    clients.add(two)
    clients.subscribe(one, SLOW, FAST)
    clients.subscribe(two, TRADES, None)
    for whose, chosen in {
        "": [one, two], "all": [one, two], "1": [one], "2": [two], "3": [one], "book": [one], "book@1000ms": [one],
        "trades": [two], "quotes": [],
    }.items():  # fmt: skip
        assert clients.chosen(whose) == chosen, whose
