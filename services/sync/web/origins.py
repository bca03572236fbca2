"""Which pages may open a WebSocket (RFC 6454). Pure.

Browsers say which page asks; other programs say nothing, or what they like. No right hangs on it:
that is what tokens are for.
"""

from collections.abc import Collection

_PORTS = {"http": "80", "https": "443"}


def may_connect(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of `origin` may connect to `host`: to where it came from, or as allowed.

    Args:
        origin: Of the page; None for what is none.
        host: As the request names this server. The scheme is not compared: TLS may end before.
        allowed: Origins, as browsers write them.
    """
    if origin is None or origin.lower() in allowed:
        return True
    scheme, separator, place = origin.lower().partition("://")
    if not separator or scheme not in _PORTS or not host:
        return False
    return _with_port(place, _PORTS[scheme]) == _with_port(host.lower(), _PORTS[scheme])


def _with_port(place: str, default: str) -> str:
    _, colon, port = place.rpartition(":")
    return place if colon and port.isdecimal() else f"{place}:{default}"
