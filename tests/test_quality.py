"""What may be shown of failing rows: no mail, no telephone, no free text; ids, times and amounts as they are."""

import time
from uuid import UUID

import duckdb
import pytest

from greenery_assets.quality import masked, sample

TELEPHONES = [
    "555-867-5309",
    "(555) 867-5309",
    "555.867.5309",
    "+1 555-867-5309",
    "1-555-867-5309",
    "555-867-5309x1234",
    "5558675309",
    "555 1234567",
    "+49 30 1234567",
    "+49 (0)30 1234567",
    "+44 (0)20 7946 0958",
    "+4915112345678",
    "0049 30 1234567",
    "07911 123456",
    "07911123456",
    "030/1234567",
    "(030) 1234567",
    "(0)30 1234567",
    "01 23 45 67 89",
]
OTHERS = [
    "550e8400-e29b-41d4-a716-446655440000",
    "12345678-1234-1234-1234-123456789012",
    "2026-11-20 14:02:11.123456",
    "2026-11-20T14:02:11+00:00",
    "2026-11-20 14:02",
    "2026-11-20",
    "20.11.2026",
    "01/02/2026",
    "14:02:11.123456",
    "0",
    "1234567",
    "123456789",
    "000123456",
    "1,234,567,890",
    "1,234,567.89",
    "1234567890.12",
    "0.30000000000000004",
    "-0.5",
    "order-5558675309",
    "ord_0123456789",
    "A-100-200-3000",
    "127.0.0.1",
    "99.5%",
    "3,000 rows on 2026-11-19; the 28 days before had 1,234 on average, 1,000 to 1,500 are expected.",
    "The newest is from 2026-11-20 14:02 UTC, 51.0 hours ago; at most 36 hours are allowed.",
]


@pytest.mark.parametrize("telephone", TELEPHONES)
def test_a_telephone_number_is_masked_wherever_it_stands(telephone: str) -> None:
    assert masked(telephone) == "[telephone]"
    assert masked(f"Call {telephone}, or 2026-11-20 12.50") == "Call [telephone], or 2026-11-20 12.50"
    assert masked(f"2026-11-20 {telephone} (home)") == "2026-11-20 [telephone] (home)"


@pytest.mark.parametrize("text", OTHERS)
def test_an_id_a_time_or_an_amount_is_left_as_it_is(text: str) -> None:
    assert masked(text) == text
    assert masked(f"{text} and {text}") == f"{text} and {text}"


def test_mail_is_masked() -> None:
    assert masked("ana.b+c@mail.person.example, 07911 123456") == "[mail], [telephone]"


@pytest.mark.parametrize("text", ["1" * 70_000, "x" * 70_000, "1." * 35_000, "+1 " * 25_000, "0(" * 35_000])
def test_a_text_of_any_length_takes_no_time(text: str) -> None:
    begun = time.perf_counter()
    masked(text)
    assert time.perf_counter() - begun < 2


def shown(column: str, value: object) -> str:
    """A value as a sample of one row shows it."""
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as select ? as {column}", [value])
        ((text,),) = sample(connection, "main.rows").rows
    return text


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("status", "preparing", "preparing"),
        ("event_type", "add_to_cart", "add_to_cart"),
        ("tracking_id", "550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("status", "", ""),
        ("status", None, ""),
        ("status", "Ana Berg", "[text]"),
        ("promo_id", "7 Long Street", "[text]"),
        ("shipping_service", "<!channel>", "[text]"),
        ("event_type", "Zoë", "[text]"),
        ("event_type", "ana@person.example", "[text]"),
        ("status", "x" * 41, "[text]"),
        ("status", "555-867-5309", "[telephone]"),
        ("reason", "must be a number", "must be a number"),
        ("file", "my orders.csv", "my orders.csv"),
        ("order_id", UUID("550e8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000"),
        ("total", 5558675309, "5558675309"),
        ("built", True, "True"),
    ],
)
def test_a_sample_shows_ids_and_enumerations_and_no_free_text(column: str, value: object, text: str) -> None:
    assert shown(column, value) == text
