"""Keys, the audit trail, consent and erasure."""

from base64 import b64encode

from google.protobuf.message import Message

from aeterna.governance.v1 import audit_pb2, consent_pb2, erasure_pb2, keys_pb2
from cli.views.cells import Columns, enum, of, time
from cli.views.common import CHANGED

_CONSENT: Columns = {
    "SUBJECT": lambda each: each.subject,
    "PURPOSE": lambda each: each.purpose,
    "STATE": lambda each: enum(consent_pb2.ConsentState, each.state),
    "UPDATED": lambda each: time(each.update_time),
    "EXPIRES": lambda each: time(each.expire_time),
}
COLUMNS: dict[type[Message], Columns] = {
    consent_pb2.Consent: _CONSENT,
    consent_pb2.ConsentEvent: {
        **of(_CONSENT, lambda each: each.consent),
        "ACTOR": lambda each: each.actor,
    },
    erasure_pb2.Erasure: {
        "NAME": lambda each: each.name,
        "STRATEGY": lambda each: enum(erasure_pb2.ErasureStrategy, each.strategy),
        "STATE": lambda each: enum(erasure_pb2.ErasureState, each.state),
        "CREATED": lambda each: time(each.create_time),
        "COMPLETE": lambda each: time(each.complete_time),
        "REFERENCE": lambda each: each.reference,
    },
    audit_pb2.AuditEntry: {
        **CHANGED,
        "EVENT": lambda each: each.event,
        "HASH": lambda each: each.hash.hex()[:12],
    },
    audit_pb2.AuditCheckpoint: {
        "NUMBER": lambda each: str(each.number),
        "SIGNED": lambda each: time(each.create_time),
        "KEY": lambda each: each.key_id,
        "HASH": lambda each: each.hash.hex(),
    },
    audit_pb2.SigningKey: {
        "KEY": lambda each: each.key_id,
        "CURRENT": lambda each: "yes" if each.current else "no",
        "PUBLIC KEY": lambda each: b64encode(each.public_key).decode(),
    },
    keys_pb2.TenantKey: {
        "NAME": lambda each: each.name,
        "PRIMARY": lambda each: "yes" if each.primary else "",
        "SUBJECT KEYS": lambda each: str(each.subject_keys),
        "CREATED": lambda each: time(each.create_time),
        "KMS KEY": lambda each: each.kms_key,
    },
    keys_pb2.SubjectKey: {
        "NAME": lambda each: each.name,
        "SUBJECT": lambda each: each.subject,
        "V": lambda each: str(each.version),
        "PRIMARY": lambda each: "yes" if each.primary else "",
        "TENANT KEY": lambda each: str(each.tenant_key_version),
        "USES": lambda each: str(each.uses),
        "CREATED": lambda each: time(each.create_time),
    },
    keys_pb2.KmsKey: {
        "PROVIDER": lambda each: each.provider,
        "KEY ID": lambda each: each.key_id,
        "STATE": lambda each: each.state,
        "VERSIONS": lambda each: str(each.versions),
        "CREATED": lambda each: time(each.create_time),
        "DELETION": lambda each: time(each.deletion_time),
    },
}
