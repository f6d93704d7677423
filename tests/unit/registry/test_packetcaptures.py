import pytest

from apiserver.jsontypes import JsonObject
from apiserver.pcap.child import CompilerError
from apiserver.pcap.compiler import COMPILE_SECONDS, CompilerBusyError, FilterCompiler
from apiserver.pcap.expressions import FilterError
from apiserver.registry.packetcaptures import PacketCaptureStrategy
from apiserver.resource.filters import PacketFilter
from apiserver.wire.status import ApiError


class Compiler(FilterCompiler):
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: Exception | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[PacketFilter] = []

    async def check(
        self, packet_filter: PacketFilter, *, deadline_seconds: float = COMPILE_SECONDS
    ) -> int:
        assert deadline_seconds == COMPILE_SECONDS
        self.asked.append(packet_filter)
        if self.answer is not None:
            raise self.answer
        return 1


def capture(**spec) -> JsonObject:
    return {"metadata": {"name": "http"}, "spec": {"selector": "all()", **spec}, "status": {}}


WEB: JsonObject = {"protocol": 6, "ports": [80, "http", "http"]}


async def test_a_filter_is_compiled_before_it_is_accepted():
    compiler = Compiler()

    errors = await PacketCaptureStrategy(compiler).validate(capture(filters=[WEB]), None)

    assert errors == []
    (compiled,) = compiler.asked
    assert "tcp port 80" in str(compiled)
    assert "http" not in str(compiled), "names never reach libpcap"


async def test_what_captures_all_needs_no_compiler():
    compiler = Compiler()

    assert await PacketCaptureStrategy(compiler).validate(capture(), None) == []
    assert compiler.asked == []


async def test_an_unchanged_spec_is_not_compiled_again():
    compiler = Compiler()
    document = capture(filters=[WEB])

    assert await PacketCaptureStrategy(compiler).validate(document, document) == []
    assert compiler.asked == []


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"selector": "has(a)"}, id="selector"),
        pytest.param({"endTime": "2026-01-02T16:00:00Z"}, id="time"),
        pytest.param({"limits": {"packets": 5}}, id="limit"),
    ],
)
async def test_a_filter_is_not_compiled_again_when_the_rest_changes(edit):
    compiler = Compiler(FilterError("refused today"))

    errors = await PacketCaptureStrategy(compiler).validate(
        capture(filters=[WEB], **edit), capture(filters=[WEB])
    )

    assert (errors, compiler.asked) == ([], [])


@pytest.mark.parametrize("edit", [{"snapLength": 64}, {"headersOnly": True}])
async def test_a_filter_is_compiled_again_with_what_its_program_cuts(edit):
    compiler = Compiler()

    await PacketCaptureStrategy(compiler).validate(
        capture(filters=[WEB], **edit), capture(filters=[WEB])
    )

    assert len(compiler.asked) == 1


async def test_a_filter_is_compiled_even_if_the_rest_is_wrong():
    strategy = PacketCaptureStrategy(Compiler(FilterError("too complex")))

    errors = await strategy.validate(capture(filters=[WEB], selector="(", snapLength=-1), None)

    assert [error.field for error in errors] == [
        "spec.selector",
        "spec.filters",
        "spec.snapLength",
    ]


async def test_a_filter_that_is_wrong_already_is_not_compiled():
    compiler = Compiler()

    errors = await PacketCaptureStrategy(compiler).validate(
        capture(filters=[WEB, {"protocol": "tcp"}]), None
    )

    assert [error.field for error in errors] == ["spec.filters[1].protocol"]
    assert compiler.asked == []


async def test_a_filter_that_is_too_complex_is_the_fault_of_all_rules():
    strategy = PacketCaptureStrategy(Compiler(FilterError("too complex")))

    (error,) = await strategy.validate(capture(filters=[WEB]), None)

    assert str(error) == "spec.filters: Forbidden: too complex"


@pytest.mark.parametrize(
    ("alternative", "error"),
    [
        pytest.param(0, "spec.filters[0]: Forbidden: why", id="a rule"),
        pytest.param(
            1,
            'spec.filters[1].expression: Invalid value: "tcp port": why',
            id="an expression",
        ),
    ],
)
async def test_a_rule_that_libpcap_refuses_is_named_with_the_reason(alternative, error):
    strategy = PacketCaptureStrategy(Compiler(FilterError("why", alternative)))

    errors = await strategy.validate(capture(filters=[WEB, {"expression": "tcp port"}]), None)

    assert [str(each) for each in errors] == [error]


REFUSED: JsonObject = {"expression": "tcp and udp"}


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"filters": [REFUSED], "snapLength": 64}, id="of what goes into the program"),
        pytest.param({"filters": [WEB, REFUSED]}, id="of another rule"),
    ],
)
async def test_a_rule_that_libpcap_did_not_refuse_once_blocks_no_edit(edit):
    async with FilterCompiler() as compiler:
        errors = await PacketCaptureStrategy(compiler).validate(
            capture(**edit), capture(filters=[REFUSED])
        )

    assert errors == []


