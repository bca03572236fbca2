"""The platform administrator of a running suite."""

import pytest

from tests.integration.governance.support import Administrator
from tests.suite import Suite


@pytest.fixture
def admin(suite: Suite) -> Administrator:
    return Administrator(suite)
