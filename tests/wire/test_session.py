import json
from dataclasses import replace
from typing import Any

import pytest
from wire_fakes import INSTRUMENTS, START_NS, TA, TB, TOY, frame, limited, trade, trade_frame

from tapeline.model.event import Event
from tapeline.model.topic import Topic
from tapeline.venues.spec import Heartbeat, Venue
from tapeline.wire.session import Redial, Session, Timing
from tapeline.wire.wants import Outcome

PINGED = replace(TOY, heartbeat=Heartbeat(every_s=20.0, silence_s=60.0, ping=b'"ping"'))


class Trouble:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __call__(self, kind: str, text: str, _frame: bytes) -> None:
        self.told.append((kind, text))


def opened(*topics: Topic, venue: Venue = TOY, trouble: Trouble | None = None, **timing: Any) -> Session:
    return Session(venue, INSTRUMENTS, topics or [TA], timing=Timing(**timing), now=0.0, problem=trouble or Trouble())


def received(session: Session, raw: bytes, now: float, received_ns: int) -> list[Event]:
    events: list[Event] = []
    session.received([raw], now, received_ns, events)
    return events


def news(session: Session) -> bool:
    return session.dirty


def sent(session: Session, now: float) -> list[Any]:
    return [json.loads(each) for each in session.outgoing(now)]


def live(**timing: Any) -> Session:
    session = opened(**timing)
    session.outgoing(0.0)
    received(session, frame(t="ack", id=1), 0.0, START_NS)
    received(session, trade_frame("A", 1), 0.0, START_NS)
    session.outcomes()
    session.outgoing(0.0)
    return session


def test_from_wanted_to_live() -> None:
    session = opened(TA, TB)
    assert news(session)
    assert sent(session, 0.0) == [{"op": "on", "id": 1, "topics": [["trades", "A"], ["trades", "B"]]}]
    assert not news(session)
    assert received(session, frame(t="ack", id=1), 0.1, START_NS) == []
    assert news(session)  # something has been settled: whoever waits for it should hear
    assert sent(session, 0.1) == []
    both = [json.loads(trade_frame("A", 1)), json.loads(trade_frame("B", 7))]
    assert received(session, json.dumps(both).encode(), 0.2, START_NS + 5) == [
        trade(1, received_ns=START_NS + 5), trade(7, received_ns=START_NS + 5, name="toy:B/X"),
    ]  # fmt: skip
    assert news(session)  # first data is news too, or a hand-over would wait for the next timer
    assert session.outcomes() == [Outcome(TA, "live"), Outcome(TB, "live")]
    session.outgoing(0.2)
    received(session, trade_frame("A", 2), 0.3, START_NS)
    assert not news(session)
    assert (session.frames, session.bad_frames, session.heard_at, session.age_from) == (3, 0, 0.3, 0.0)
    assert session.bytes == len(frame(t="ack", id=1)) + len(json.dumps(both)) + len(trade_frame("A", 2))


def test_first_data_in_a_frame_with_an_acknowledgement_counts() -> None:
    session = opened()
    session.outgoing(0.0)
    said = json.dumps([json.loads(frame(t="ack", id=1)), json.loads(trade_frame("A", 1))]).encode()
    assert received(session, said, 0.0, START_NS) == [trade(1, received_ns=START_NS)]
    assert session.outcomes() == [Outcome(TA, "live")]


def test_a_topic_added_and_removed() -> None:
    session = live()
    session.want([TB])
    assert news(session)
    assert sent(session, 1.0) == [
        {"op": "off", "id": 2, "topics": [["trades", "A"]]}, {"op": "on", "id": 3, "topics": [["trades", "B"]]},
    ]  # fmt: skip


# ---- pace --------------------------------------------------------------------------------------------------------


def driven(session: Session, until_s: float) -> list[tuple[float, Any]]:
    """Act on each deadline as a lane does, acknowledging each request at once; when each frame went out."""
    now, out = 0.0, list[tuple[float, Any]]()
    for _ in range(100_000):
        session.tick(now)
        for raw in session.outgoing(now):
            said = json.loads(raw)
            out.append((now, said))
            received(session, frame(t="ack", id=said["id"]), now, START_NS)
        now = max(now + 0.001, session.deadline(now))
        if now > until_s:
            return out
    raise AssertionError("it never rests")


def test_five_hundred_topics_at_the_venues_pace_time_out_nowhere() -> None:
    topics = [Topic("trades", f"N{n:03}") for n in range(500)]
    venue = limited(topics_per_request=1, messages_per_s=5.0)
    session = opened(
        *topics, venue=venue, ack_s=10.0, first_data_s=9e9, silence_s=9e9, heartbeat_s=9e9, idle_ping_s=9e9
    )
    out = driven(session, 400.0)
    assert [said["topics"] for _, said in out] == [[["trades", topic.native]] for topic in topics]
    assert set(session.wants.states().values()) == {"confirmed"}
    times = [at for at, _ in out]
    assert all(sum(at <= each < at + 1.0 for each in times) <= 5 for at in times)
    assert 150 < times[-1] < 210


