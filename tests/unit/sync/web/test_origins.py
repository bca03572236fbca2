import pytest

from services.sync.web.origins import may_connect

ALLOWED = ("https://app.example.com",)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, None),
        (None, "a.example.com"),
        ("https://a.example.com", "a.example.com"),
        ("https://A.example.com", "a.example.com"),
        ("https://a.example.com", "a.example.com:443"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://app.example.com", "a.example.com"),
        ("https://app.example.com", None),
    ],
)
def test_pages_that_may(origin: str | None, host: str | None) -> None:
    assert may_connect(origin, host, ALLOWED)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://b.example.com", "a.example.com"),
        ("https://a.example.com:444", "a.example.com"),
        ("http://a.example.com", "a.example.com:443"),
        ("https://a.example.com", None),
        ("https://app.example.com.evil.com", "a.example.com"),
        ("https://app.example.com:443", "a.example.com"),
        ("ws://a.example.com", "a.example.com"),
        ("a.example.com", "a.example.com"),
        ("https://", ""),
        ("null", "null"),
        ("", ""),
        ("https://user@a.example.com", "a.example.com"),
    ],
)
def test_pages_that_may_not(origin: str, host: str | None) -> None:
    assert not may_connect(origin, host, ALLOWED)
