/** A server of one note in the same process, which orders edits as the real one does. */

import { SharedDocument } from '../../../services/sync/console/client/index.js';
import { apply, fromParts, toParts, transform } from '../../../services/sync/console/client/ot.js';
import { world } from './fake.js';

export const NOTE = 'documents/0198c0de-0000-7000-8000-000000000001';

export class Notes {
  text;
  edits = []; // that of version n at n - 1
  #taken = new Map();
  #open = new Set();

  constructor(text = '') {
    this.text = text;
  }

  get version() {
    return this.edits.length;
  }

  /** A client with a connection of its own. `quiet`: the log brings nothing, only answers do. */
  client(user, handlers = {}, options = {}) {
    const here = world({
      ...options,
      welcome: { subject: user, connection: user, maxMessageBytes: 1_000_000, ...options.welcome },
      answer: (message, socket) => queueMicrotask(() => this.#answer(message, socket, user)),
    });
    here.live.start();
    const shared = new SharedDocument(here.live, NOTE, handlers);
    return { ...here, get socket() { return here.socket; }, shared };
  }

  /** Somebody who is no client typed. */
  type(parts, base = this.version, author = 'zoe') {
    return this.#order(fromParts(parts), base, author, crypto.randomUUID());
  }

  #answer(message, socket, user) {
    const [method] = Object.keys(message).filter((key) => key !== 'id');
    const answer = this[`_${method}`]?.(message[method], socket, user);
    if (answer && socket.closed === undefined) socket.say({ replyTo: message.id, ...answer });
  }

  _subscribe({ room, since, snapshot }, socket) {
    this.#open.add(socket);
    const document = { name: NOTE, text: this.text, version: this.version };
    queueMicrotask(() => {
      const from = since ?? this.version;
      if (snapshot) socket.say({ snapshot: { room, document, complete: true, number: this.version } });
      else for (const edit of this.edits.slice(from)) this.#tell(socket, edit);
    });
    return { subscribed: { room, number: since ?? this.version } };
  }

  _editDocument({ baseVersion, operation, requestId }, _socket, user) {
    const known = this.#taken.get(requestId);
    return { edit: known ?? this.#order(fromParts(operation.parts), baseVersion, user, requestId) };
  }

  _listDocumentEdits({ sinceVersion }) {
    return { edits: { edits: this.edits.slice(sinceVersion), version: this.version } };
  }

  #order(operation, base, author, requestId) {
    for (const each of this.edits.slice(base)) {
      operation = transform(operation, fromParts(each.operation.parts), 'right');
    }
    this.text = apply(this.text, operation);
    const edit = { version: this.version + 1, operation: { parts: toParts(operation) }, author, requestId };
    this.edits.push(edit);
    this.#taken.set(requestId, edit);
    for (const socket of this.#open) this.#tell(socket, edit);
    return edit;
  }

  #tell(socket, edit) {
    if (socket.closed !== undefined || socket.deaf) return;
    const event = { room: NOTE, number: edit.version, type: 'DocumentEdited', edit };
    queueMicrotask(() => socket.say({ event }));
  }
}
