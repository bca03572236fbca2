"""Storing what a group of commands has made of documents, in the group's one statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.encryption.keyring import Sealer
from libs.encryption.registry import DOCUMENT_EDIT, DOCUMENT_FIELDS, DOCUMENT_SNAPSHOT
from libs.spine import Write
from services.sync.documents.domain.document import Edit, State, edit_id, snapshot_id
from services.sync.documents.store.rows import (
    changed,
    edit_content,
    edit_values,
    fields_content,
    inserted,
    snapshot_content,
)

SNAPSHOT_EVERY = (
    100  # versions: to open a document is to read one snapshot and no more edits than that
)
_THOUSAND = 1000  # versions of which one snapshot is kept, beside the newest

_INSERT = """
    INSERT INTO aeterna.shared_document (tenant_id, id, kind, layer, org_id, team_id, project_id,
        author, created_at, updated_at, version, oldest_version, number, item, saved_version,
        saving_version, edits_since, fields)
    SELECT $1, r.* FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bigint[],
        $12::bigint[], $13::bigint[], $14::uuid[], $15::bigint[], $16::bigint[],
        $17::timestamptz[], $18::bytea[]) AS r
"""
_CHANGED = """
    UPDATE aeterna.shared_document AS d SET updated_at = n.updated_at, version = n.version,
        oldest_version = n.oldest_version, number = n.number, item = n.item,
        saved_version = n.saved_version, saving_version = n.saving_version,
        edits_since = n.edits_since{set}
    FROM unnest($2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::uuid[], $8::bigint[], $9::bigint[], $10::timestamptz[]{array})
        AS n (id, updated_at, version, oldest_version, number, item, saved_version,
            saving_version, edits_since{name})
    WHERE d.tenant_id = $1 AND d.id = n.id
"""
_UPDATE = _CHANGED.format(set="", array="", name="")
_UPDATE_ALL = _CHANGED.format(set=", fields = n.fields", array=", $11::bytea[]", name=", fields")
_EDITS = """
    INSERT INTO aeterna.shared_document_edit (tenant_id, document_id, version, id, number, person,
        edited_at, origin, takes_back, request_id, inserted, deleted, content)
    SELECT $1, r.* FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::bigint[], $6::text[],
        $7::timestamptz[], $8::text[], $9::bigint[], $10::uuid[], $11::int[], $12::int[],
        $13::bytea[]) AS r
"""
_SNAPSHOTS = """
    INSERT INTO aeterna.shared_document_snapshot (tenant_id, document_id, version, id, content)
    SELECT $1, r.* FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::bytea[]) AS r
    ON CONFLICT DO NOTHING
"""
# Of each thousand versions the first snapshot stays, so that no version is far from one.
_THIN = f"""
    DELETE FROM aeterna.shared_document_snapshot AS s
    WHERE s.tenant_id = $1 AND s.document_id = ANY($2::uuid[]) AND EXISTS (
        SELECT FROM aeterna.shared_document_snapshot AS o WHERE o.tenant_id = $1
            AND o.document_id = s.document_id AND o.version < s.version
            AND o.version / {_THOUSAND} = s.version / {_THOUSAND})
