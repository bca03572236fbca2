"""Calls are counted by tenant and period."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs.tenancy import TenantId
from libs.traffic import PERIOD, Count, Traffic, period_of

_ACME, _BOLT = TenantId("acme"), TenantId("bolt")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(moments)
def test_a_moment_is_in_the_period_that_began_last(moment: datetime) -> None:
    period = period_of(moment)

    assert timedelta(0) <= moment - period < PERIOD
    assert (period.minute % 5, period.second, period.microsecond) == (0, 0, 0)


def test_counts_are_taken_once_and_may_be_put_back() -> None:
    moment = datetime(2026, 1, 1, 12, 4, 59, tzinfo=UTC)
    traffic = Traffic(lambda: moment)
    traffic.count(_ACME, 0.5, failed=False)
    traffic.count(_ACME, 1.0, failed=True)
    traffic.count(_BOLT, 2.0, failed=False)

    taken = traffic.take()

    period = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert taken == {(_ACME, period): Count(2, 1, 1.5), (_BOLT, period): Count(1, 0, 2.0)}
    assert traffic.take() == {}
    traffic.count(_ACME, 0.5, failed=False)
    traffic.put_back((_ACME, period), taken[_ACME, period])
    assert traffic.take() == {(_ACME, period): Count(3, 1, 2.0)}
