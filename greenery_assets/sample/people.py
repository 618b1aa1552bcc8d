"""The sample's users and addresses, from Faker.

Faker fills bounded pools of names, streets and places; rows combine them by vectorised draws, so a
million users cost little more than a hundred. When users act is decided in `plan`.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from faker import Faker
from faker.providers.address.en_US import Provider as UsAddresses

from greenery_assets.sample.columns import Ids, Ints, random_uuids, timestamp_column, uuid_column
from greenery_assets.sample.plan import DAY_SECONDS

POOL_SIZE = 2_000
ADDRESSES_PER_USER = 1.15
ACCOUNT_AGE_DAYS = (1, 400)
# Faker lists the capital's district among the abbreviations but not among the states.
STATES = list(zip([a for a in UsAddresses.states_abbr if a != "DC"], UsAddresses.states, strict=True))


@dataclass(frozen=True)
class People:
    """One sample's users and addresses; `home` is each user's row in `address_ids`."""

    user_ids: Ids
    address_ids: Ids
    home: Ints
    users_table: pa.Table
    addresses_table: pa.Table


def draw_people(rng: np.random.Generator, seed: int, users: int, first_second: int, last_second: int) -> People:
    """Draw `users` people with accounts older than `first_second` (seconds since 1970)."""
    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(seed)
    addresses = max(users, round(users * ADDRESSES_PER_USER))
    user_ids, address_ids = random_uuids(rng, users), random_uuids(rng, addresses)
    home = rng.permutation(addresses)[:users]
    return People(
        user_ids=user_ids,
        address_ids=address_ids,
        home=home,
        users_table=_users(rng, fake, user_ids, address_ids[home], first_second=first_second, last_second=last_second),
        addresses_table=_addresses(rng, fake, address_ids),
    )


def _users(
    rng: np.random.Generator, fake: Faker, user_ids: Ids, homes: Ids, *, first_second: int, last_second: int
) -> pa.Table:
    count = len(user_ids)
    pool = min(count, POOL_SIZE)
    first_names = _draw(rng, [fake.first_name() for _ in range(pool)], count)
    last_names = _draw(rng, [fake.last_name() for _ in range(pool)], count)
    mailbox = pc.utf8_lower(pc.binary_join_element_wise(first_names, last_names, "."))
    number = pc.cast(pa.array(np.arange(count)), pa.string())
    youngest, oldest = ACCOUNT_AGE_DAYS
    created = first_second - rng.integers(youngest * DAY_SECONDS, oldest * DAY_SECONDS, count)
    return pa.table(
        {
            "user_id": uuid_column(user_ids),
            "first_name": first_names,
            "last_name": last_names,
            "email": pc.binary_join_element_wise(mailbox, number, "@example.com", ""),
            "phone_number": _draw(rng, [fake.numerify("%##-555-01##") for _ in range(pool)], count),
            "created_at": timestamp_column(created),
            "updated_at": timestamp_column(created + rng.integers(0, last_second - created, endpoint=True)),
            "address_id": uuid_column(homes),
        }
    )


def _addresses(rng: np.random.Generator, fake: Faker, address_ids: Ids) -> pa.Table:
    count = len(address_ids)
    pool = min(count, POOL_SIZE)
    places = fake.random_choices(STATES, length=pool)
    place = pa.array(rng.integers(0, pool, count))
    house = pc.cast(pa.array(rng.integers(1, 10_000, count)), pa.string())
    street = _draw(rng, [fake.street_name() for _ in range(pool)], count)
    return pa.table(
        {
            "address_id": uuid_column(address_ids),
            "address": pc.binary_join_element_wise(house, street, " "),
            "zipcode": pa.array([fake.postcode_in_state(short) for short, _ in places]).take(place),
            "state": pa.array([state for _, state in places]).take(place),
            "country": pa.array(["United States"]).take(pa.array(np.zeros(count, dtype=np.int8))),
        }
    )


def _draw(rng: np.random.Generator, pool: list[str], count: int) -> pa.Array:
    return pa.array(pool).take(pa.array(rng.integers(0, len(pool), count)))
