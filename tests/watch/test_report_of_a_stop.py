from decimal import Decimal

from tapeline.trading.halt import MEANS
from tapeline.watch.report import Left, Report

D = Decimal


def report(**fields: object) -> Report:
    made = Report(account="main", mode="live", state="flat", who="ann", why="w", flatten=True, ended_ns=1_500_000_000)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_done_is_what_was_asked_for_by_the_venues_word() -> None:
    dust, held = Left("x", D("0.001"), "small", dust=True), Left("x", D(1), "nobody took it")
    assert not report().done
    assert report(verified=True).done
    assert report(verified=True, left_positions=[dust]).done
    assert not report(verified=True, left_positions=[held]).done
    assert report(verified=True, left_positions=[held], flatten=False).done
    assert not report(verified=True, left_orders=["o1"]).done
    assert not report(verified=True, state="halted").done, "the gate is not closed as far as was asked for"
    assert report(verified=True, state="halted", flatten=False).done
    assert not report(verified=True, state="reduce_only", flatten=False).done
    assert report(verified=True, state="reduce_only", flatten=False, cancels=False, left_orders=["o1"]).done


def test_in_words() -> None:
    done = report(
        verified=True, cancelled=["o1", "o2"], closed=["8 x"], slices=4,
        left_positions=[Left("x", D("0.001"), "small", dust=True)],
    )  # fmt: skip
    assert done.lines() == [
        f"account main (live): flat, {MEANS['flat']}",
        "  by ann: w; it took 1.5 s",
        "  cancelled: o1, o2",
        "  closed: 8 x in 4 orders",
        "  dust: 0.001 x (small)",
        "  verified with the venue",
    ]


def test_what_is_left_shouts() -> None:
    left = report(
        state="flattening", why="", left_orders=["o1"], left_positions=[Left("x", D(1), "nobody took it")],
        problems=["given up"],
    )  # fmt: skip
    assert left.lines()[1:] == [
        "  by ann: no reason given; it took 1.5 s", "  cancelled: nothing, as far as is known",
        "  closed: nothing in 0 orders",
        "  STILL OPEN: order o1", "  STILL HELD: 1 x (nobody took it)", "  problem: given up",
        "  NOT VERIFIED: look at the venue yourself",
    ]  # fmt: skip
    halted = report(state="halted", flatten=False, verified=True, left_positions=[Left("x", D(1), "")])
    assert "  held: 1 x" in halted.lines()


def test_the_gate_alone_and_paper_say_no_more_than_they_did() -> None:
    gate = report(state="reduce_only", problems=["the disk is full"])
    assert gate.lines(gate_only=True)[2:] == ["  the disk is full"]
    paper = report(mode="paper", state="halted", problems=["in the engine's process"])
    assert paper.lines()[2:] == ["  in the engine's process"]


def test_what_others_had_is_told_apart_and_what_was_to_be_left_is_no_failure() -> None:
    cancelled = report(state="halted", flatten=False, verified=True, cancelled=["o1", "web1"], others=["web1"])
    assert cancelled.lines()[2:4] == ["  cancelled: o1, web1", "  of them of other origin: web1"]
    left = report(state="reduce_only", flatten=False, verified=True, cancels=False, left_orders=["o1"])
    assert left.done
    assert left.lines()[2:] == ["  open: order o1", "  verified with the venue"]
    assert not report(cancels=False, flatten=False, left_orders=["o1"]).done
