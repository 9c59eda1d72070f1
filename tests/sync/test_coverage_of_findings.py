from tapeline.sync.coverage import Coverage, fact_of
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
