from typing import Any

from wire_fakes import INSTRUMENTS, TA, TB, TC, TOY, limited

from tapeline.model.topic import Topic
from tapeline.venues.spec import Ack, Refusal, Subscribe, Venue
from tapeline.wire.wants import RENEWALS, SPLIT_AFTER_S, Outcome, Wants

INF = float("inf")
LIQ = Topic("liquidations", "A")
NOTICES = Topic("status", "")
A, B = ("trades", "toy:A/X"), ("trades", "toy:B/X")


def wanting(*topics: Topic, venue: Venue = TOY, ack_s: float = 10.0, first_data_s: float = 30.0) -> Wants:
    wants = Wants(venue, INSTRUMENTS, ack_s, first_data_s)
    wants.set(topics)
    return wants


def asked(wants: Wants, now: float = 0.0) -> list[tuple[str, list[Topic]]]:
    """Every request that is due."""
    out = []
    while (request := wants.request(now)) is not None:
        out.append(("on" if request.on else "off", list(request.topics)))
    return out


def states(wants: Wants) -> list[Any]:
    return list(wants.states().values())


def test_topics_are_asked_in_batches_confirmed_and_live_with_their_first_data() -> None:
    wants = wanting(TC, TA, TB, venue=limited(topics_per_request=2))
    assert wants.deadline() == 0.0
    assert wants.request(1.0) == Subscribe((TA, TB), 1)
    assert wants.request(2.0) == Subscribe((TC,), 2)
    assert wants.request(2.0) is None
    assert (wants.deadline(), wants.settled, wants.delivering) == (11.0, False, False)
    wants.acknowledged(Ack(1), 3.0)
    wants.acknowledged(Ack(topic=TC), 4.0)
    assert states(wants) == ["confirmed"] * 3
    assert (wants.settled, wants.delivering, wants.outcomes(), wants.deadline()) == (True, False, [], 33.0)
    assert wants.delivered(*A)
    assert not wants.delivered(*A)
    assert wants.outcomes() == [Outcome(TA, "live")]
    assert wants.outcomes() == []
    wants.quiet(TB)
    wants.delivered("trades", "toy:C/X")
    assert (wants.delivering, wants.deadline(), wants.awaiting) == (True, INF, {})


def test_data_before_the_acknowledgement_is_success() -> None:
    wants = wanting(TA)
    asked(wants)
    assert wants.delivered(*A)
    wants.acknowledged(Ack(1), 1.0)
    assert (states(wants), wants.outcomes()) == (["live"], [Outcome(TA, "live")])


def test_a_quiet_feed_is_live_when_confirmed() -> None:
    wants = wanting(LIQ)
    asked(wants)
    wants.acknowledged(Ack(1), 1.0)
    assert (states(wants), wants.outcomes()) == (["live"], [Outcome(LIQ, "live")])


def test_answers_to_nobody_change_nothing() -> None:
    wants = wanting(TA)
    asked(wants)
    for ack in (Ack(99), Ack(), Ack(topic=TB)):
        wants.acknowledged(ack, 1.0)
    for refusal in (Refusal("1", "x", 99), Refusal("1", "x"), Refusal("1", "x", topic=TB)):
        wants.refused(refusal, 1.0)
    wants.quiet(TB)
    wants.unsure(TB)
    wants.again(TB)
    assert wants.renew(TB)
    assert (states(wants), wants.outcomes()) == (["asked"], [])


def test_a_lost_acknowledgement_is_asked_for_twice_then_timed_out_and_late_data_is_still_success() -> None:
    wants = wanting(TA, TB)
    asked(wants)
    wants.acknowledged(Ack(topic=TB), 1.0)
    wants.delivered(*B)
    assert wants.tick(9.9) == ""
    assert states(wants) == ["asked", "live"]
    assert wants.tick(10.0) == ""
    assert (states(wants), wants.deadline()) == (["wanted", "live"], 10.0)
    assert asked(wants, 10.0) == [("on", [TA])]
    assert wants.tick(20.0) == ""
    assert states(wants) == ["timed_out", "live"]
    assert wants.outcomes() == [
        Outcome(TB, "live"), Outcome(TA, "timed_out", text="not confirmed within 10 s, asked 2 times"),
    ]  # fmt: skip
    assert (wants.settled, wants.delivering, wants.deadline(), wants.tick(99.0)) == (True, True, INF, "")
    assert wants.delivered(*A)
    assert wants.outcomes() == [Outcome(TA, "live")]


def test_a_connection_that_confirms_nothing_is_of_no_use() -> None:
    wants = wanting(TA, TB, TC)
    asked(wants)
    wants.refused(Refusal("17", "no", topic=TC), 1.0)
    wants.tick(10.0)
    asked(wants, 10.0)
    assert wants.tick(20.0) == "2 topics not confirmed"


def test_one_topic_refused_the_others_go_on() -> None:
    wants = wanting(TA, TB)
    asked(wants)
    wants.refused(Refusal("17", "delisted", topic=TA), 1.0)
    wants.acknowledged(Ack(1), 1.0)
    assert states(wants) == ["refused", "confirmed"]
    assert wants.outcomes() == [Outcome(TA, "refused", "17", "delisted")]
    wants.set([TB])
    assert asked(wants, 2.0) == []  # nothing to give back: it was never had


