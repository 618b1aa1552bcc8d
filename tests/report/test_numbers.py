"""How the page writes money."""

from decimal import Decimal

import pytest

from greenery_assets.report.wording import dollars


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "$0.00"),
        ("0.125", "$0.13"),
        ("286.225", "$286.23"),
        ("286.2249", "$286.22"),
        ("1234.5", "$1,234.50"),
        ("-0.125", "$-0.13"),
    ],
)
def test_money_is_written_in_cents_rounded_half_up(amount: str, written: str) -> None:
    assert dollars(Decimal(amount)) == written


def test_a_mean_is_rounded_once() -> None:
    assert dollars(Decimal("572.45") / 2) == "$286.23"
