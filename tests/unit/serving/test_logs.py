import json
import logging

import pytest

from apiserver.serving.logs import JsonFormatter


def test_a_record_is_one_line_of_json_with_its_fields():
    record = logging.makeLogRecord(
        {"name": "a.b", "levelname": "INFO", "msg": "it %s", "args": ("works",), "pod": "web"}
    )

    line = JsonFormatter().format(record)

    assert "\n" not in line
    shown = json.loads(line)
    assert (shown["logger"], shown["level"], shown["message"]) == ("a.b", "info", "it works")
    assert shown["pod"] == "web"


def test_a_field_that_json_does_not_know_is_shown_as_text():
    record = logging.makeLogRecord({"msg": "x", "error": OSError("no")})

    assert json.loads(JsonFormatter().format(record))["error"] == "no"


@pytest.mark.parametrize(
    "value", [pytest.param("\udcff", id="no UTF-8"), pytest.param(1 << 70, id="a large number")]
)
def test_no_value_makes_a_record_be_lost(value):
    record = logging.makeLogRecord({"msg": "file is downloaded", "forwarded_for": value})

    line = JsonFormatter().format(record)

    assert line.isascii()
    assert json.loads(line)["forwarded_for"] == value
