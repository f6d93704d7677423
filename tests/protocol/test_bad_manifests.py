"""Every bad manifest of the table gets the answer that stands there: all reasons, in order.

The texts are to be read: would a person know what to do?
"""

import pytest

from tests.protocol.badmanifests import TABLE, read, said, written
from tests.support.client import collection

CASES = read(TABLE.read_text())
MANY = 150


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_bad_manifest_is_told_all_that_is_wrong(admin, namespace, case):
    answer = await case.send(admin, namespace)

    assert said(answer) == case.answer
    assert answer.json["code"] == answer.code
    stored = (await admin.get(collection(namespace))).json["items"]
    assert len(stored) == ("was" in case.fields), "nothing of it is stored"


def test_the_table_is_whole():
    assert len({case.name for case in CASES}) == len(CASES) >= MANY
    assert written(TABLE.read_text(), [case.answer for case in CASES]) == TABLE.read_text()
