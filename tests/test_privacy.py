"""What may be shown of rows and files: what a contract knows, by type or value, and no other text, however plain."""

import time
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from greenery_assets.dbt.project import prepared_manifest
from greenery_assets.privacy import (
    SHAREABLE_COLUMNS,
    SHOWN_DATA_TYPES,
    Texts,
    files_below,
    finding,
    known_texts,
    masked,
    preview,
    sample,
    shown_file,
    without_file_names,
)

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
    "3,000 rows on 2026-11-19, 1,000 to 1,500 are expected: the 28 days before had 1,234 on average.",
    "The newest row is 51.0 hours old, 36 hours are allowed (2026-11-20 14:02 UTC).",
    "only 25 events on 25 Nov (111 to 184 expected).",
    "2 of 389 order totals do not add up (off by $2.00 in all).",
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
    assert time.perf_counter() - begun < 10


TABLES = ("orders", "order_items", "users")
WORDS = st.from_regex(r"[A-Za-z]{3,12}", fullmatch=True)
# What people are called and reached by, in the forms that pass for an id, a code or a column's name as well.
PERSONAL = st.one_of(
    WORDS,
    st.lists(WORDS, min_size=2, max_size=3).flatmap(
        lambda words: st.sampled_from(["-", "_", " ", ".", "/", ":", ", "]).map(lambda joint: joint.join(words))
    ),
    WORDS.map(lambda word: f"{word}@person.example"),
    st.from_regex(r"\+?[0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{4}", fullmatch=True),
    st.tuples(st.integers(1, 999), WORDS).map(lambda parts: f"{parts[0]} {parts[1]} Street"),
    st.text(min_size=1),
)


@pytest.fixture(scope="module")
def texts() -> Texts:
    """What the project's own contract knows."""
    return known_texts(prepared_manifest())


def shown(column: str, value: object, texts: Texts) -> str:
    """A value as a sample of one row shows it."""
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as select ? as {column}", [value])
        ((text,),) = sample(connection, "main.rows", texts).rows
    return text


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("status", "preparing", "preparing"),
        ("status", "inactive", "inactive"),
        ("event_type", "add_to_cart", "add_to_cart"),
        ("shipping_service", "ups", "ups"),
        ("is_first_order", "Y", "Y"),
        ("step", "checked_out", "checked_out"),
        ("indicator", "package_never_received", "package_never_received"),
        ("difference", "ordered, not in the cart", "ordered, not in the cart"),
        ("difference", 0.25, "0.25"),
        ("total", "dollars", "dollars"),
        ("source_table", "users", "users"),
        ("column_name", "email, created_at", "email, created_at"),
        ("column_name", "email, Jane", "[text]"),
        ("file", "orders.csv", "orders.csv"),
        ("file", "orders/2026-11-20.csv", "orders/2026-11-20.csv"),
        ("file", "orders/jane.doe@mail.com.csv", "orders/[name].csv"),
        ("status", "", ""),
        ("status", None, ""),
        ("status", "Jane", "[text]"),
        ("status", "ups", "[text]"),
        ("promo_id", "Jane-Doe", "[text]"),
        ("tracking_id", "Jane", "[text]"),
        ("tracking_id", "00000000-0000-0000-0000-005558675309", "[text]"),
        ("reason", "Jane", "[text]"),
        ("step", "Jane", "[text]"),
        ("shipping_service", "<!channel>", "[text]"),
        ("event_type", "555-867-5309", "[text]"),
        ("order_id", ["Jane"], "[text]"),
        ("order_id", UUID("550e8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000"),
        ("created_at", datetime(2026, 11, 20, 14, 2), "2026-11-20 14:02:00"),
        ("day", date(2026, 11, 20), "2026-11-20"),
        ("order_total", Decimal("12.50"), "12.50"),
        ("quantity", -3, "-3"),
        ("built", True, "True"),
    ],
)
def test_a_sample_shows_what_a_contract_knows_and_no_other_text(
    column: str, value: object, text: str, texts: Texts
) -> None:
    assert shown(column, value, texts) == text


@settings(deadline=None)
@given(text=PERSONAL)
def test_no_text_that_no_contract_knows_is_shown_in_any_column(text: str, texts: Texts) -> None:
    columns = sorted(SHAREABLE_COLUMNS)
    assume(all(text not in texts.get(column, ()) for column in columns) and shown_file(text, TABLES) != text)
    with duckdb.connect() as connection:
        names = ", ".join(f"? as {column}" for column in columns)
        connection.execute(f"create table rows as select {names}, ? as first_name", [text] * (len(columns) + 1))
        for table in (sample(connection, "main.rows", texts), preview(connection, "main.rows", texts)):
            ((*row,),) = table.rows
            assert table.columns == tuple(columns)
            assert {value.partition(".")[0] for value in row} <= {"[text]", "[name]"}
        template = "|".join(f"{{{column}}}" for column in (*columns, "first_name"))
        said = finding(connection, "main.rows", template, texts)
        assert {value.partition(".")[0] for value in said.split("|")} <= {"[text]", "[name]"}


def test_a_finding_names_the_columns_of_up_to_three_rows(texts: Texts) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table rows as select unnest(['dollars', 'Jane']) as total, 3 as built")
        said = finding(connection, "main.rows", "{total}: {built} here.", texts)
    assert said == "[text]: 3 here. dollars: 3 here."


