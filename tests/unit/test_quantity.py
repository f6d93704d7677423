from decimal import Decimal

import pytest

from apiserver.quantity import QuantityError, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("12", "12"),
        ("+1", "1"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("100m", "0.1"),
        ("1k", "1000"),
        ("2M", "2000000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1Ei", "1152921504606846976"),
        ("1E", "1000000000000000000"),
        ("5e3", "5000"),
        ("5E-1", "0.5"),
        ("1n", "0.000000001"),
    ],
)
def test_a_quantity_is_a_number(text, number):
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "k", "1 k", "1K", "1kk", "1e", "Infinity", "NaN", "1_0", "٣"]
)
def test_other_texts_are_none(text):
    with pytest.raises(QuantityError, match="is not a quantity"):
        parse_quantity(text)
