from dataclasses import replace

from wire_fakes import TA, TB, TC, TOY, limited

from tapeline.model.topic import Topic
from tapeline.venues.spec import Feed
from tapeline.wire.shards import Shards

LIQ = Topic("liquidations", "A")


def test_topics_fill_a_connection_before_the_next_is_opened() -> None:
    shards = Shards(limited(topics_per_connection=2))
    fresh = shards.add([TC, TA, TB, TA])
    assert [(shard.name, shard.topics) for shard in fresh] == [("toy/public/1", {TA, TB}), ("toy/public/2", {TC})]
    assert list(shards) == fresh
    assert shards.shard_of(TC) is fresh[1]
    assert repr(fresh[1]) == "<Shard toy/public/2, 1 topics>"


def test_endpoints_do_not_share_a_connection() -> None:
    feeds = {**TOY.feeds, "liquidations": Feed(channel="liquidations", wire_name="l", endpoint="market")}
    shards = Shards(replace(TOY, feeds=feeds))
    assert {shard.endpoint: shard.topics for shard in shards.add([TA, LIQ])} == {"public": {TA}, "market": {LIQ}}


def test_a_topic_stays_where_it_is_and_room_is_used_again() -> None:
    shards = Shards(limited(topics_per_connection=2))
    first, second = shards.add([TA, TB, TC])
    told: list[str] = []
    first.changed = lambda: told.append("first")
    second.changed = lambda: told.append("second")
    shards.remove([TA, TC, Topic("trades", "unknown")])
    assert (first.topics, second.topics, told) == ({TB}, set(), ["first", "second"])
    assert shards.shard_of(TA) is None
    assert shards.add([TB, TC]) == []  # TB has its place; TC takes the first room there is
    assert first.topics == {TB, TC}
    assert told == ["first", "second", "first"]
    assert shards.add([]) == []


def test_a_shard_that_nobody_serves_may_change() -> None:
    shards = Shards(TOY)
    (shard,) = shards.add([TA])
    shards.remove([TA])
    assert shard.topics == set()


def test_a_shard_that_has_given_up_takes_no_more() -> None:
    shards = Shards(limited(topics_per_connection=2))
    (first,) = shards.add([TA])
    first.closed = True
    (second,) = shards.add([TB])
    assert (first.topics, second.topics, second.name) == ({TA}, {TB}, "toy/public/2")
