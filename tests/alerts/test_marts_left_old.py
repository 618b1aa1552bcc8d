"""What is mended while the marts made from it are not built yet: that is said until a run builds them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.incidents import AD_HOC_JOB, Incident, MartState
from greenery_assets.alerts.lifecycle import rebuilt, retire
from greenery_assets.alerts.messages import group_message, incident_message
from tests.alerts.builders import JOB, LINEAGE, START, SUBJECTS, Story, findings, run
from tests.alerts.shop import Shop
from tests.alerts.told import READER, STALE, YESTERDAY, assert_slack_takes, incident, resolved, retired, shown, title
from tests.slack.fake import FakeSlack

MARTS = ["marketing/users", "product/daily"]


def states(of: Incident | None) -> dict[str, bool]:
    assert of
    return {mart.asset: mart.is_refreshed for mart in of.marts}


CASES: list[tuple[str, str, list[str], str, list[str], list[bool]]] = [
    # what is told | found | built | then found | then built | whether each mart is up to date
    ("an ERROR, and a run builds all", "staged=F3", [], "staged=P", ["staging/orders", *MARTS], [True, True]),
    ("an ERROR, and a run builds a part", "staged=F3", [], "staged=P", ["staging/orders", MARTS[0]], [True, False]),
    ("an ERROR, and nothing is built", "staged=F3", [], "staged=P", [], [False, False]),
    ("an ERROR that let a mart be built of it", "staged=F3", MARTS[:1], "staged=P", ["staging/orders"], [False, False]),
    ("a warning, and a run builds all", "staged=f3", MARTS, "staged=P", ["staging/orders", *MARTS], [True, True]),
    ("a warning, and a run builds only what it is about", "staged=f3", MARTS, "staged=P", ["raw/orders"], [False] * 2),
    ("a warning, and nothing is built", "staged=f3", MARTS, "staged=P", [], [True, True]),
    ("a warning of chosen assets, and nothing is built", "staged=f3", [], "staged=P", [], [True, True]),
]


@pytest.mark.parametrize(
    ("found", "built", "then", "then_built", "expected"), [pytest.param(*row[1:], id=row[0]) for row in CASES]
)
def test_what_is_resolved_knows_which_marts_hold_the_data_of_before(
    found: str, built: list[str], then: str, then_built: list[str], expected: list[bool]
) -> None:
    story = Story()
    story.see(findings(found), built=built)
    story.see(findings(then), built=then_built, job=AD_HOC_JOB)
    left = story.state[SUBJECTS["staged"]].incident
    assert states(left) == dict(zip(MARTS, expected, strict=True))
    assert left
    assert [mart.asset for mart in left.stale_marts] == [
        mart for mart, is_new in zip(MARTS, expected, strict=True) if not is_new
    ]


def test_when_marts_are_of_is_known_though_the_run_that_resolved_it_did_not_build_them() -> None:
    story = Story()
    story.see(findings("staged=F3"))
    later = replace(run(9, findings("staged=P"), ended_at=story.now), data_of={})
    story.observe(later)
    left = story.state[SUBJECTS["staged"]].incident
    assert left
    assert [mart.data_of for mart in left.stale_marts] == [START, START]


def test_what_is_built_later_is_up_to_date_and_of_that_time() -> None:
    left = resolved(incident(marts=STALE))
    at = YESTERDAY + timedelta(days=3)
    later = replace(run(9, built=["core/fact_orders"]), data_of={"core/fact_orders": at})
    assert rebuilt(left, later).marts == (STALE[0], MartState("core/fact_orders", True, at))


@pytest.mark.parametrize(("found", "is_refreshed"), [("staged=F3", False), ("staged=f3", True)])
def test_of_what_is_no_longer_checked_only_an_error_left_marts_old(found: str, is_refreshed: bool) -> None:
    story = Story()
    story.see(findings(found))
    state, _ = retire(story.state, LINEAGE, set(), {JOB}, story.now)
    assert set(states(state[SUBJECTS["staged"]].incident).values()) == {is_refreshed}


# In words

NEW = tuple(replace(mart, is_refreshed=True) for mart in STALE)
OLD = "Not refreshed yet, still with the data of 21 Nov 06:04 UTC: core: fact_orders; marketing: fact_repeat_rate"


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (resolved(incident()), [": stg_events has recovered, 2 tables not refreshed yet", OLD]),
        (
            resolved(incident(marts=(STALE[0], NEW[1]))),
            [
                ", 1 table not refreshed yet",
                "Figures that were affected, up to date again: core: fact_orders\n"
                "Not refreshed yet, still with the data of 21 Nov 06:04 UTC: marketing: fact_repeat_rate",
            ],
        ),
        (retired(incident()), ["no longer part of the project, 2 tables not refreshed yet", OLD]),
    ],
)
def test_a_resolved_incident_names_the_marts_that_are_still_old(of: Incident, says: list[str]) -> None:
    message = incident_message(of, READER)
    assert_slack_takes(message)
    for part in says:
        assert part in shown(message)


def test_once_all_is_built_nothing_is_said_to_be_old() -> None:
    said = shown(incident_message(resolved(incident(marts=NEW)), READER))
    assert "Figures that were affected, up to date again: core: fact_orders; marketing: fact_repeat_rate" in said
    assert "ot refreshed" not in said


def test_a_group_counts_each_old_mart_once() -> None:
    over = group_message([resolved(incident()), resolved(incident(name="b"))], READER)
    assert title(over) == ":white_check_mark: All 2 problems are resolved, 2 tables not refreshed yet"
    assert OLD in shown(over)


def test_what_is_still_open_does_not_hide_what_another_left_stale() -> None:
    said = shown(group_message([resolved(incident()), incident(name="b", marts=())], READER))
    assert "Not refreshed, still with the data of 21 Nov 06:04 UTC: core: fact_orders; marketing: fact_re" in said


# From runs to Slack


@pytest.fixture
def passed(shop: Shop, alerts: Alerts) -> Callable[..., None]:
    def run(found: str = "", job: str = JOB) -> None:
        shop.run(found, job=job)
        alerts.run_pass()

    return run


def test_marts_that_were_not_built_are_told_until_they_are(passed: Callable[..., None], slack: FakeSlack) -> None:
    passed()
    passed("staged=F3")
    passed(job="staging_orders")
    (root,) = slack.messages("data-alerts")
    (reply,) = slack.thread("data-alerts", root.ts)
    assert "has recovered, 2 tables not refreshed yet" in root.text
    assert "marketing: users; product: daily" in root.text.split("Not refreshed yet, still with the data of")[1]
    assert "2 tables not refreshed yet" in reply.text
    (digest,) = slack.messages("data-daily")
    assert "Not refreshed, still with the data of" in digest.text
    assert (
        ":warning: *Not all figures are current: 2 checks not evaluated. Marketing and product figures are from"
        in digest.text
    )

    passed(job="marketing_users")
    assert "1 table not refreshed yet" in slack.messages("data-alerts")[0].text
    passed(job="product_daily")
    (root,) = slack.messages("data-alerts")
    assert "ot refreshed" not in root.text
    assert "up to date again:* marketing: users; product: daily" in root.text
    assert len(slack.thread("data-alerts", root.ts)) == 1
    assert ":white_check_mark: *All 5 checks hold.*" in slack.messages("data-daily")[0].text


def test_what_an_earlier_episode_left_old_is_kept_current_too(passed: Callable[..., None], slack: FakeSlack) -> None:
    for found, job in (("", JOB), ("staged=F3", JOB), ("", "staging_orders"), ("staged=F3", "staging_orders")):
        passed(found, job)
    passed()
    assert len(slack.messages("data-alerts")) == 2
    assert not any("ot refreshed" in root.text for root in slack.messages("data-alerts"))


def test_a_mart_that_is_gone_from_the_project_is_not_awaited(
    shop: Shop, alerts: Alerts, passed: Callable[..., None], slack: FakeSlack
) -> None:
    passed("staged=F3")
    passed(job="staging_orders")
    lineage = shop.catalogue.lineage
    kept = {name: group for name, group in lineage.groups.items() if group != "marketing"}
    alerts.catalogue = replace(alerts.catalogue, lineage=replace(lineage, groups=kept))
    alerts.mind_the_time(datetime.now(UTC))
    alerts.deliver()
    (digest,) = slack.messages("data-daily")
    assert "marketing" not in digest.text
    assert "Product figures are" in digest.text
