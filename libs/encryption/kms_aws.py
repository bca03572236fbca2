"""AWS KMS through boto3. The context of a wrapped key is AWS's encryption context.

boto3 blocks, so each call runs on a thread of its own pool; timeouts and repeats are botocore's.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from libs.encryption.errors import (
    DecryptionFailed,
    KmsAccessDenied,
    KmsKeyDisabled,
    KmsKeyMissing,
    KmsUnavailable,
    KmsUnusable,
)
from libs.encryption.kms import Context, GeneratedKey, KmsDescription, WrappedKey
from libs.errors import AppError

if TYPE_CHECKING:
    from mypy_boto3_kms.client import KMSClient

T = TypeVar("T")

_PROVIDER = "aws"
_ATTEMPTS = 3
_CALLS = 8  # at the same time
_LISTED = 100
_FAILED = ("InvalidCiphertextException", "IncorrectKeyException")
_MISSING = ("NotFoundException", "InvalidArnException", "InvalidKeyId", "ValidationException")
_DISABLED = ("DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException")
_DENIED = (
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "IncompleteSignature",
    "NotAuthorized",
    "OptInRequired",
)


class AwsKms:
    """`Kms` under a key of AWS; a wrapped key names the ARN that wrapped it."""

    is_production_safe = True

    def __init__(
        self, key: str, region: str | None, endpoint_url: str | None, timeout: timedelta
    ) -> None:
        """`key` is an ARN, an id or alias/name; credentials come from boto3's own chain."""
        config = Config(
            connect_timeout=timeout.total_seconds(),
            read_timeout=timeout.total_seconds(),
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_CALLS,
        )
        self._key = key
        try:
            self._client: KMSClient = boto3.Session().client(
                "kms", region_name=region, endpoint_url=endpoint_url, config=config
            )
        except NoRegionError as exc:
            raise KmsUnusable("no region is set for AWS") from exc
        self._threads = ThreadPoolExecutor(_CALLS, "kms")

    def close(self) -> None:
        """Ends its threads; calls under way are left to end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def generate(self, context: Context) -> GeneratedKey:
        """See `Kms`."""
        made = await self._call(
            self._key,
            lambda: self._client.generate_data_key(
                KeyId=self._key, KeySpec="AES_256", EncryptionContext=dict(context)
            ),
        )
        return GeneratedKey(made["Plaintext"], WrappedKey(made["KeyId"], made["CiphertextBlob"]))

    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        """See `Kms`."""
        made = await self._call(
            self._key,
            lambda: self._client.encrypt(
                KeyId=self._key, Plaintext=plaintext, EncryptionContext=dict(context)
            ),
        )
        return WrappedKey(made["KeyId"], made["CiphertextBlob"])

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """See `Kms`."""
        made = await self._call(
            wrapped.key_id,
            lambda: self._client.decrypt(
                KeyId=wrapped.key_id,
                CiphertextBlob=wrapped.ciphertext,
                EncryptionContext=dict(context),
            ),
        )
        return made["Plaintext"]

    async def rewrap(self, wrapped: WrappedKey, context: Context) -> WrappedKey:
        """See `Kms`."""
        made = await self._call(
            wrapped.key_id,
            lambda: self._client.re_encrypt(
                CiphertextBlob=wrapped.ciphertext,
                SourceKeyId=wrapped.key_id,
                SourceEncryptionContext=dict(context),
                DestinationKeyId=self._key,
                DestinationEncryptionContext=dict(context),
            ),
        )
        return WrappedKey(made["KeyId"], made["CiphertextBlob"])

    async def rotate(self) -> str:
        """See `Kms`: on demand, under the same ARN."""
        key_id = (await self.describe()).key_id
        await self._call(key_id, lambda: self._client.rotate_key_on_demand(KeyId=key_id))
        return key_id

    async def describe(self) -> KmsDescription:
        """See `Kms`."""
        return await self._describe(self._key)

    async def keys(self) -> Sequence[KmsDescription]:
        """See `Kms`: those of the account."""
        listed = await self._call("", lambda: self._client.list_keys(Limit=_LISTED))
        return [await self._describe(each["KeyArn"]) for each in listed["Keys"]]

    def owns(self, key_id: str) -> bool:
        """See `Kms`."""
        return key_id.startswith("arn:")

    async def _describe(self, key: str) -> KmsDescription:
        found = await self._call(key, lambda: self._client.describe_key(KeyId=key))
        about = found["KeyMetadata"]
        arn, state = about["Arn"], about["KeyState"]
        usable = state == "Enabled"
        rotation: Any = {}
        rotations = []
        if usable:
            rotation = await self._call(
                arn, lambda: self._client.get_key_rotation_status(KeyId=arn)
            )
            listed = await self._call(arn, lambda: self._client.list_key_rotations(KeyId=arn))
            rotations = listed["Rotations"]
        return KmsDescription(
            provider=_PROVIDER,
            key_id=arn,
            created_at=about["CreationDate"],
            versions=1 + len(rotations),
            state=state.lower() if usable else state,
            automatic=bool(rotation.get("KeyRotationEnabled")),
            deletion_at=about.get("DeletionDate"),
        )

    async def _call(self, key_id: str, call: Callable[[], T]) -> T:
        """A call to AWS, off the event loop."""
        with _errors(key_id):
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)


@contextmanager
def _errors(key_id: str) -> Iterator[None]:
    """Turns what boto3 raises into what callers know; the rest is an outage."""
    try:
        yield
    except ParamValidationError:  # an empty ciphertext, or a key id of another service
        raise DecryptionFailed from None
    except ClientError as exc:
        raise _refusal(key_id, exc.response["Error"].get("Code", "")) from exc
    except (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError) as exc:
        raise KmsAccessDenied(_PROVIDER) from exc
    except BotoCoreError as exc:
        raise KmsUnavailable(_PROVIDER) from exc


def _refusal(key_id: str, code: str) -> AppError:
    if code in _FAILED:
        return DecryptionFailed()
    if code in _MISSING:
        return KmsKeyMissing(key_id)
    if code in _DISABLED:
        return KmsKeyDisabled(key_id)
    if code in _DENIED:
        return KmsAccessDenied(_PROVIDER)
    return KmsUnavailable(_PROVIDER)  # throttled, or failed inside
