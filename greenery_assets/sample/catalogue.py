"""What the sample shop sells and the promotions it runs: invented, none of it from the real export.

Only the fixed lists and the two small tables made of them belong here; people are in `people`.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from greenery_assets.sample.columns import Floats, Ids, Ints, random_uuids, uuid_column

PLANTS = [
    "African Violet", "Air Plant", "Asparagus Fern", "Bromeliad", "Burro's Tail", "Cast Iron Plant",
    "Chinese Evergreen", "Coffee Plant", "Corn Plant", "Croton", "Dumb Cane", "English Ivy", "Hoya Carnosa",
    "Kalanchoe", "Kentia", "Lemon Tree", "Lipstick Plant", "Maidenhair", "Nerve Plant", "Norfolk Island Pine",
    "Oxalis", "Parlor Palm", "Polka Dot Plant", "Prayer Plant", "Sago Palm", "Staghorn Fern", "String of Hearts",
    "Umbrella Tree", "Wandering Dude", "Yucca",
]  # fmt: skip
PROMOS = ["first bloom", "green-thumb", "repot", "Sunlit", "wild garden", "Rooted"]
PROMO_DISCOUNTS_USD = [5, 12, 8, 15, 18, 3]
ACTIVE_PROMO = "repot"

QUARTER_CENTS = 25
PRICE_QUARTERS = (60, 380)
INVENTORY_PIECES = (40, 100)
MOST_TO_LEAST_POPULAR = (1.5, 0.6)


@dataclass(frozen=True)
class Catalogue:
    """The products and promos of one sample; arrays run over PLANTS and over PROMOS."""

    product_ids: Ids
    price_cents: Ints
    inventory: Ints
    popularity: Floats
    discount_cents: Ints

    def products_table(self) -> pa.Table:
        """Return one row per product, its price still in cents."""
        return pa.table(
            {
                "product_id": uuid_column(self.product_ids),
                "name": pa.array(PLANTS),
                "price_cents": self.price_cents,
                "inventory": self.inventory,
            }
        )

    def promos_table(self) -> pa.Table:
        """Return one row per promo, its discount still in cents."""
        return pa.table(
            {
                "promo_id": pa.array(PROMOS),
                "discount_cents": self.discount_cents,
                "status": ["active" if promo == ACTIVE_PROMO else "inactive" for promo in PROMOS],
            }
        )


def draw_catalogue(rng: np.random.Generator) -> Catalogue:
    """Draw ids, prices, stock and popularity for every plant."""
    count = len(PLANTS)
    low, high = PRICE_QUARTERS
    fewest, most = INVENTORY_PIECES
    catalogue = Catalogue(
        product_ids=random_uuids(rng, count),
        price_cents=rng.integers(low, high, count, endpoint=True) * QUARTER_CENTS,
        inventory=rng.integers(fewest, most, count, endpoint=True),
        popularity=rng.permutation(np.linspace(*MOST_TO_LEAST_POPULAR, count)),
        discount_cents=np.array(PROMO_DISCOUNTS_USD) * 100,
    )
    # The plant that sells best is sold out.
    catalogue.inventory[catalogue.popularity.argmax()] = 0
    return catalogue
