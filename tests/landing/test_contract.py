"""The contract file: what it gives, and what it must not say."""

from pathlib import Path

import pytest

from greenery_assets.landing import SUPPORTED_TYPES, ContractError, read_contract

PROJECT = Path(__file__).parents[2]


def test_the_projects_own_contract_is_read() -> None:
    contract = read_contract(PROJECT / "dbt_project/models/sources.yml")
    assert list(contract) == ["users", "addresses", "products", "promos", "orders", "order_items", "events"]
    assert [column.name for column in contract["order_items"].columns] == [
        "order_id",
        "product_id",
        "quantity",
    ]
    assert contract["products"].columns[2].data_type == "decimal(18,2)"
    assert {column.data_type for t in contract.values() for column in t.columns} <= set(SUPPORTED_TYPES)


def test_a_type_may_be_written_with_spaces_and_capitals(tmp_path: Path) -> None:
    path = _written(tmp_path, "[{name: price, data_type: 'DECIMAL(18, 2)'}]")
    assert read_contract(path)["items"].columns[0].data_type == "decimal(18,2)"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("[{name: a, data_type: money}]", "gives items.a the type 'money'; landing knows uuid, text"),
        ("[{name: a}]", "every column a name and a data_type"),
        ("[{name: a, data_type: text}, {name: A, data_type: text}]", "names the column a more than once"),
        ("[]", "has 0 columns"),
        ("[", "cannot be read"),
    ],
)
def test_a_wrong_contract_is_refused(tmp_path: Path, columns: str, words: str) -> None:
    with pytest.raises(ContractError) as caught:
        read_contract(_written(tmp_path, columns))
    assert words in str(caught.value)


def test_a_missing_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_contract(tmp_path / "none.yml")


def _written(folder: Path, columns: str) -> Path:
    path = folder / "sources.yml"
    path.write_text(f"sources: [{{name: raw, tables: [{{name: items, columns: {columns}}}]}}]")
    return path
