from collections.abc import Sequence
from dataclasses import replace

import pytest
from order_stage import CREDENTIALS, KEY, STREAM, A, decoder, opening, order, told

from tapeline.errors import BadData
from tapeline.model.account import AccountEvent, OrderUpdate
from tapeline.venues.orders import Answered, PrivateControl
from tapeline.wire.private.session import BAD_IN_ROW, KEPT_FOR, Over, PrivateSession, Way

WAY = Way(decoder=decoder("toy", "main", {"A": A}), opening=STREAM.opening)
PLAIN = replace(WAY, opening=())


def yes(request_id: str) -> bytes:
    return told(answer=request_id)


def is_open(session: PrivateSession) -> bool:
    return session.opened


def is_due(session: PrivateSession) -> bool:
    return session.keep_due


def venue_ns() -> int:
    return 77


def opened(way: Way = WAY) -> PrivateSession:
    session = PrivateSession(way, CREDENTIALS, 0.0)
    for number, _ in enumerate(way.opening, 1):
        session.outgoing(0.0, venue_ns)
        session.received([yes(f"open{number}")], 0.0, 0)
    assert session.opened
    return session


def test_each_step_of_the_opening_waits_for_the_answer_to_the_one_before() -> None:
    session = PrivateSession(WAY, CREDENTIALS, 0.0)
    assert session.outgoing(0.0, venue_ns) == [opening("login")(CREDENTIALS, 77, "open1")]
    assert session.outgoing(1.0, venue_ns) == []
    assert session.received([yes("open1")], 1.0, 0) == []
    assert not is_open(session)
    assert session.deadline() == 1.0
    assert session.outgoing(1.0, venue_ns) == [opening("subscribe")(CREDENTIALS, 77, "open2")]
    session.received([yes("open1")], 2.0, 0)  # a second time
    assert not is_open(session)
    session.received([yes("")], 2.0, 0)  # not every venue repeats the id
    assert is_open(session)
    assert session.outgoing(3.0, venue_ns) == []


def test_a_connection_without_an_opening_is_open_at_once() -> None:
    assert PrivateSession(PLAIN, CREDENTIALS, 0.0).opened


def test_an_opening_that_is_not_answered_is_over_in_time() -> None:
    session = PrivateSession(WAY, CREDENTIALS, 0.0)
    session.outgoing(0.0, venue_ns)
    assert session.deadline() == 10.0
    session.tick(9.9)
    with pytest.raises(Over, match="step 1 of the opening was not answered within 10 s"):
        session.tick(10.0)


def test_a_step_that_is_refused_ends_it_and_says_what_the_venue_said() -> None:
    session = PrivateSession(WAY, CREDENTIALS, 0.0)
    session.outgoing(0.0, venue_ns)
    session.received([told(answer="open1", body={"code": "key"}, status=401), b"never read"], 0.0, 0)
    with pytest.raises(Over, match="step 1 of the opening was refused") as over:
        session.tick(0.0)
    assert over.value.refusal == Answered("open1", b'{"code": "key"}', 401)
    assert KEY not in str(over.value)
    assert session.frames == 1


def test_events_and_answers_to_others_go_on_and_signs_of_life_do_not() -> None:
    session = opened()
    heard = session.received([told(**order("t1")), told(beat=1), told(answer="7", body=[])], 1.0, 5)
    assert isinstance(heard[0], OrderUpdate)
    assert (heard[0].client_id, heard[0].received_ns) == ("t1", 5)
    assert heard[1:] == [Answered("7", b"[]")]


def test_what_came_before_an_expiry_is_not_lost_and_then_it_is_over() -> None:
    session = opened()
    heard = session.received([told(**order("t1")), told(expired="listen key"), told(**order("t2"))], 1.0, 0)
    assert [event.client_id for event in heard if isinstance(event, OrderUpdate)] == ["t1"]
    with pytest.raises(Over, match="expired: listen key"):
        session.tick(1.0)


def test_silence_is_the_end_and_pongs_are_life() -> None:
    session = opened()
    session.heard(30.0)
    session.tick(89.9)
    with pytest.raises(Over, match="silent for 60 s") as over:
        session.tick(90.0)
    assert over.value.cause == "silence"


def test_pings_are_frames_of_the_venues_own_or_the_transports() -> None:
    session = opened()
    assert session.outgoing(19.9, venue_ns) == []
    assert session.outgoing(20.0, venue_ns) == []
    assert session.ping_due
    own = opened(replace(WAY, ping=b"ping", ping_every_s=5.0))
    assert own.deadline() == 5.0
    assert own.outgoing(5.0, venue_ns) == [b"ping"]
    assert own.outgoing(6.0, venue_ns) == []
    assert not own.ping_due


def test_a_listen_key_is_kept_alive_again_and_again_or_lost() -> None:
    session = opened(replace(PLAIN, keep_s=1800.0, silence_s=1e6, ping_every_s=1e6))
    assert session.deadline() == 1800.0
    session.tick(1799.0)
    assert not is_due(session)
    session.tick(1800.0)
    assert is_due(session)
    session.keep_due = False
    session.tick(1900.0)
    assert not is_due(session)
    session.tick(1980.0)  # it failed: once more after a tenth of the time
    assert is_due(session)
    session.kept(2000.0)
    assert session.deadline() == 3800.0
    session.tick(3800.0)
    with pytest.raises(Over, match="could not be kept alive"):
        session.tick(2000.0 + 1800.0 * KEPT_FOR)


def test_a_frame_that_cannot_be_read_is_a_doubt_and_many_are_the_end() -> None:
    session = opened()
    session.received([b"{"], 1.0, 0)
    assert session.doubt.startswith("a frame could not be read: bad_json: ")
    for _ in range(BAD_IN_ROW - 2):
        session.received([b"{"], 1.0, 0)
    session.tick(1.0)
    session.received([told(beat=1), b"{"], 1.0, 0)
    session.tick(1.0)
    session.received([b"{"] * (BAD_IN_ROW - 1), 1.0, 0)
    with pytest.raises(Over, match="10 unreadable frames in a row"):
        session.tick(1.0)
    assert session.bad_frames == BAD_IN_ROW + BAD_IN_ROW - 1


def test_frames_of_no_concern_are_no_doubt_and_a_bug_of_a_decoder_is_one() -> None:
    def decode(frame: bytes, _received_ns: int) -> Sequence[AccountEvent | PrivateControl]:
        if frame == b"bug":
            raise KeyError("x")
        raise BadData("nothing for us", kind="unused")

    session = PrivateSession(replace(PLAIN, decoder=decode), CREDENTIALS, 0.0)
    session.received([b""] * 50, 1.0, 0)
    session.tick(1.0)
    assert (session.doubt, session.bad_frames) == ("", 0)
    session.received([b"bug"], 1.0, 0)
    assert session.doubt == "a frame could not be read: decoder: KeyError('x')"