@pytest.mark.parametrize(
    ("rows", "said"), [(1, "1 order has two."), (2, "2 orders have two."), (1200, "1,200 orders have two.")]
)
def test_a_finding_counts_its_rows(texts: Texts, rows: int, said: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as select * from range({rows})")
        assert finding(connection, "main.rows", "{n} {n:order has|orders have} two.", texts) == said
        connection.execute("create table events as select range // 2 as order_id from range(6)")
        template = "{n.order_id} {n.order_id:order|orders}, {n} {n:event|events}."
        assert finding(connection, "main.events", template, texts) == "3 orders, 6 events."
        template = "{n} of {of} totals do not add up (off by ${sum.off_by} in all)."
        connection.execute("create table totals as select 1.5::decimal(18, 2) as off_by from range(2)")
        said = finding(connection, "main.totals", template, texts, rows_checked=4_389)
        assert said == "2 of 4,389 totals do not add up (off by $3.00 in all)."


def test_words_of_our_own_are_shown_where_they_are_said_to_be(texts: Texts) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table rows as select 'not a UUID' as reason, 'Jane' as status")
        (row,) = sample(connection, "main.rows", texts, own=["reason"]).rows
    assert row == ("not a UUID", "[text]")


def test_the_contract_knows_every_value_that_our_own_models_write(built_warehouse: Path, texts: Texts) -> None:
    """A value that the SQL writes and the YAML does not name would be masked."""
    written = {
        ("marketing", "fact_repeat_indicators"): "indicator",
        ("product", "fact_funnel"): "step",
        ("product", "fact_funnel_by_product"): "step",
        ("core", "fact_orders"): "is_first_order",
        ("product", "fact_page_views"): "event_type",
        ("core", "dim_orders"): "status",
    }
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        for (schema, table), column in written.items():
            found = connection.execute(f"select distinct {column} from {schema}.{table}").fetchall()
            assert {value for (value,) in found} <= set(texts[column]), (table, column)


def test_dbt_shows_the_types_that_the_warehouse_has_of_what_may_be_shown(built_warehouse: Path) -> None:
    """macros/log_built_relation.sql goes by the names of types: of another one nothing would be seen."""
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        found: list[tuple[Any, ...]] = connection.execute(
            "select distinct lower(split_part(data_type, '(', 1)) from information_schema.columns "
            "where list_contains(?, column_name) and table_schema not in ('quality', 'landing')",
            [sorted(SHAREABLE_COLUMNS)],
        ).fetchall()
    assert {name for (name,) in found} <= {*SHOWN_DATA_TYPES, "varchar"}


@pytest.mark.parametrize(
    "name",
    [
        "orders.csv",
        "orders.parquet",
        "Orders.CSV",
        "orders.csv.gz",
        "orders",
        "orders/2026-11.csv",
        "orders/2026-11-20.csv",
        "orders/20261120.parquet",
        "orders/orders_2026-11-20.csv",
        "orders/2026-11-20T0600.csv",
        "orders/2026-11-20_0600_2.csv",
        "orders/2026-11-20_part-0001.parquet",
        "orders/0001.csv",
        "orders/part-0001.parquet",
        "orders/part-00000-550e8400-e29b-41d4-a716-446655440000-c000.snappy.parquet",
        "order_items/order_items-1.csv",
    ],
)
def test_the_name_of_a_file_is_shown_in_the_forms_that_exports_have(name: str) -> None:
    assert shown_file(name, TABLES) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jane.csv", "[name].csv"),
        ("jane.doe@mail.com.csv", "[name].csv"),
        ("orders.jane.csv", "[name].csv"),
        ("jane", "[name]"),
        ("orders/jane.parquet", "orders/[name].parquet"),
        ("orders/orders_jane.csv", "orders/[name].csv"),
        ("orders/555-867-5309.csv", "orders/[name].csv"),
        ("orders/5558675309.csv", "orders/[name].csv"),
        ("orders/2012-555-5309.csv", "orders/[name].csv"),
        ("orders/2026-11-20 jane.csv", "orders/[name].csv"),
        ("orders/2026-11-20.jane", "orders/[name]"),
        ("jane/2026-11-20.csv", "[name].csv"),
        ("orders/jane/2026-11-20.csv", "[name].csv"),
        ("/home/jane/orders.csv", "[name].csv"),
    ],
)
def test_any_other_name_of_a_file_is_masked(name: str, text: str) -> None:
    assert shown_file(name, TABLES) == text


def test_a_file_is_found_by_its_place_where_its_name_is_masked(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    for name in ("Jane.csv", "users.csv", "orders/jane.doe@mail.com.csv", "orders/2026-11-20.csv", "orders/_skipped"):
        (tmp_path / name).touch()
    names = files_below(tmp_path)
    text = (
        f"{tmp_path}/orders/jane.doe@mail.com.csv lacks the column price. {tmp_path}/users.csv is fine. "
        "Jane.csv is there; is it users?"
    )
    assert without_file_names(text, names, TABLES) == (
        f"{tmp_path}/orders/[file 2 of 2 by name].csv lacks the column price. {tmp_path}/users.csv is fine. "
        "[file 1 of 3 by name].csv is there; is it users?"
    )
    assert files_below(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "written", [r"/x/Jos\xe9.csv is empty.", "/x/Jos\udce9.csv is empty.", r"/x/Jos\udce9.csv is empty."]
)
def test_a_name_that_is_not_utf8_is_masked_however_it_is_escaped(written: str) -> None:
    assert without_file_names(written, ["Jos\udce9.csv"], TABLES) == "/x/[file 1 of 1 by name].csv is empty."


def test_every_enumeration_is_taken_from_the_project_itself(texts: Mapping[str, Any]) -> None:
    assert texts["status"] == {"active", "inactive", "preparing", "shipped", "delivered"}
    assert texts["shipping_service"] == {"ups", "fedex", "usps", "dhl"}
    assert "promo_id" not in texts
