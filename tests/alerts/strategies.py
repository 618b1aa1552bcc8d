"""Incidents of every kind, for hypothesis: any text, any number, any state."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from greenery_assets.alerts.incidents import Finding, Incident, MartState, Outcome, Sample, Severity, Subject
from tests.alerts.told import NASTY

anything = st.one_of(
    st.text(max_size=60),
    st.sampled_from(NASTY),
    st.builds(lambda piece: piece * 2000, st.sampled_from(["&", "<", "x ", "\U0001f331", "`*_~"])),
)
times = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
huge = st.integers(0, 10**30)


@st.composite
def incidents(draw: st.DrawFn) -> Incident:
    columns = draw(st.lists(anything, max_size=4))
    rows = draw(st.lists(st.tuples(*(anything for _ in columns)), max_size=12))
    subject = Subject(draw(anything), draw(anything), draw(anything))
    worded = ("statement", "owner", "assumption", "why", "remedy", "reason", "kept_in")
    finding = Finding(
        subject=subject,
        outcome=draw(st.sampled_from([Outcome.FAILED, Outcome.ERRORED])),
        severity=draw(st.sampled_from(Severity)),
        failing_rows=draw(huge),
        rows_checked=draw(st.none() | huge),
        sample=Sample(tuple(columns), tuple(rows)),
        **{field: draw(anything) for field in worded},
    )
    marts = st.builds(MartState, anything, st.booleans(), st.none() | times)
    return Incident(
        subject,
        draw(st.integers(1, 10**6)),
        draw(times),
        draw(anything),
        finding,
        draw(anything),
        inhibited_by=draw(st.none() | st.builds(Subject, anything, anything)),
        is_flapping=draw(st.booleans()),
        acknowledged_by=draw(anything),
        resolved_at=draw(st.none() | times),
        resolved_by_run=draw(st.sampled_from(["", "run-2"])),
        marts=tuple(draw(st.lists(marts, max_size=40))),
        held_back=draw(huge),
    )


@st.composite
def several(draw: st.DrawFn) -> list[Incident]:
    """Few different incidents, perhaps many times: hypothesis draws small things better than long lists."""
    return draw(st.lists(incidents(), min_size=1, max_size=3)) * draw(st.sampled_from([1, 2, 30]))