async def test_a_rule_that_is_as_it_was_does_not_hide_what_is_wrong_with_a_new_one():
    new: JsonObject = {"expression": "udp and tcp"}
    async with FilterCompiler() as compiler:
        errors = await PacketCaptureStrategy(compiler).validate(
            capture(filters=[REFUSED, WEB, new]), capture(filters=[REFUSED])
        )

    assert [each.field for each in errors] == ["spec.filters[2].expression"]


async def test_rules_that_were_too_complex_together_are_left_alone():
    compiler = Compiler(FilterError("the filter is too complex"))

    errors = await PacketCaptureStrategy(compiler).validate(
        capture(filters=[WEB], snapLength=64), capture(filters=[WEB])
    )

    assert errors == []


NAMED = {"protocol": "TCP", "ports": ["http"]}


@pytest.mark.parametrize(
    "expression",
    [
        "not port 1",
        "not tcp port 1",
        "not port 65535",
        "not port 0xffff",
        "not port 0177777",
        "tcp src port 80 and tcp dst port 1024",
        "tcp src port 8080 or tcp dst port 8080",
        "vlan and not portrange 1-65535",
    ],
)
async def test_what_a_name_stands_for_meanwhile_contradicts_no_expression(expression):
    async with FilterCompiler() as compiler:
        errors = await PacketCaptureStrategy(compiler).validate(
            capture(filters=[{**NAMED, "expression": expression}]), None
        )

    assert errors == []


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("tcp and udp", id="by itself"),
        pytest.param("udp", id="with the rest of its rule"),
        pytest.param("not tcp", id="with the rest of its rule, too"),
        pytest.param("tcp port", id="that is no expression"),
    ],
)
async def test_an_expression_that_nothing_passes_is_refused_whatever_names_stand_for(expression):
    async with FilterCompiler() as compiler:
        errors = await PacketCaptureStrategy(compiler).validate(
            capture(filters=[WEB, {**NAMED, "expression": expression}]), None
        )

    assert [each.field for each in errors] == ["spec.filters[1].expression"]


async def test_a_number_of_its_own_is_no_name():
    numbered = {"protocol": "TCP", "expression": "tcp src port 80 and tcp dst port 1024"}
    async with FilterCompiler() as compiler:
        strategy = PacketCaptureStrategy(compiler)
        named = await strategy.validate(capture(filters=[{**numbered, "ports": ["http"]}]), None)
        errors = await strategy.validate(capture(filters=[{**numbered, "ports": [65535]}]), None)

    assert named == []
    assert [each.field for each in errors] == ["spec.filters[0].expression"]


async def test_who_comes_while_others_keep_the_compiler_busy_may_try_again():
    strategy = PacketCaptureStrategy(Compiler(CompilerBusyError(5.0)))

    with pytest.raises(ApiError) as caught:
        await strategy.validate(capture(filters=[WEB]), None)

    assert (caught.value.code, caught.value.retry_after_seconds) == (429, 1)


async def test_a_compiler_that_fails_is_the_fault_of_the_server():
    strategy = PacketCaptureStrategy(Compiler(CompilerError(-9)))

    with pytest.raises(ApiError) as caught:
        await strategy.validate(capture(filters=[WEB]), None)

    assert caught.value.code == 500


def test_what_cannot_be_read_is_refused_at_once():
    with pytest.raises(ApiError) as caught:
        PacketCaptureStrategy(Compiler()).canonical(
            capture(limits={"bytes": "x", "duration": "y"})
        )

    assert caught.value.code == 400
    assert "spec.limits.bytes" in caught.value.message
    assert "spec.limits.duration" in caught.value.message


def test_what_could_not_be_read_before_is_left_alone():
    old = capture(limits={"bytes": "x"})
    document = capture(limits={"bytes": "x"}, snapLength=5)

    assert PacketCaptureStrategy(Compiler()).canonical(document, old) == document


def test_a_new_capture_is_warned_of_by_its_name_and_by_what_it_says():
    document = capture(filters=[{}], endTime="2026-01-01T00:00:00Z")
    document["metadata"] = {"name": "A_b", "creationTimestamp": "2026-01-02T00:00:00Z"}

    name, filters, end, limits = PacketCaptureStrategy(Compiler()).warnings(document, None)

    assert name.startswith("metadata.name")
    assert filters.startswith("spec.filters[0]")
    assert end.startswith("spec.endTime")
    assert limits.startswith("spec.limits")


def test_an_edit_is_warned_of_by_what_it_changes():
    old = capture(filters=[{}])
    old["metadata"] = {"name": "A_b"}
    document = capture(filters=[{}], limits={"bytes": "1G"})
    document["metadata"] = {"name": "A_b"}

    (warning,) = PacketCaptureStrategy(Compiler()).warnings(document, old)

    assert warning.startswith("spec.limits")


async def test_trap_23_what_is_stored_never_fails_a_write_of_the_status():
    time = "2026-01-02T15:00:00Z"
    old = capture(
        startTime=time, endTime=time, filters=[{"protocol": "tcp"}], limits={"bytes": "x"}
    )
    strategy = PacketCaptureStrategy(Compiler())

    document = strategy.prepare_for_status_update({"status": {"packets": 5}}, old)

    assert await strategy.validate(document, old) == []
    assert strategy.warnings(document, old) == ()
