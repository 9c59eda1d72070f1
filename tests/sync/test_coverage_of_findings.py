from tapeline.sync.coverage import Coverage, Span, fact_of, facts_of
from tapeline.sync.walk import Finding


def test_a_finding_is_a_fact_of_its_series() -> None:
    finding = Finding(5, 9, "proven", "ids", "", 100, 120)
    one = fact_of("v:A/B", "trades", finding, known_at_ns=77)
    assert (one.instrument, one.channel, one.from_ns, one.to_ns, one.state) == ("v:A/B", "trades", 5, 9, "proven")
    assert (one.evidence, one.source, one.known_at_ns, one.first_seq, one.last_seq) == ("ids", "rest", 77, 100, 120)
    assert one.run == 0, "it outranks what the live stream showed"


def test_what_was_missing_is_repaired_and_what_is_lost_stays_lost() -> None:
    facts = [
        fact_of("v:A/B", "trades", finding, known_at_ns=1, repair=True)
        for finding in (Finding(0, 5, "proven", "ids"), Finding(5, 9, "unrecoverable", "", "the venue has no older"))
    ]
    assert [fact.state for fact in facts] == ["repaired", "unrecoverable"]
    assert Coverage(facts).missing((0, 9)) == [(5, 9)]


def hole(from_ns: int, to_ns: int, cause: str = "link_down") -> Span:
    return Span(from_ns, to_ns, "missing", "", "ws", "", cause)


def test_what_filled_a_hole_is_repaired_and_the_rest_proven() -> None:
    finding = Finding(10, 50, "proven", "ids", "", 100, 140)
    facts = facts_of("v:A/B", "trades", finding, [hole(0, 15), hole(20, 30), hole(45, 60, "")], known_at_ns=7)
    assert [(each.from_ns, each.to_ns, each.state, each.why, each.first_seq, each.last_seq) for each in facts] == [
        (10, 15, "repaired", "fetched after link_down", 100, None), (15, 20, "proven", "", None, None),
        (20, 30, "repaired", "fetched after link_down", None, None), (30, 45, "proven", "", None, None),
        (45, 50, "repaired", "fetched later", None, 140),
    ]  # fmt: skip
    assert {(each.evidence, each.source, each.known_at_ns) for each in facts} == {("ids", "rest", 7)}


def test_what_touches_no_hole_or_proves_nothing_is_one_fact() -> None:
    proven, lost = Finding(10, 50, "proven", "ids"), Finding(10, 50, "unrecoverable", "", "gone")
    for finding, holes in ((proven, []), (proven, [hole(0, 10), hole(50, 60)]), (lost, [hole(20, 30)])):
        assert facts_of("v:A/B", "trades", finding, holes, known_at_ns=7) == [
            fact_of("v:A/B", "trades", finding, known_at_ns=7)
        ]