def test_requests_are_also_bounded_by_the_hour() -> None:
    topics = [Topic("trades", f"N{n:03}") for n in range(30)]
    venue = limited(topics_per_request=1, requests_per_hour=20.0)
    session = opened(
        *topics, venue=venue, ack_s=10.0, first_data_s=9e9, silence_s=9e9, heartbeat_s=9e9, idle_ping_s=9e9
    )
    times = [at for at, _ in driven(session, 3 * 3600.0)]
    assert len(times) == 30
    assert all(sum(at <= each < at + 3600.0 for each in times) <= 20 for at in times)


def test_it_does_not_spin_while_it_may_not_send() -> None:
    topics = [Topic("trades", f"N{n}") for n in range(9)]
    session = opened(*topics, venue=limited(topics_per_request=1, messages_per_s=2.0))
    assert len(session.outgoing(0.0)) == 1
    assert session.deadline(0.0) == 1.0
    assert session.outgoing(0.5) == []


# ---- life --------------------------------------------------------------------------------------------------------


def test_silence_ends_it_and_any_frame_or_pong_is_life() -> None:
    session = live(silence_s=60.0)
    session.heard(30.0)
    session.tick(89.9)
    received(session, trade_frame("A", 2), 89.9, START_NS)
    session.tick(149.8)
    with pytest.raises(Redial, match="silent for 60 s") as ended:
        session.tick(149.9)
    assert not ended.value.tripped


def test_a_transport_ping_goes_out_when_idle_and_at_each_heartbeat() -> None:
    session = live(idle_ping_s=5.0, heartbeat_s=20.0)
    assert session.deadline(0.0) == 5.0
    session.tick(5.0)
    assert session.ping_due
    session.ping_due = False
    session.heard(5.25)
    assert session.ping_s == 0.25
    assert session.deadline(5.25) == 10.25
    for at in range(6, 20):
        received(session, trade_frame("A", at), float(at), START_NS)
        session.tick(float(at))
    assert not session.ping_due  # it was not idle
    session.tick(20.0)
    assert session.ping_due


def test_an_idle_connection_is_asked_again_while_no_pong_comes() -> None:
    session = live(idle_ping_s=5.0, heartbeat_s=1000.0)
    asked = []
    for at in range(1, 31):
        session.tick(float(at))
        if session.ping_due:
            asked.append(at)
            session.ping_due = False
    assert asked == [5, 10, 15, 20, 25, 30]
    session.heard(31.0)
    assert session.ping_s == 1.0  # of the last ping, not of the first


def test_the_venues_own_ping_is_a_frame_and_its_pong_an_answer() -> None:
    session = opened(venue=PINGED, heartbeat_s=20.0, idle_ping_s=100.0, ack_s=90.0)
    session.outgoing(0.0)
    session.tick(20.0)
    assert (session.outgoing(20.0), session.ping_due) == ([b'"ping"'], False)
    received(session, frame(t="pong"), 20.5, START_NS)
    assert session.ping_s == 0.5
    assert session.deadline(20.5) == 40.0


def test_a_ping_goes_before_what_waits() -> None:
    topics = [Topic("trades", f"N{n}") for n in range(9)]
    venue = replace(PINGED, limits=limited(topics_per_request=1, messages_per_s=2.0).limits)
    session = opened(*topics, venue=venue, heartbeat_s=0.5, ack_s=100.0)
    assert len(session.outgoing(0.0)) == 1
    session.tick(0.5)
    assert session.deadline(0.5) == 1.0
    assert session.outgoing(1.0) == [b'"ping"']


def test_a_topic_without_data_is_doubted_not_dropped() -> None:
    session = opened(first_data_s=30.0, silence_s=1000.0)
    session.outgoing(0.0)
    received(session, frame(t="ack", id=1), 1.0, START_NS)
    session.tick(31.0)
    assert session.wants.doubts == [TA]


def test_a_connection_that_confirms_nothing_ends() -> None:
    session = opened(ack_s=10.0)
    session.outgoing(0.0)
    session.tick(10.0)
    session.outgoing(10.0)
    with pytest.raises(Redial, match="1 topics not confirmed"):
        session.tick(20.0)


# ---- a successor -------------------------------------------------------------------------------------------------


def test_at_its_age_limit_it_asks_for_a_successor_once() -> None:
    session = live(max_age_s=50.0, idle_ping_s=1000.0, heartbeat_s=1000.0)
    assert session.deadline(0.0) == 50.0
    session.heard(49.0)
    session.tick(49.9)
    assert session.successor_wanted == ""
    session.tick(50.0)
    assert session.successor_wanted == "the connection reached its age limit"
    assert session.deadline(50.0) > 50.0


