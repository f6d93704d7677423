"""Log records as lines of JSON on standard error: time, level, logger, sentence, fields."""

import json
import logging
import sys
from datetime import UTC, datetime

import orjson

# Attributes that every LogRecord has; what is beyond them came with `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One record, one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; fields that JSON does not know are shown as text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:
            # What is no UTF-8, or too large a number: a client must not be able to have its line lost.
            return json.dumps(line, default=str)


def log_causes(
    logger: logging.Logger, sentence: str, group: BaseExceptionGroup[Exception]
) -> None:
    """Log each exception of a group, however deep in it, by what it says."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            log_causes(logger, sentence, error)
        else:
            logger.error(sentence, extra={"error": str(error)})


def log_to_stderr(level: str) -> None:
    """Send all records from `level` (as `INFO`) up to standard error."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[stream], force=True)
