from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from libs.embedded.postgres import PostgresServer

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(names, names, names)
def test_a_dsn_carries_any_names(sockets: str, database: str, user: str) -> None:
    parts = urlsplit(PostgresServer(Path("/", sockets)).dsn(database, user))

    assert unquote(parts.netloc) == f"{user}@"
    assert unquote(parts.path) == f"/{database}"
    assert parse_qs(parts.query) == {"host": [str(Path("/", sockets))], "port": ["5432"]}
