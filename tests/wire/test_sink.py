from wire_fakes import Recorder

from tapeline.wire.sink import LinkSink


def test_the_recorder_of_these_tests_is_a_sink() -> None:
    sink: LinkSink = Recorder()
    assert {name for name in dir(LinkSink) if not name.startswith("_")} <= set(dir(sink))
