import logging

import pytest

from nodeagent.repeats import MAX_KINDS, Repeats


class Log:
    """A logger with the filter; `lines` has what passed: message and `repeated`."""

    def __init__(self, logger: logging.Logger) -> None:
        self.now = 0.0
        self.logger = logger
        self.kept = Kept()
        self.kept.addFilter(Repeats(lambda: self.now))

    @property
    def lines(self) -> list[tuple[str, int]]:
        return [(each.getMessage(), getattr(each, "repeated", 0)) for each in self.kept.records]


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def log():
    logger = logging.getLogger("tests.repeats")
    logger.setLevel(logging.INFO)
    made = Log(logger)
    logger.addHandler(made.kept)
    yield made
    logger.removeHandler(made.kept)


def test_the_same_warning_is_logged_once_a_minute_with_the_number_of_those_between(log):
    for second in range(121):
        log.now = float(second)
        log.logger.warning("disk is full", extra={"error": "ENOSPC", "retry": second})

    assert log.lines == [("disk is full", 0), ("disk is full", 59), ("disk is full", 59)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"pod": "web-2"}, id="another pod"),
        pytest.param({"pod": "web-1", "error": "EIO"}, id="another error"),
    ],
)
def test_what_differs_in_words_is_another_warning(log, other):
    log.logger.warning("disk is full", extra={"pod": "web-1"})
    log.logger.warning("disk is full", extra=other)

    assert len(log.lines) == 2


def test_what_is_no_warning_is_always_logged(log):
    for _ in range(3):
        log.logger.info("capture started", extra={"pod": "web-1"})

    assert len(log.lines) == 3


def test_what_is_remembered_is_bounded_and_the_oldest_is_forgotten(log):
    for number in range(MAX_KINDS + 1):
        log.logger.error("failed", extra={"pod": str(number)})
    log.logger.error("failed", extra={"pod": "0"})
    log.logger.error("failed", extra={"pod": str(MAX_KINDS)})

    assert len(log.lines) == MAX_KINDS + 2
