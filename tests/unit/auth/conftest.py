"""One issuer with a key of every kind, and an authenticator that trusts it."""

import pytest

from libs.auth import Authenticator
from tests.unit.auth.support import ISSUER, KEYS, Clock, Endpoint, authenticator_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(*KEYS)


@pytest.fixture
def authenticator(clock: Clock, endpoint: Endpoint) -> Authenticator:
    return authenticator_of(clock, {ISSUER: endpoint})