"""
_FORGETTING = (
    "DELETE FROM aeterna.shared_document_edit"
    " WHERE tenant_id = $1 AND document_id = $2::uuid AND version <= $3::bigint",
    "DELETE FROM aeterna.shared_document_snapshot"
    " WHERE tenant_id = $1 AND document_id = $2::uuid AND version < $3::bigint",
)
_DELETIONS = (
    "DELETE FROM aeterna.shared_document WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
    "DELETE FROM aeterna.shared_document_snapshot"
    " WHERE tenant_id = $1 AND document_id = ANY($2::uuid[])",
    "DELETE FROM aeterna.shared_document_edit"
    " WHERE tenant_id = $1 AND document_id = ANY($2::uuid[])",
)


@dataclass(frozen=True, slots=True)
class Saving:
    """What became of the documents of a group.

    Attributes:
        edits: Their new edits.
        oldest: Where what is kept of edits begins, of those of which that is another state now.
    """

    before: Mapping[UUID, State]
    after: Mapping[UUID, State]
    edits: Mapping[UUID, Sequence[Edit]]
    oldest: Mapping[UUID, State]

    @property
    def new(self) -> list[State]:
        """Documents that there were not."""
        return [state for document, state in self.after.items() if document not in self.before]

    @property
    def changed(self) -> list[State]:
        """Documents that were otherwise."""
        return [
            state
            for document, state in self.after.items()
            if document in self.before and state.document != self.before[document].document
        ]

    @property
    def kept_edits(self) -> list[tuple[UUID, Edit]]:
        """New edits, without those of documents that forgot or ended since."""
        return [
            (document, edit)
            for document, own in self.edits.items()
            if document in self.after
            for edit in own
            if edit.version > self.after[document].document.oldest_version
        ]

    @property
    def due(self) -> list[State]:
        """Documents that were edited often enough since their newest snapshot."""
        return [each for each in self.changed if _is_due(self.before[each.document.id], each)]


def save(write: Write, sealer: Sealer, saving: Saving) -> None:
    """Adds to the write what has become of documents."""
    if saving.new:
        rows = [(*inserted(each.document), _fields(sealer, each)) for each in saving.new]
        write.add(_INSERT, *_columns(rows))
    _save_changed(write, sealer, saving.before, saving.changed)
    _save_edits(write, sealer, saving.kept_edits)
    oldest = [state for document, state in saving.oldest.items() if document in saving.after]
    due = saving.due
    _save_snapshots(write, sealer, [*saving.new, *due, *oldest])
    if due:
        write.add(_THIN, [each.document.id for each in due])
    for each in oldest:
        for forgetting in _FORGETTING:
            write.add(forgetting, each.document.id, each.version)
    if gone := [document for document in saving.before if document not in saving.after]:
        for deletion in _DELETIONS:
            write.add(deletion, gone)


def _save_changed(
    write: Write, sealer: Sealer, before: Mapping[UUID, State], states: Sequence[State]
) -> None:
    """Rows whose fields stay are not sealed anew: they are most."""
    same = [each for each in states if each.fields is before[each.document.id].fields]
    other = [each for each in states if each.fields is not before[each.document.id].fields]
    if same:
        write.add(_UPDATE, *_columns([changed(each.document) for each in same]))
    if other:
        rows = [(*changed(each.document), _fields(sealer, each)) for each in other]
        write.add(_UPDATE_ALL, *_columns(rows))


def _save_edits(write: Write, sealer: Sealer, edits: Sequence[tuple[UUID, Edit]]) -> None:
    if not edits:
        return
    rows = []
    for document, edit in edits:
        place = edit_id(document, edit.version)
        content = sealer(DOCUMENT_EDIT, place, edit_content(edit))
        rows.append((*edit_values(document, edit), content))
    write.add(_EDITS, *_columns(rows))


def _save_snapshots(write: Write, sealer: Sealer, wanted: Sequence[State]) -> None:
    if not wanted:
        return
    rows = []
    for state in {(each.document.id, each.version): each for each in wanted}.values():
        document, version = state.document.id, state.version
        place = snapshot_id(document, version)
        content = snapshot_content(state.text, state.fields)
        rows.append((document, version, place, sealer(DOCUMENT_SNAPSHOT, place, content)))
    write.add(_SNAPSHOTS, *_columns(rows))


def _is_due(before: State, after: State) -> bool:
    return before.version // SNAPSHOT_EVERY < after.version // SNAPSHOT_EVERY


def _fields(sealer: Sealer, state: State) -> bytes:
    return sealer(DOCUMENT_FIELDS, state.document.id, fields_content(state.fields))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """One list for each column, for unnest()."""
    return [list(column) for column in zip(*rows, strict=True)]
