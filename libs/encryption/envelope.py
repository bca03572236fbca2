"""The stored form of an encrypted field, and the data key that makes and reads it.

Knows nothing of where keys come from. Layout, in bytes:

    format (1) | id of the data key (16) | nonce (12) | ciphertext (as the plaintext) | tag (16)

The additional authenticated data are tenant, table, column, key version and row id, each behind
its length: a value moved to another row, column, table, tenant or key version does not open.
"""

from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.encryption.errors import DecryptionFailed
from libs.encryption.primitives import (
    KEY_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    length_prefixed,
    open_sealed,
)
from libs.encryption.registry import ENCRYPTED_FIELDS, Field

FORMAT = b"\xa1"  # never starts a UTF-8 text or a JSON document
_ID_END = 1 + 16
KEY_ID = slice(1, _ID_END)
_NONCE_END = _ID_END + NONCE_BYTES
NONCE = slice(_ID_END, _NONCE_END)
OVERHEAD_BYTES = _NONCE_END + TAG_BYTES


def key_id_of(blob: bytes) -> bytes:
    """The 16 bytes of the id of the key that a stored value names.

    Raises:
        DecryptionFailed: not a stored value of this format.
    """
    if blob[:1] != FORMAT or len(blob) < OVERHEAD_BYTES:
        raise DecryptionFailed
    return blob[KEY_ID]


class DataKey:
    """A subject's 256-bit key, ready for use; the parts of the AAD that repeat are kept."""

    __slots__ = ("_cipher", "_header", "_prefixes", "_tenant", "id", "version")

    def __init__(self, tenant: str, key_id: UUID, version: int, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise DecryptionFailed
        self.id = key_id
        self.version = version
        self._tenant = tenant
        self._cipher = AESGCM(key)
        self._header = FORMAT + key_id.bytes
        self._prefixes: dict[Field, bytes] = {}

    def seal(self, field: Field, row_id: UUID, data: bytes, nonce: bytes) -> bytes:
        """The stored form of `data`.

        Args:
            nonce: 12 bytes from `os.urandom`, used once; the caller makes them for a whole batch.
        Raises:
            ValueError: `field` is not registered as encrypted.
        """
        try:
            aad = self._prefixes[field] + row_id.int.to_bytes(16)  # `bytes` takes twice as long
        except KeyError:
            aad = self._prefix(field) + row_id.bytes
        return self._header + nonce + self._cipher.encrypt(nonce, data, aad)

    def open(self, field: Field, row_id: UUID, blob: bytes) -> bytes:
        """The plaintext of a stored value.

        Raises:
            DecryptionFailed: altered, or sealed with another key or for another place.
            ValueError: `field` is not registered as encrypted.
        """
        if not blob.startswith(self._header):
            raise DecryptionFailed
        try:
            aad = self._prefixes[field] + row_id.int.to_bytes(16)
        except KeyError:
            aad = self._prefix(field) + row_id.bytes
        return open_sealed(self._cipher, blob[_ID_END:_NONCE_END], blob[_NONCE_END:], aad)

    def _prefix(self, field: Field) -> bytes:
        if field not in ENCRYPTED_FIELDS:
            raise ValueError(f"{field.table}.{field.column} is not registered as encrypted")
        names = (self._tenant.encode(), field.table.encode(), field.column.encode())
        row_id_length = (16).to_bytes(4)
        prefix = length_prefixed(*names, self.version.to_bytes(4)) + row_id_length
        self._prefixes[field] = prefix
        return prefix
