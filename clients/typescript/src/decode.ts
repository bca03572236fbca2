/**
 * Reads the JSON form of the server's messages. In proto3 JSON, fields at their default are left out and
 * 64-bit numbers are texts: what comes out here is whole, with numbers. Unknown fields are passed over.
 */

import type {
  Change,
  Cursor,
  Document,
  DocumentEdit,
  DocumentKind,
  DocumentList,
  EditList,
  ErrorMessage,
  Event,
  FieldEdit,
  Origin,
  Part,
  Presence,
  PresenceState,
  PresenceUpdate,
  Revision,
  RevisionList,
  Scope,
  ServerMessage,
  Snapshot,
  TextOperation,
  Welcome,
} from './messages.js';

type Reader<T> = (value: unknown) => T;

/** Thrown for what is not a message of the protocol. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** Reads a frame's text. */
export function decode(text: string): ServerMessage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new MalformedMessage('The frame is not JSON.');
  }
  return serverMessage(json);
}

const text: Reader<string> = (value) => {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  throw new MalformedMessage('A text was awaited.');
};

const integer: Reader<number> = (value) => {
  if (value === undefined || value === null) return 0;
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  throw new MalformedMessage('A whole number was awaited.');
};

const flag: Reader<boolean> = (value) => value === true;

/** A name of an enumeration; the first one when it is left out. Names that are new to us are kept. */
function named<T extends string>(byDefault: T): Reader<T> {
  return (value) => (typeof value === 'number' ? String(value) : text(value) || byDefault) as T;
}

function optional<T>(read: Reader<T>): Reader<T | undefined> {
  return (value) => (value === undefined || value === null ? undefined : read(value));
}

function list<T>(read: Reader<T>): Reader<T[]> {
  return (value) => {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value.map(read);
    throw new MalformedMessage('A list was awaited.');
  };
}

function map<T>(read: Reader<T>): Reader<Record<string, T>> {
  return (value) =>
    Object.fromEntries(Object.entries(object(value)).map(([key, item]) => [key, read(item)]));
}

function message<T>(fields: { [K in keyof Required<T>]: Reader<T[K]> }): Reader<T> {
  const readers = Object.entries(fields) as [string, Reader<unknown>][];
  return (value) => {
    const given = object(value);
    return Object.fromEntries(readers.map(([name, read]) => [name, read(given[name])])) as T;
  };
}

function object(value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MalformedMessage('An object was awaited.');
}

const part: Reader<Part> = (value) => {
  const given = object(value);
  if (given['retain'] !== undefined) return { retain: integer(given['retain']) };
  if (given['delete'] !== undefined) return { delete: integer(given['delete']) };
  return { insert: text(given['insert']) };
};

const operation = message<TextOperation>({ parts: list(part) });
const fieldEdit = message<FieldEdit>({ value: optional(text), time: integer, counter: integer });
const scope = message<Scope>({
  orgId: text,
  teamId: text,
  projectId: text,
});

const document = message<Document>({
  name: text,
  kind: named<DocumentKind>('DOCUMENT_KIND_UNSPECIFIED'),
  scope,
  text,
  fields: map(text),
  fieldsTime: integer,
  fieldsCounter: integer,
  version: integer,
  oldestVersion: integer,
  knowledgeItem: text,
  savedVersion: integer,
  author: text,
  createTime: text,
  updateTime: text,
});

const edit = message<DocumentEdit>({
  version: integer,
  operation,
  fields: map(fieldEdit),
  author: text,
  requestId: text,
  origin: named<Origin>('ORIGIN_UNSPECIFIED'),
  editTime: text,
  number: integer,
});

const revision = message<Revision>({
  version: integer,
  baseVersion: integer,
  author: text,
  editTime: text,
  inserted: integer,
  deleted: integer,
});

const change = message<Change>({
  number: integer,
  resource: text,
  operation: named('OPERATION_UNSPECIFIED'),
  actor: text,
  subject: text,
  layer: text,
  traceId: text,
  commitTime: text,
});

const cursor = message<Cursor>({ position: integer, anchor: integer, version: integer });

const presence = message<Presence>({
  connection: text,
  user: text,
  agent: text,
  device: text,
  state: named<PresenceState>('PRESENCE_STATE_UNSPECIFIED'),
  cursor: optional(cursor),
  joinTime: text,
});

const error = message<ErrorMessage>({
  code: integer,
  reason: text,
  message: text,
  metadata: map(text),
  fields: map(text),
});

const welcome = message<Welcome>({
  connection: text,
  tenant: text,
  subject: text,
  expireTime: text,
  heartbeat: text,
  maxMessageBytes: integer,
});

const snapshot = message<Snapshot>({
  room: text,
  resources: list(message<{ name: string; number: number }>({ name: text, number: integer })),
  document: optional(document),
  present: list(presence),
  complete: flag,
  number: integer,
});

const roomAndNumber = message<{ room: string; number: number }>({ room: text, number: integer });

const serverMessage = message<ServerMessage>({
  replyTo: text,
  welcome: optional(welcome),
  subscribed: optional(roomAndNumber),
  unsubscribed: optional(
    message<{ room: string; error: ErrorMessage | undefined }>({ room: text, error: optional(error) }),
  ),
  snapshot: optional(snapshot),
  event: optional(
    message<Event>({
      room: text,
      number: integer,
      type: text,
      change: optional(change),
      edit: optional(edit),
    }),
  ),
  checkpoint: optional(roomAndNumber),
  presence: optional(
    message<PresenceUpdate>({
      room: text,
      changes: list(presence),
      connections: integer,
      people: integer,
    }),
  ),
  done: optional(object),
  error: optional(error),
  pong: optional(object),
  draining: optional(message<{ reconnectAfter: string }>({ reconnectAfter: text })),
  document: optional(document),
  documents: optional(
    message<DocumentList>({ documents: list(document), nextPageToken: text }),
  ),
  edit: optional(edit),
  revisions: optional(message<RevisionList>({ revisions: list(revision), nextPageToken: text })),
  edits: optional(message<EditList>({ edits: list(edit), version: integer })),
});
