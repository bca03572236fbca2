"""Which tokens are genuine: algorithms, keys, tampering and attacks on the format."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from libs.auth import Authenticator, TokenInvalid, TokenMissing
from libs.auth.signatures import KeyName, PublicKey, parse_keys, parse_token, sign
from libs.errors import AppError, Kind
from tests.unit.auth.support import (
    EC,
    ED,
    ISSUER,
    KEYS,
    RSA,
    STRANGER,
    Clock,
    Endpoint,
    Jwk,
    PrivateKey,
    authenticator_of,
    issuer_settings,
    jwk,
    key_set,
    make_claims,
    make_token,
    segment,
    signed,
    unhurried,
)

ALGORITHMS: list[tuple[str, str, PrivateKey]] = [
    ("RS256", "rsa", RSA),
    ("ES256", "ec", EC),
    ("EdDSA", "ed", ED),
]
PUBLIC_FORMS = [
    RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    KEYS[0]["n"].encode(),
    base64.urlsafe_b64decode(KEYS[0]["n"] + "=="),
    b"",
]
WEAK_MODULUS = generate_rsa(65537, 1024).public_key().public_numbers().n
WEAK = {"kty": "RSA", "n": segment(WEAK_MODULUS.to_bytes(128)), "e": "AQAB", "kid": "a"}
UNTRUE = ["cannot be verified"]


@pytest.mark.parametrize(("algorithm", "key_id", "key"), ALGORITHMS)
async def test_each_algorithm_is_accepted(
    authenticator: Authenticator, algorithm: str, key_id: str, key: PrivateKey
) -> None:
    token = make_token(key=key, header={"alg": algorithm, "kid": key_id})

    assert (await authenticator.authenticate(token)).subject == "ann"


@pytest.mark.parametrize("secret", PUBLIC_FORMS)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256"])
async def test_a_public_key_is_no_secret(
    authenticator: Authenticator, secret: bytes, algorithm: str
) -> None:
    await refused(authenticator, make_token(key=secret, header={"alg": algorithm, "kid": "rsa"}))


async def refused(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        await authenticator.authenticate(token)
    assert [*caught.value.metadata.values()] == UNTRUE


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5, ["EdDSA"], {}])
async def test_unsigned_tokens_are_refused(authenticator: Authenticator, algorithm: Any) -> None:
    await refused(authenticator, make_token(header={"alg": algorithm}))
    await refused(authenticator, unsigned({"alg": algorithm, "kid": "ed"}))


def unsigned(header: object) -> str:
    return signed(header, make_claims(), b"").rpartition(".")[0] + "."


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "ES384", "ES256K", "Ed25519"])
async def test_other_algorithms_are_refused(authenticator: Authenticator, algorithm: str) -> None:
    for _, key_id, key in ALGORITHMS:
        await refused(authenticator, make_token(key=key, header={"alg": algorithm, "kid": key_id}))


async def test_a_key_verifies_its_own_algorithm_only(authenticator: Authenticator) -> None:
    crossed = [(a, k, key) for a, *_ in ALGORITHMS for b, k, key in ALGORITHMS if a != b]
    for algorithm, key_id, key in crossed:
        await refused(authenticator, make_token(key=key, header={"alg": algorithm, "kid": key_id}))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": 5},
        {"kid": ["ed"]},
        {"kid": "unknown"},
        {"kid": "../ed"},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": 5},
    ],
)
async def test_headers_that_cannot_be_honoured_are_refused(
    authenticator: Authenticator, header: Mapping[str, Any]
) -> None:
    await refused(authenticator, make_token(header=header))


@pytest.mark.parametrize("key_id", ["ed", "stranger"])
async def test_keys_inside_or_named_by_the_token_are_not_used(
    authenticator: Authenticator, key_id: str
) -> None:
    own = {"jwk": jwk(STRANGER, key_id), "jku": "https://evil.example/keys", "kid": key_id}

    await refused(authenticator, make_token(key=STRANGER, header=own))


async def test_header_fields_without_a_meaning_here_are_ignored(
    authenticator: Authenticator,
) -> None:
    token = make_token(header={"typ": "at+jwt", "x5t": "abc", "nonce": "123"})

    assert await authenticator.authenticate(token)


async def test_an_issuer_speaks_for_itself_only(clock: Clock, endpoint: Endpoint) -> None:
    other = issuer_settings(issuer="https://other.example")
    endpoints = {ISSUER: endpoint, other.issuer: Endpoint(jwk(STRANGER, "ed"))}
    authenticator = authenticator_of(clock, endpoints, [issuer_settings(), other])

    await refused(authenticator, make_token(key=STRANGER))
    accepted = await authenticator.authenticate(make_token(key=STRANGER, iss=other.issuer))

    assert accepted.issuer == other.issuer


@unhurried
@given(st.data())
async def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    authenticator = authenticator_of(Clock(), {ISSUER: Endpoint(*KEYS)})
    algorithm, key_id, key = data.draw(st.sampled_from(ALGORITHMS))
    token = make_token(key=key, header={"alg": algorithm, "kid": key_id})
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters().filter(lambda other: other != token[place]))

    await refused_without_echo(authenticator, token[:place] + character + token[place + 1 :])


async def refused_without_echo(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(AppError) as caught:
        await authenticator.authenticate(token)
    assert caught.value.kind is Kind.UNAUTHENTICATED
    assert len(token) < 20 or token not in str(caught.value)


header_values = st.none() | st.integers() | st.text() | st.lists(st.text())
headers = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]), header_values)
parts = st.binary().map(segment) | st.text() | headers.map(str)
tokens = st.text(min_size=1) | st.lists(parts, min_size=1, max_size=6).map(".".join).filter(bool)


@unhurried
@given(tokens)
async def test_garbage_is_refused(token: str) -> None:
    authenticator = authenticator_of(Clock(), {ISSUER: Endpoint(*KEYS)})

    await refused_without_echo(authenticator, token)


@unhurried
@given(headers, st.binary())
async def test_garbage_with_a_header_is_refused(header: Jwk, payload: bytes) -> None:
    authenticator = authenticator_of(Clock(), {ISSUER: Endpoint(*KEYS)})

    await refused_without_echo(authenticator, signed({"alg": "EdDSA", **header}, payload, ED))


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"5", b"{", b"\xff", b"[" * 5000, b'{"exp":' + b"1" * 5000 + b"}"],
)
async def test_payloads_that_are_no_object_are_refused(
    authenticator: Authenticator, payload: bytes
) -> None:
    await refused(authenticator, signed({"alg": "EdDSA", "kid": "ed"}, payload, ED))


@pytest.mark.parametrize("header", [b"", b"[]", b'["alg"]', b"5", b'"alg"', b"{", b"[" * 5000])
async def test_headers_that_are_no_object_are_refused(
    authenticator: Authenticator, header: bytes
) -> None:
    await refused(authenticator, signed(header, make_claims(), ED))


async def test_a_genuine_token_that_is_too_long_is_refused(authenticator: Authenticator) -> None:
    await refused(authenticator, make_token(note="a" * 8192))


@pytest.mark.parametrize("changed", ["{}=", " {}", "{}\n", "{}.", ".{}"])
async def test_a_token_has_one_spelling(authenticator: Authenticator, changed: str) -> None:
    await refused(authenticator, changed.format(make_token()))


async def test_unused_bits_are_zero(authenticator: Authenticator) -> None:
    token = make_token()  # 64 bytes of signature: the last character has four unused bits
    twin = {"A": "B", "Q": "R", "g": "h", "w": "x"}[token[-1]]

    await refused(authenticator, token[:-1] + twin)


async def test_no_token_is_missing(authenticator: Authenticator) -> None:
    with pytest.raises(TokenMissing):
        await authenticator.authenticate("")


@pytest.mark.filterwarnings("ignore:Key size should be:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "junk",
    [
        "not an object",
        {},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "a"},
        {"kty": ["RSA"], "kid": "a"},
        {"kty": "RSA", "n": "AQAB", "kid": "a"},
        {**KEYS[0], "kid": 5},
        {**KEYS[0], "kid": ""},
        {**KEYS[0], "use": "enc"},
        {**KEYS[0], "alg": "PS256"},
        {**KEYS[0], "n": "!"},
        {**KEYS[1], "key_ops": ["encrypt"]},
        {**KEYS[1], "alg": "ES384"},
        {**KEYS[1], "x": KEYS[1]["y"]},
        {**KEYS[2], "crv": "X25519"},
        {**KEYS[2], "x": "AAAA"},
        {name: value for name, value in KEYS[2].items() if name != "kid"},
        jwk(generate_private_key(SECP384R1()), "a"),
        WEAK,
        {**OKPKey.import_key(STRANGER).as_dict(private=True), "kid": "a"},
    ],
)
def test_keys_that_cannot_be_used_are_left_out(junk: object) -> None:
    assert [*parse_keys(key_set(junk, jwk(EC, "good")))] == [KeyName("good", "ES256")]


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"5", b"{}", b'{"keys": 5}', b"[" * 10000])
def test_other_documents_are_no_key_set(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"JWK set|Expecting"):
        parse_keys(document)


@pytest.mark.parametrize(
    "private", [RSAKey.import_key(RSA), ECKey.import_key(EC), OKPKey.import_key(ED)]
)
def test_what_is_signed_verifies(private: RSAKey | ECKey | OKPKey) -> None:
    published = {**private.as_dict(private=False), "kid": "own"}
    (key,) = parse_keys(key_set(published)).values()

    token = parse_token(sign({"sub": "ann"}, "own", private))

    assert key.verifies(token)
    assert not PublicKey(KeyName("other", key.name.algorithm), key.key).verifies(token)
