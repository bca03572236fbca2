/**
 * Reads the JSON form of the server's messages. In proto3 JSON, fields at their default are left out and
 * 64-bit numbers are texts: what comes out here is whole, with numbers. Unknown fields are passed over.
 */
/** Thrown for what is not a message of the protocol. */
export class MalformedMessage extends Error {
    name = 'MalformedMessage';
}
/** Reads a frame's text. */
export function decode(text) {
    let json;
    try {
        json = JSON.parse(text);
    }
    catch {
        throw new MalformedMessage('The frame is not JSON.');
    }
    return serverMessage(json);
}
const text = (value) => {
    if (value === undefined || value === null)
        return '';
    if (typeof value === 'string')
        return value;
    throw new MalformedMessage('A text was awaited.');
};
const integer = (value) => {
    if (value === undefined || value === null)
        return 0;
    const number = typeof value === 'string' && value !== '' ? Number(value) : value;
    if (typeof number === 'number' && Number.isSafeInteger(number))
        return number;
    throw new MalformedMessage('A whole number was awaited.');
};
const flag = (value) => value === true;
/** A name of an enumeration; the first one when it is left out. Names that are new to us are kept. */
function named(byDefault) {
    return (value) => (typeof value === 'number' ? String(value) : text(value) || byDefault);
}
function optional(read) {
    return (value) => (value === undefined || value === null ? undefined : read(value));
}
function list(read) {
    return (value) => {
        if (value === undefined || value === null)
            return [];
        if (Array.isArray(value))
            return value.map(read);
        throw new MalformedMessage('A list was awaited.');
    };
}
function map(read) {
    return (value) => Object.fromEntries(Object.entries(object(value)).map(([key, item]) => [key, read(item)]));
}
function message(fields) {
    const readers = Object.entries(fields);
    return (value) => {
        const given = object(value);
        return Object.fromEntries(readers.map(([name, read]) => [name, read(given[name])]));
    };
}
function object(value) {
    if (value === undefined || value === null)
        return {};
    if (typeof value === 'object' && !Array.isArray(value))
        return value;
    throw new MalformedMessage('An object was awaited.');
}
const part = (value) => {
    const given = object(value);
    if (given['retain'] !== undefined)
        return { retain: integer(given['retain']) };
    if (given['delete'] !== undefined)
        return { delete: integer(given['delete']) };
    return { insert: text(given['insert']) };
};
const operation = message({ parts: list(part) });
const fieldEdit = message({ value: optional(text), time: integer, counter: integer });
const scope = message({
    orgId: text,
    teamId: text,
    projectId: text,
});
const document = message({
    name: text,
    kind: named('DOCUMENT_KIND_UNSPECIFIED'),
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
const edit = message({
    version: integer,
    operation,
    fields: map(fieldEdit),
    author: text,
    requestId: text,
    origin: named('ORIGIN_UNSPECIFIED'),
    editTime: text,
    number: integer,
});
const revision = message({
    version: integer,
    baseVersion: integer,
    author: text,
    editTime: text,
    inserted: integer,
    deleted: integer,
});
const change = message({
    number: integer,
    resource: text,
    operation: named('OPERATION_UNSPECIFIED'),
    actor: text,
    subject: text,
    layer: text,
    traceId: text,
    commitTime: text,
});
const cursor = message({ position: integer, anchor: integer, version: integer });
const presence = message({
    connection: text,
    user: text,
    agent: text,
    device: text,
    state: named('PRESENCE_STATE_UNSPECIFIED'),
    cursor: optional(cursor),
    joinTime: text,
});
const error = message({
    code: integer,
    reason: text,
    message: text,
    metadata: map(text),
    fields: map(text),
});
const welcome = message({
    connection: text,
    tenant: text,
    subject: text,
    expireTime: text,
    heartbeat: text,
    maxMessageBytes: integer,
});
const snapshot = message({
    room: text,
    resources: list(message({ name: text, number: integer })),
    document: optional(document),
    present: list(presence),
    complete: flag,
    number: integer,
});
const roomAndNumber = message({ room: text, number: integer });
const serverMessage = message({
    replyTo: text,
    welcome: optional(welcome),
    subscribed: optional(roomAndNumber),
    unsubscribed: optional(message({ room: text, error: optional(error) })),
    snapshot: optional(snapshot),
    event: optional(message({
        room: text,
        number: integer,
        type: text,
        change: optional(change),
        edit: optional(edit),
    })),
    checkpoint: optional(roomAndNumber),
    presence: optional(message({
        room: text,
        changes: list(presence),
        connections: integer,
        people: integer,
    })),
    done: optional(object),
    error: optional(error),
    pong: optional(object),
    draining: optional(message({ reconnectAfter: text })),
    document: optional(document),
    documents: optional(message({ documents: list(document), nextPageToken: text })),
    edit: optional(edit),
    revisions: optional(message({ revisions: list(revision), nextPageToken: text })),
    edits: optional(message({ edits: list(edit), version: integer })),
});
