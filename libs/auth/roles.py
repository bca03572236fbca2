"""The roles of people and agents. Pure."""

from enum import StrEnum


class Role(StrEnum):
    """What a role may do is said by the policies."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    TECH_LEAD = "tech_lead"
    ARCHITECT = "architect"
    ADMIN = "admin"
    TENANT_ADMIN = "tenant_admin"
    PLATFORM_ADMIN = "platform_admin"
    AGENT = "agent"
