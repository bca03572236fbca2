"""gRPC servicers of keys: translate, nothing else."""

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from aeterna.governance.v1 import keys_pb2 as pb
from aeterna.governance.v1 import keys_pb2_grpc as pb_grpc
from libs.aip.filtering import Comparison, Field, Kind, parse
from libs.aip.paging import Page
from libs.encryption import SubjectKeyNotFound
from libs.encryption.keyring import Keyring
from libs.encryption.kms import Kms, KmsDescription
from libs.operations import Fields, Operation
from libs.operations.api import OperationsServicer
from libs.operations.asking import asking
from libs.operations.store import Operations
from libs.service.caller import caller
from libs.service.convert import asked, timestamp
from libs.service.pipeline import Context
from services.governance.keys.domain import SubjectKey, TenantKey
from services.governance.keys.ports import Keys
from services.governance.keys.reencryption import KIND as REENCRYPT
from services.governance.keys.retirement import KIND as RETIRE
from services.governance.keys.rewrapping import KIND as REWRAP
from services.governance.keys.rotation import KIND as ROTATE
from services.governance.keys.rotation import Rotation
from services.governance.keys.store import SUBJECT_KEYS, TENANT_KEYS

_FILTER = {
    "subject": Field("k.subject_id", Kind.TEXT),
    "version": Field("k.version", Kind.NUMBER),
    "uses": Field("k.uses", Kind.NUMBER),
    "create_time": Field("k.created_at", Kind.TIME),
}


class KeyServicer(pb_grpc.KeyServiceServicer):
    """`aeterna.governance.v1.KeyService` over rotation, the keys and the operations."""

    def __init__(
        self,
        rotation: Rotation,
        keys: Keys,
        operations: Operations,
        shown: OperationsServicer,
        keyring: Keyring,
    ) -> None:
        self._rotation, self._keys, self._keyring = rotation, keys, keyring
        self._operations, self._shown = operations, shown

    async def ListTenantKeys(
        self, request: pb.ListTenantKeysRequest, context: Context
    ) -> pb.ListTenantKeysResponse:
        current = caller()
        binding = f"ListTenantKeys/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._keys.tenant_keys(current.route, page.after_number(), page.limit)
        shown, token = page.cut(found, lambda key: key.version)
        return pb.ListTenantKeysResponse(tenant_keys=map(_tenant_key, shown), next_page_token=token)

    async def ListSubjectKeys(
        self, request: pb.ListSubjectKeysRequest, context: Context
    ) -> pb.ListSubjectKeysResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListSubjectKeys/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._keys.subject_keys(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda key: key.id)
        return pb.ListSubjectKeysResponse(
            subject_keys=map(_subject_key, shown), next_page_token=token
        )

    async def RotateTenantKey(
        self, request: pb.RotateTenantKeyRequest, context: Context
    ) -> pb.TenantKey:
        current = caller()
        by = await asked(current, self._keyring, "RotateTenantKey", request)
        version = await self._rotation.tenant(current.route, by)
        (key,) = await self._keys.tenant_keys(current.route, version + 1, 1)
        return _tenant_key(key)

    async def RotateSubjectKey(
        self, request: pb.RotateSubjectKeyRequest, context: Context
    ) -> pb.SubjectKey:
        current = caller()
        by = await asked(current, self._keyring, "RotateSubjectKey", request)
        made = await self._rotation.subject(current.route, by, request.subject)
        where = [Comparison("id", Field("k.id::text", Kind.TEXT), "=", str(made))]
        found = await self._keys.subject_keys(current.route, where, None, 1)
        if not found:
            raise SubjectKeyNotFound  # destroyed since the request was answered first
        return _subject_key(found[0])

    async def RotateSubjectKeys(
        self, request: pb.RotateSubjectKeysRequest, context: Context
    ) -> operations_pb2.Operation:
        age = request.older_than.ToTimedelta().total_seconds()
        return await self._begin(ROTATE, request, {"older_than": age})

    async def RewrapTenantKeys(
        self, request: pb.RewrapTenantKeysRequest, context: Context
    ) -> operations_pb2.Operation:
        return await self._begin(REWRAP, request, {})

    async def ReencryptFields(
        self, request: pb.ReencryptFieldsRequest, context: Context
    ) -> operations_pb2.Operation:
        return await self._begin(REENCRYPT, request, {"rows_per_second": request.rows_per_second})

    async def RetireKeys(
        self, request: pb.RetireKeysRequest, context: Context
    ) -> operations_pb2.Operation:
        return await self._begin(RETIRE, request, {"validate_only": request.validate_only})

    async def _begin(
        self, kind: str, request: Message, parameters: Fields
    ) -> operations_pb2.Operation:
        current = caller()
        by = await asked(current, self._keyring, kind, request)
        parameters = {**parameters, **asking(by.origin)}
        begun: Operation = await self._operations.begin(current.route, by, kind, parameters)
        return self._shown.message(begun)


class KmsServicer(pb_grpc.KmsServiceServicer):
    """`aeterna.governance.v1.KmsService` over the key management service."""

    def __init__(self, kms: Kms) -> None:
        self._kms = kms

    async def GetKmsKey(self, request: pb.GetKmsKeyRequest, context: Context) -> pb.KmsKey:
        return _kms_key(await self._kms.describe())

    async def ListKmsKeys(
        self, request: pb.ListKmsKeysRequest, context: Context
    ) -> pb.ListKmsKeysResponse:
        return pb.ListKmsKeysResponse(kms_keys=map(_kms_key, await self._kms.keys()))

    async def RotateKmsKey(self, request: pb.RotateKmsKeyRequest, context: Context) -> pb.KmsKey:
        await self._kms.rotate()
        return _kms_key(await self._kms.describe())


def _tenant_key(key: TenantKey) -> pb.TenantKey:
    return pb.TenantKey(
        name=f"{TENANT_KEYS}/{key.version}",
        version=key.version,
        kms_key=key.kms_key_id,
        subject_keys=key.subject_keys,
        primary=key.primary,
        create_time=timestamp(key.created_at),
    )


def _subject_key(key: SubjectKey) -> pb.SubjectKey:
    return pb.SubjectKey(
        name=f"{SUBJECT_KEYS}/{key.id}",
        subject=key.subject,
        version=key.version,
        tenant_key_version=key.tenant_key_version,
        uses=key.uses,
        primary=key.primary,
        create_time=timestamp(key.created_at),
    )


def _kms_key(key: KmsDescription) -> pb.KmsKey:
    return pb.KmsKey(
        provider=key.provider,
        key_id=key.key_id,
        state=key.state,
        create_time=timestamp(key.created_at),
        versions=key.versions,
        automatic_rotation=key.automatic,
        deletion_time=timestamp(key.deletion_at) if key.deletion_at else None,
    )
