"""The part of the object graph that is about keys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aeterna.governance.v1 import keys_pb2 as pb
from aeterna.governance.v1 import keys_pb2_grpc as pb_grpc
from libs.auth.clock import utc_now
from libs.encryption.store import PostgresKeyStore
from libs.operations import Handler
from libs.operations.api import OperationsServicer
from libs.operations.store import Operations
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.keys import reencryption, retirement, rewrapping, rotation
from services.governance.keys.api import KeyServicer, KmsServicer
from services.governance.keys.settings import KeySettings
from services.governance.keys.store import PostgresKeys


@dataclass(frozen=True)
class KeyParts:
    """What does operations on keys, and what makes the servicers once operations can be shown."""

    handlers: Sequence[Handler]
    registrations: Callable[[OperationsServicer], Sequence[Registration]]


def key_parts(settings: KeySettings, platform: Platform, operations: Operations) -> KeyParts:
    """Everything about keys."""
    keyring, store = platform.keyring, PostgresKeyStore()
    keys = PostgresKeys(platform.wakeups)
    rotate_all = rotation.RotateAll(keys, keyring, utc_now)
    rewrap = rewrapping.Rewrap(keys, store, keyring)
    reencrypt = reencryption.Reencrypt(keys, keyring, settings.rows_per_second)
    retire = retirement.Retire(keys, utc_now, settings.retire_grace)
    handlers = [
        Handler(rotation.KIND, pb.RotateSubjectKeysResponse, rotate_all),
        Handler(rewrapping.KIND, pb.RewrapTenantKeysResponse, rewrap),
        Handler(reencryption.KIND, pb.ReencryptFieldsResponse, reencrypt),
        Handler(retirement.KIND, pb.RetireKeysResponse, retire),
    ]

    def registrations(shown: OperationsServicer) -> Sequence[Registration]:
        rotating = rotation.Rotation(keys, store, keyring)
        servicer = KeyServicer(rotating, keys, operations, shown, keyring)
        return [
            Registration(
                "aeterna.governance.v1.KeyService",
                partial(pb_grpc.add_KeyServiceServicer_to_server, servicer),
            ),
            Registration(
                "aeterna.governance.v1.KmsService",
                partial(pb_grpc.add_KmsServiceServicer_to_server, KmsServicer(platform.kms)),
                routed=False,
            ),
        ]

    return KeyParts(handlers, registrations)
