"""What the servicers of authorization share."""

from libs.aip.paging import Page, bad_token
from libs.auth.identity import is_name
from libs.errors import invalid
from libs.service.caller import Caller
from services.governance.authorization.domain.policies import COLLECTION
from services.governance.authorization.domain.roles import Person

_SUITE = "aeterna:"  # what the ids of the suite's own policies begin with


def person(current: Caller) -> Person:
    """Who calls, as the rules know him."""
    identity, agent = current.identity, current.asker.principal.agent
    if agent is None:
        return Person(identity.subject, identity.roles)
    agents = (identity.agent, *identity.delegation)
    return Person(identity.subject, identity.roles, agents, agent.capabilities, agent.max_depth)


def named(user: str, field: str) -> str:
    """The name of a user, if a token could have it.

    Raises:
        InvalidRequest: It could not; `field` is named.
    """
    if not is_name(user):
        raise invalid(field, "must be printable, not blank, and at most 256 bytes")
    return user


def after(page: Page) -> str:
    """The text in a page token; "" for the first page."""
    match page.key:
        case None:
            return ""
        case [str(key)]:
            return key
    raise bad_token()


def is_own(policy: str) -> bool:
    """Whether it is one of the tenant's own, not one of the suite's."""
    return not policy.startswith(_SUITE)


def policy_name(policy: str) -> str:
    """As clients know it: the resource name of the tenant's own."""
    return f"{COLLECTION}/{policy}" if is_own(policy) else policy