def test_a_batch_refused_as_a_whole_is_asked_one_by_one() -> None:
    wants = wanting(TA, TB, TC)
    assert asked(wants) == [("on", [TA, TB, TC])]
    wants.refused(Refusal("17", "invalid symbol", 1), 1.0)
    assert wants.outcomes() == []
    assert asked(wants, 1.0) == []
    assert wants.deadline() == 1.0 + SPLIT_AFTER_S
    assert asked(wants, 1.5) == [("on", [TA]), ("on", [TB]), ("on", [TC])]
    wants.acknowledged(Ack(2), 2.0)
    wants.refused(Refusal("17", "invalid symbol", 3), 2.0)
    wants.delivered("trades", "toy:C/X")
    assert states(wants) == ["confirmed", "refused", "live"]
    assert wants.outcomes() == [Outcome(TB, "refused", "17", "invalid symbol"), Outcome(TC, "live")]


def test_a_batch_whose_other_topics_are_confirmed_leaves_one_to_refuse() -> None:
    wants = wanting(TA, TB)
    asked(wants)
    wants.acknowledged(Ack(topic=TA), 1.0)
    wants.refused(Refusal("17", "no", 1), 1.0)
    assert states(wants) == ["confirmed", "refused"]


def test_those_asked_alone_do_not_keep_the_others_apart() -> None:
    wants = wanting(TB, TC)
    asked(wants)
    wants.refused(Refusal("17", "no", 1), 0.0)
    wants.set([TA, TB, TC, LIQ])
    assert asked(wants, 1.0) == [("on", [TB]), ("on", [TC]), ("on", [LIQ, TA])]


def test_the_difference_is_given_back_and_asked_for() -> None:
    wants = wanting(TA, TB, venue=limited(topics_per_request=1))
    assert wants.request(0.0) == Subscribe((TA,), 1)
    wants.set([TB, TC])  # TA has been asked for, so it is given back; TB was not yet
    assert wants.deadline() == 0.0
    assert asked(wants) == [("off", [TA]), ("on", [TB]), ("on", [TC])]
    wants.set([TC])
    wants.set([TB])
    assert asked(wants) == [("off", [TB]), ("off", [TC]), ("on", [TB])]
    assert list(wants.states()) == [TB]


def test_a_topic_that_timed_out_is_given_back_too() -> None:
    wants = wanting(TA, TB)
    asked(wants)
    wants.delivered(*B)
    wants.tick(10.0)
    asked(wants, 10.0)
    wants.tick(20.0)
    wants.set([TB])
    assert asked(wants, 20.0) == [("off", [TA])]


def test_a_topic_is_asked_for_anew_and_the_last_of_the_old_data_is_no_success() -> None:
    wants = wanting(TA)
    asked(wants)
    wants.delivered(*A)
    wants.outcomes()
    wants.again(TA)
    wants.again(TA)
    assert not wants.delivered(*A)  # still of the subscription that is given back
    assert asked(wants, 5.0) == [("off", [TA]), ("on", [TA])]
    assert wants.delivered(*A)
    assert wants.outcomes() == [Outcome(TA, "live")]


def test_a_topic_without_first_data_is_doubted_again_and_again() -> None:
    wants = wanting(TA)
    asked(wants)
    wants.acknowledged(Ack(1), 1.0)
    assert (wants.tick(30.9), wants.doubts) == ("", [])
    assert (wants.tick(31.0), wants.doubts) == ("", [TA])
    assert wants.deadline() == 61.0
    wants.quiet(TA)
    assert (states(wants), wants.deadline()) == (["live"], INF)


def test_where_nobody_can_tell_it_is_asked_once_more_and_then_believed() -> None:
    wants = wanting(TA)
    asked(wants)
    wants.acknowledged(Ack(1), 1.0)
    wants.unsure(TA)
    assert states(wants) == ["confirmed"]
    wants.unsure(TA)
    assert states(wants) == ["live"]


def test_a_silent_topic_is_renewed_so_often_in_a_row_and_data_forgives() -> None:
    wants = wanting(TA)
    for _ in range(3):
        asked(wants)
        for _ in range(RENEWALS):
            wants.acknowledged(Ack(topic=TA), 1.0)
            assert wants.renew(TA)
            assert asked(wants) == [("off", [TA]), ("on", [TA])]
        assert wants.delivered(*A)
    assert [wants.renew(TA) for _ in range(RENEWALS + 1)] == [True] * RENEWALS + [False]


def test_what_is_asked_already_is_not_asked_anew() -> None:
    wants = wanting(TA)
    asked(wants)
    wants.again(TA)
    assert (states(wants), asked(wants)) == (["asked"], [])


def test_events_of_a_topic_are_known_by_channel_and_instrument() -> None:
    wants = wanting()
    assert wants.key(TA) == A
    assert wants.key(Topic("trades", "NEW")) == ("trades", "toy:NEW")
    assert wants.key(NOTICES) == ("status", None)
    assert (wants.settled, wants.delivering, wants.tick(5.0)) == (True, True, "")
