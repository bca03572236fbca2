"""Makes an empty server ready for migrations: the owner role, the database, the vector extension.

Needs a superuser; everything after it does not. In a cluster the chart's own bootstrap does it.
"""

import asyncpg

from libs.postgres import CONTROL_ROLE, SERVICE_ROLE

OWNER_ROLE = "aeterna_owner"  # owns every table; services never connect as it
_ROLES = {
    OWNER_ROLE: "LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE",
    SERVICE_ROLE: "LOGIN NOSUPERUSER NOBYPASSRLS",
    CONTROL_ROLE: "LOGIN NOSUPERUSER NOBYPASSRLS",
    "aeterna_projector": "NOLOGIN NOSUPERUSER NOBYPASSRLS",
}


async def ensure_roles(superuser: asyncpg.Connection, password: str | None = None) -> None:
    """Creates the roles that are missing; those that log in get the password, if one is given."""
    for role, options in _ROLES.items():
        known = await superuser.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        if not known:
            await superuser.execute(f"CREATE ROLE {role} {options}")
        if password and not options.startswith("NOLOGIN"):
            await superuser.execute(f"ALTER ROLE {role} PASSWORD {_literal(password)}")
    await superuser.execute(f"GRANT aeterna_projector TO {OWNER_ROLE}")


async def ensure_database(superuser: asyncpg.Connection, name: str) -> None:
    """Creates the database if it is missing, owned by the owner role."""
    if not await superuser.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await superuser.execute(f'CREATE DATABASE "{name}" OWNER {OWNER_ROLE}')


async def ensure_extension(superuser: asyncpg.Connection) -> None:
    """Installs pgvector in the database that the connection is for."""
    await superuser.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _literal(value: str) -> str:
    """A string constant of SQL, for statements that take no parameters."""
    if "\\" in value or "\0" in value:
        raise ValueError("a password holds neither backslash nor NUL")
    return "'" + value.replace("'", "''") + "'"
