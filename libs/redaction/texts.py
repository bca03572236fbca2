"""Secrets, e-mail addresses and addresses of the network.

Patterns repeat within bounds, and begin where a word begins: no text makes them slow.
"""

import ipaddress
import re

from libs.redaction.matching import replaced

_WORD = r"(?<![A-Za-z0-9_-])"  # where a token may begin
_TOKENS = "|".join(
    (
        r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # Amazon
        r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
        r"glpat-[\w-]{20,64}",
        r"xox[abeposr]-[A-Za-z0-9-]{10,255}|xapp-[A-Za-z0-9-]{20,255}",  # Slack
        r"sk-(?:proj-|ant-|svcacct-|or-)?(?=[\w-]{0,64}\d)[\w-]{20,255}",  # OpenAI and others
        r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,255}|whsec_[A-Za-z0-9]{24,255}",  # Stripe
        r"AIza[\w-]{35}|ya29\.[\w-]{20,512}",  # Google
        r"SG\.[\w-]{16,64}\.[\w-]{16,64}",  # SendGrid
        r"npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,512}|hf_[A-Za-z0-9]{30,64}|dop_v1_[a-f0-9]{64}",
        r"hv[sb]\.[\w-]{24,255}",  # Vault
        r"eyJ[\w-]{10,2048}\.eyJ[\w-]{10,8192}\.[\w-]{16,2048}",  # JSON web tokens
    )
)
_KEY = (
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----)){0,16384}-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:\\n|\s){1,4}[A-Za-z0-9+/=\s\\]{40,16384})"
)
_SECRETS = re.compile(f"{_KEY}|{_WORD}(?:{_TOKENS})(?![A-Za-z0-9_])")
_IN_URL = re.compile(r"(?<=://)(?P<value>[^\s/:@\[\]]{1,64}:[^\s/@\[\]]{1,128})(?=@)")
_BEARER = re.compile(r"\b[Bb]earer +(?P<value>[A-Za-z0-9._~+/-]{20,4096}=*)")
_ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)"
    r"[\"']?(?: is |\s{0,3}[:=]{1,2}\s{0,3})[\"'`]?(?P<value>[^\s\"'`\[\]<>{}()$,;]{8,256})",
    re.IGNORECASE,
)
_EMAIL = re.compile(
    r"(?<![\w.%+'-])(?:mailto:)?(?P<value>[\w][\w.%+'-]{0,63}"
    r"@(?!\d{1,9}\.\d)(?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_]{2,24})(?![\w-]|:[\w~./-]{0,128}/)"
)
_MAC = re.compile(
    r"(?<![\w:.-])[0-9A-Fa-f]{2}(?P<by>[:-])(?:[0-9A-Fa-f]{2}(?P=by)){4}[0-9A-Fa-f]{2}(?![\w:-])"
)
_IPV4 = re.compile(r"(?<![\w.+-])\d{1,3}(?:\.\d{1,3}){3}(?![\w/-]|\.\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{6,39}(?![\w/:])")


def secret(text: str, by: str) -> str:
    """Private keys, tokens with a maker's prefix, and what is said to be a password or a key."""
    text = replaced(text, _SECRETS, by, lambda _: True, False)
    text = replaced(text, _IN_URL, by, lambda _: True, False)
    text = replaced(text, _BEARER, by, _mixed, False)
    return replaced(text, _ASSIGNED, by, _mixed, False)


def email(text: str, by: str) -> str:
    """E-mail addresses; not `git@host:path`, nor versions (`react@18.2.0`)."""
    return replaced(text, _EMAIL, by, lambda _: True, False)


def mac(text: str, by: str) -> str:
    """Hardware addresses."""
    return replaced(text, _MAC, by, lambda found: len(set(found)) > 2, True)


def address(text: str, by: str) -> str:
    """Addresses of one machine; not networks, masks, loopback, nor versions that say so."""
    return replaced(replaced(text, _IPV4, by, _host, True), _IPV6, by, _host, True)


def _mixed(value: str) -> bool:
    """Whether it is no word: has a digit and a letter, or a sign beside them, and is no path."""
    digit, letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    sign = any(each in "!@#%^&*+=?|" for each in value)
    path = value.startswith(("/", "./", "http://", "https://")) or value.count("/") > 1
    return letter and (digit or sign) and not path


def _host(value: str) -> bool:
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return False
    if found.is_loopback or found.is_unspecified or found.is_multicast:
        return False
    if found.version == 4:
        return 0 < int(found) >> 24 < 240 and value.rsplit(".", 1)[1] != "0"
    groups = [group for group in value.split(":") if group]
    return len(groups) > 2 and any(each.isdigit() for each in value)
