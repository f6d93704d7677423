from datetime import UTC, datetime

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.pcap.compiler import CompilerError, FilterCompiler
from apiserver.pcap.program import FilterError
from apiserver.registry.packetcaptures import COMPILE_SECONDS, PacketCaptureStrategy, human_bytes
from apiserver.wire.status import ApiError

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


class Compiler(FilterCompiler):
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: Exception | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[tuple[str, float]] = []

    async def check(self, expression: str, *, deadline_seconds: float) -> int:
        self.asked.append((expression, deadline_seconds))
        if self.answer is not None:
            raise self.answer
        return 1


def capture(**spec) -> JsonObject:
    return {"metadata": {"name": "http"}, "spec": {"selector": "all()", **spec}, "status": {}}


WEB: JsonObject = {"protocol": 6, "ports": [80, "http", "http"]}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (812, "812"),
        (1023, "1023"),
        (1024, "1.0Ki"),
        (1229, "1.2Ki"),
        (34 << 20, "34Mi"),
        (5 << 30, "5.0Gi"),
        (3 << 40, "3.0Ti"),
        (4000 << 40, "4000Ti"),
    ],
)
def test_bytes_are_shown_as_people_read_them(count, text):
    assert human_bytes(count) == text


def test_a_row_has_a_cell_for_every_column():
    strategy = PacketCaptureStrategy(Compiler())
    status: JsonObject = {
        "pods": 1,
        "packets": 5,
        "dropped": 2,
        "bytes": 2048,
        "files": [{"node": "n1", "state": "Capturing"}],
    }
    document: JsonObject = {
        "metadata": {"name": "http", "creationTimestamp": "2026-01-02T14:58:00Z"},
        "spec": {"selector": "all()", "endTime": "2026-01-02T16:00:00Z"},
        "status": status,
    }

    cells = strategy.cells(document, NOW)

    assert len(cells) == len(strategy.columns)
    assert dict(zip((each.name for each in strategy.columns), cells, strict=True)) == {
        "Name": "http",
        "State": "Capturing",
        "Pods": 1,
        "Packets": 5,
        "Dropped": 2,
        "Size": "2.0Ki",
        "Age": "2m",
        "Selector": "all()",
        "Start": None,
        "End": "2026-01-02T16:00:00Z",
        "Nodes": 1,
    }


async def test_a_filter_is_compiled_before_it_is_accepted():
    compiler = Compiler()

    errors = await PacketCaptureStrategy(compiler).validate(capture(filters=[WEB]), None)

    assert errors == []
    ((text, seconds),) = compiler.asked
    assert "tcp" in text
    assert "http" not in text, "names never reach libpcap"
    assert seconds == COMPILE_SECONDS


async def test_what_captures_all_needs_no_compiler():
    compiler = Compiler()

    assert await PacketCaptureStrategy(compiler).validate(capture(), None) == []
    assert compiler.asked == []


async def test_an_unchanged_spec_is_not_compiled_again():
    compiler = Compiler()
    document = capture(filters=[WEB])

    assert await PacketCaptureStrategy(compiler).validate(document, document) == []
    assert compiler.asked == []


async def test_a_filter_that_libpcap_refuses_is_the_fault_of_its_field():
    strategy = PacketCaptureStrategy(Compiler(FilterError("too complex")))

    (error,) = await strategy.validate(capture(filters=[WEB]), None)

    assert str(error) == "spec.filters: Forbidden: too complex"


async def test_a_compiler_that_fails_is_the_fault_of_the_server():
    strategy = PacketCaptureStrategy(Compiler(CompilerError(-9)))

    with pytest.raises(ApiError) as caught:
        await strategy.validate(capture(filters=[WEB]), None)

    assert caught.value.code == 500