def test_a_notice_of_closing_asks_for_a_successor_and_the_first_reason_counts() -> None:
    session = live(max_age_s=1.0)
    assert received(session, frame(t="closing"), 0.5, START_NS) == []
    session.tick(1.5)
    received(session, frame(t="closing"), 2.0, START_NS)
    assert session.successor_wanted == "the venue is closing: maintenance"


# ---- what cannot be read -----------------------------------------------------------------------------------------


def test_bad_frames_in_a_row_trip_and_a_good_one_between_forgives() -> None:
    trouble = Trouble()
    session = opened(trouble=trouble, bad_frames=3)
    for _ in range(5):
        assert received(session, b"{", 1.0, START_NS) == []
        assert received(session, b"\xff\xfe", 1.0, START_NS) == []
        received(session, trade_frame("A", 1), 1.0, START_NS)
    assert (session.bad_frames, len(trouble.told), trouble.told[0][0]) == (10, 10, "bad_json")
    received(session, b"{", 1.0, START_NS)
    received(session, b"{", 1.0, START_NS)
    with pytest.raises(Redial, match="3 unreadable frames in a row, the last: Expecting property name") as ended:
        received(session, b"{", 1.0, START_NS)
    assert ended.value.tripped


def test_a_bug_in_a_venues_decoder_costs_one_frame() -> None:
    trouble = Trouble()
    session = opened(trouble=trouble)
    assert received(session, frame(t="trade", i=5), 0.0, START_NS) == []  # the venue has dropped a field
    assert trouble.told == [("decoder", "KeyError('s')")]
    assert received(session, trade_frame("A", 6), 0.0, START_NS) == [trade(6, received_ns=START_NS)]


def test_a_bad_part_of_a_frame_leaves_the_rest() -> None:
    trouble = Trouble()
    session = opened(trouble=trouble)
    session.outgoing(0.0)
    parts = [{"t": "news"}, {"t": "bad_trade", "s": "A", "i": 4}, {"t": "trade", "s": "A", "i": 5}]
    assert received(session, json.dumps(parts).encode(), 0.0, START_NS) == [trade(5, received_ns=START_NS)]
    assert trouble.told == [
        ("unknown_message", "{'t': 'news'}"), ("impossible", "trade: price 10, size -1"),
    ]  # fmt: skip
    assert session.bad_frames == 2
    for _ in range(50):
        received(session, frame(t="news"), 0.0, START_NS)  # an unknown message is skipped, and trips nothing


def test_a_refusal_is_told_and_a_fatal_one_ends_it() -> None:
    trouble = Trouble()
    session = opened(TA, TB, trouble=trouble)
    session.outgoing(0.0)
    received(session, frame(t="refused", topic=["trades", "A"]), 0.0, START_NS)
    assert session.outcomes() == [Outcome(TA, "refused", "17", "no such topic")]
    assert (trouble.told, session.bad_frames) == ([("refused", "17 no such topic")], 0)
    with pytest.raises(Redial, match="refused: 17 no such topic"):
        received(session, frame(t="refused", id=9, fatal=True), 0.0, START_NS)


def test_only_frames_of_the_market_bear_stamps() -> None:
    session = live()
    events, stamps = list[Event](), list[int | None]()
    both = json.dumps([{"t": "closing"}, {"t": "trade", "s": "A", "i": 3}]).encode()
    session.received([trade_frame("A", 2), both, frame(t="pong"), trade_frame("A", 4)], 1.0, START_NS, events, stamps)
    assert [event.seq for event in events] == [2, 3, 4]  # type: ignore[union-attr]  # trades
    assert stamps == [START_NS + 2, START_NS + 4]


def test_what_a_score_is_made_of() -> None:
    session = live(idle_ping_s=5.0)
    before = session.signs(4.0)
    assert (before.age_s, before.unanswered_s, before.answers, before.ping_s) == (4.0, 0.0, 0, None)
    pings = [session.ping_due]
    received(session, trade_frame("A", 2), 5.0, START_NS)
    session.signs(5.5)  # however busy the line, an answer is asked for
    pings.append(session.ping_due)
    assert pings == [False, True]
    session.heard(5.6)
    answered = session.signs(6.0)
    assert (answered.unanswered_s, answered.answers) == (0.0, 1)
    assert answered.ping_s == pytest.approx(0.1)
    session.ask_for_life(10.0)
    session.ask_for_life(15.0)  # not answered: it counts from the first
    assert session.signs(17.0).unanswered_s == 7.0
    received(session, b"{", 18.0, START_NS)
    late = session.signs(18.5)
    assert (late.unanswered_s, late.bad_frames, late.frames) == (0.0, 1, 4)
