/**
 * What was asked for and is not answered yet. It outlives connections: what a lost one had not answered is
 * asked for again, in the same order, which `requestId` makes safe. So it is the offline queue as well.
 */

import { DeadlineExceeded, LiveError } from './errors.js';
import type { Answer, Answered, Answers, Requests, ServerMessage } from './messages.js';
import { pause } from './pace.js';

/** What can be asked for here: the rest is the affair of connections and rooms. */
export type Requestable = Exclude<
  Answered,
  'authenticate' | 'subscribe' | 'unsubscribe' | 'setPresence'
>;

const ANSWERS: { readonly [M in Requestable]: Answers[M] } = {
  ping: 'pong',
  createDocument: 'document',
  getDocument: 'document',
  listDocuments: 'documents',
  editDocument: 'edit',
  undoDocumentEdit: 'edit',
  redoDocumentEdit: 'edit',
  listDocumentRevisions: 'revisions',
  restoreDocument: 'edit',
  saveDocument: 'document',
  deleteDocument: 'done',
  listDocumentEdits: 'edits',
};

const MUTATIONS: ReadonlySet<Requestable> = new Set<Requestable>([
  'createDocument',
  'editDocument',
  'undoDocumentEdit',
  'redoDocumentEdit',
  'restoreDocument',
  'saveDocument',
  'deleteDocument',
]);

const UNAVAILABLE = 14; // google.rpc.Code
const PASSING = new Set(['DOCUMENT_BUSY', 'CALL_RATE_LIMITED']);

interface Pending {
  readonly method: Requestable;
  readonly text: string;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
  failures: number;
}

/** Sends one message of the connection that there is; does nothing when there is none. */
export type Send = (text: string) => void;

export class Waiting {
  readonly #pending = new Map<string, Pending>();
  readonly #send: Send;
  readonly #random: () => number;
  readonly #limit: number;
  #last = 0;

  constructor(send: Send, random: () => number, limit: number) {
    this.#send = send;
    this.#random = random;
    this.#limit = limit;
  }

  /** How much waits for an answer, or to be sent. */
  get size(): number {
    return this.#pending.size;
  }

  /**
   * Asks, now or once there is a connection.
   *
   * @param deadline milliseconds to wait for the answer; `Infinity` to wait for ever
   */
  ask<M extends Requestable>(
    method: M,
    body: Requests[M],
    deadline: number,
    maxBytes: number,
  ): Promise<Answer<M>> {
    const id = `r${++this.#last}`;
    const text = JSON.stringify({ id, [method]: withRequestId(method, body) });
    const wrong = this.#refusal(text, maxBytes);
    if (wrong) return Promise.reject(wrong);
    return new Promise((resolve, reject) => {
      const timer = deadline === Infinity ? undefined : setTimeout(() => this.#late(id), deadline);
      this.#pending.set(id, { method, text, resolve, reject, timer, failures: 0 });
      this.#send(text);
    });
  }

  /** Asks again for all that is not answered: there is a new connection, which takes so much at once. */
  resend(maxBytes: number): void {
    for (const [id, pending] of [...this.#pending]) {
      const wrong = tooLarge(pending.text, maxBytes);
      if (!wrong) this.#send(pending.text);
      else this.#refuse(id, pending, wrong);
    }
  }

  /** Takes what the server says; false when it is no answer to anything asked for here. */
  answer(message: ServerMessage): boolean {
    const pending = this.#pending.get(message.replyTo);
    if (!pending) return false;
    if (message.error && passes(message.error)) this.#again(message.replyTo, pending);
    else this.#settle(message.replyTo, pending, message);
    return true;
  }

  /** Gives up on everything. */
  fail(error: Error): void {
    for (const [id, pending] of [...this.#pending]) this.#refuse(id, pending, error);
  }

  #refusal(text: string, maxBytes: number): LiveError | undefined {
    if (this.#pending.size >= this.#limit) {
      return new LiveError('QUEUE_FULL', `More than ${this.#limit} requests wait.`);
    }
    return tooLarge(text, maxBytes);
  }

  #refuse(id: string, pending: Pending, error: Error): void {
    this.#forget(id, pending);
    pending.reject(error);
  }

  #again(id: string, pending: Pending): void {
    const after = 50 + pause(pending.failures++, this.#random());
    setTimeout(() => {
      if (this.#pending.has(id)) this.#send(pending.text);
    }, after);
  }

  #settle(id: string, pending: Pending, message: ServerMessage): void {
    this.#forget(id, pending);
    const answer = message[ANSWERS[pending.method]];
    if (message.error) pending.reject(LiveError.of(message.error));
    else if (answer === undefined) pending.reject(unawaited(pending.method));
    else pending.resolve(answer as never);
  }

  #late(id: string): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#forget(id, pending);
    pending.reject(new DeadlineExceeded(pending.method));
  }

  #forget(id: string, pending: Pending): void {
    clearTimeout(pending.timer);
    this.#pending.delete(id);
  }
}

function withRequestId<M extends Requestable>(method: M, body: Requests[M]): Requests[M] {
  return MUTATIONS.has(method) ? { requestId: newRequestId(), ...body } : body;
}

/** A server ends the connection that brings it more at once than it takes. */
function tooLarge(text: string, maxBytes: number): LiveError | undefined {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= maxBytes) return undefined;
  return new LiveError('MESSAGE_TOO_LARGE', `A message of ${bytes} bytes is over ${maxBytes}.`);
}

/** Whether the same request may succeed a moment later. */
function passes(error: { readonly code: number; readonly reason: string }): boolean {
  return error.code === UNAVAILABLE || PASSING.has(error.reason);
}

function unawaited(method: Requestable): LiveError {
  return new LiveError('UNAWAITED_ANSWER', `The answer to ${method} is of another kind.`);
}

/** A random UUID, in pages without TLS as well, where `randomUUID` is missing. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
