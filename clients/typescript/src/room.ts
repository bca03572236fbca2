/** A room as a client is in it: where it is in the log, who else is there. It outlives connections. */

import { LiveError } from './errors.js';
import type {
  Cursor,
  Event,
  Method,
  Presence,
  PresenceState,
  PresenceUpdate,
  Requests,
  ServerMessage,
  Snapshot,
  Subscribe,
} from './messages.js';

export interface RoomOptions {
  /** The last number already seen; 0 for the beginning, absent for "from now on". */
  readonly since?: number;
  /** What there is first, then what changes. */
  readonly snapshot?: boolean;
  /** Be seen, and see who else is there. */
  readonly presence?: boolean;
  /** How many events may be on their way at most; they are acknowledged as `event` returns. */
  readonly window?: number;
  /** What others see of this device. Opaque. */
  readonly device?: string;
}

/** Each is called in the order in which things happened; none has to be given. */
export interface RoomHandlers {
  /** The room is entered, for the first time or again. */
  readonly entered?: ((number: number) => void) | undefined;
  /** What there is, all parts in one. May come again when the log no longer reaches back. */
  readonly snapshot?: ((snapshot: Snapshot) => void) | undefined;
  readonly event?: ((event: Event) => void) | undefined;
  /** Somebody came, went or did something. */
  readonly presence?: ((room: Room) => void) | undefined;
  /** Some events were missed for good: what is known should be read anew. With `snapshot` one follows. */
  readonly missed?: ((error: LiveError) => void) | undefined;
  /** The room is left for good, by the server's word. */
  readonly closed?: ((error: LiveError) => void) | undefined;
}

/** What a room needs of the client that it belongs to. */
export interface Doorway {
  send<M extends Method>(method: M, body: Requests[M]): void;
  /** Sends the subscription again, a moment later. */
  retry(room: Room): void;
  gone(room: Room): void;
}

const UNAVAILABLE = 14; // google.rpc.Code
// The log does not lead on from where the client was; with `head`, it goes on from there.
const MISSED = new Set([
  'NUMBER_NOT_REACHED',
  'CHANGES_MISSING',
  'CHANGES_PRUNED',
  'SNAPSHOT_UNAVAILABLE',
]);

export class Room {
  readonly name: string;
  readonly #options: RoomOptions;
  readonly #handlers: RoomHandlers;
  readonly #doorway: Doorway;
  readonly #members = new Map<string, Presence>();
  #parts: Snapshot[] = [];
  #whole: boolean;
  #number: number | undefined;
  #unacknowledged = 0;
  #inside = false; // what comes before the answer is of an earlier subscription
  #doing: { state: PresenceState; cursor: Cursor | undefined } | undefined;
  /** How many connections are in the room; more than `members` in large rooms. */
  connections = 0;
  people = 0;

  constructor(name: string, options: RoomOptions, handlers: RoomHandlers, doorway: Doorway) {
    this.name = name;
    this.#options = options;
    this.#handlers = handlers;
    this.#doorway = doorway;
    this.#number = options.since;
    this.#whole = !options.snapshot;
  }

  /** Every event up to this number was handled; undefined before the room was first entered. */
  get number(): number | undefined {
    return this.#number;
  }

  /** Who is there, in the order of their connections. */
  get members(): readonly Presence[] {
    return [...this.#members.values()].sort((one, other) =>
      one.connection < other.connection ? -1 : 1,
    );
  }

  /** Says what the person does here. It may be lost, and is said again after a reconnect. */
  setPresence(state: PresenceState, cursor?: Cursor): void {
    this.#doing = { state, cursor };
    this.#tell();
  }

  leave(): void {
    this.#doorway.send('unsubscribe', { room: this.name });
    this.#doorway.gone(this);
  }

  /** How to enter it now: anew, or from where this client is. */
  subscription(): Subscribe {
    const { presence, window, device } = this.#options;
    const from = this.#whole
      ? this.#number === undefined
        ? {}
        : { since: this.#number }
      : { snapshot: true };
    this.#parts = [];
    this.#members.clear();
    this.#unacknowledged = 0;
    this.#inside = false;
    return {
      room: this.name,
      ...from,
      ...(presence ? { presence } : {}),
      ...(window ? { window } : {}),
      ...(device ? { device } : {}),
    };
  }

  /** Takes the answer to the subscription. */
  answered(message: ServerMessage): void {
    if (message.error) return this.#refused(LiveError.of(message.error));
    if (!message.subscribed) return;
    this.#inside = true;
    if (this.#whole) this.#number ??= message.subscribed.number;
    this.#handlers.entered?.(message.subscribed.number);
    this.#tell();
  }

  /** Takes what happened in it. */
  receive(message: ServerMessage): void {
    if (!this.#inside) return;
    if (message.event) this.#event(message.event);
    else if (message.checkpoint) this.#reach(message.checkpoint.number);
    else if (message.snapshot) this.#snapshot(message.snapshot);
    else if (message.presence) this.#presence(message.presence);
    else if (message.unsubscribed) this.#unsubscribed(message);
  }

  #event(event: Event): void {
    if (event.number <= (this.#number ?? -1)) return; // it was here already
    this.#handlers.event?.(event);
    this.#reach(event.number);
    const window = this.#options.window ?? 0;
    if (window && ++this.#unacknowledged >= Math.ceil(window / 2)) {
      this.#unacknowledged = 0;
      this.#doorway.send('acknowledge', { room: this.name, number: event.number });
    }
  }

  #reach(number: number): void {
    if (this.#whole) this.#number = Math.max(this.#number ?? 0, number);
  }

  #snapshot(part: Snapshot): void {
    this.#parts.push(part);
    if (!part.complete) return;
    const whole = joined(this.#parts);
    const asked = !this.#whole; // else it says who is there, and nothing else
    this.#parts = [];
    this.#whole = true;
    this.#reach(whole.number);
    if (asked) this.#handlers.snapshot?.(whole);
    for (const present of whole.present) this.#members.set(present.connection, present);
    if (whole.present.length) this.#counted();
  }

  #presence(update: PresenceUpdate): void {
    for (const change of update.changes) {
      if (change.state === 'PRESENCE_STATE_OFFLINE') this.#members.delete(change.connection);
      else this.#members.set(change.connection, change);
    }
    this.connections = update.connections;
    this.people = update.people;
    this.#handlers.presence?.(this);
  }

  #counted(): void {
    this.connections = Math.max(this.connections, this.#members.size);
    this.people = Math.max(this.people, new Set(this.members.map((member) => member.user)).size);
    this.#handlers.presence?.(this);
  }

  #refused(error: LiveError): void {
    if (error.code === UNAVAILABLE) this.#doorway.retry(this);
    else if (MISSED.has(error.reason)) this.#anew(error);
    else this.#close(error);
  }

  #unsubscribed(message: ServerMessage): void {
    const error = message.unsubscribed?.error;
    if (error) this.#refused(LiveError.of(error));
  }

  #anew(error: LiveError): void {
    const { head } = error.metadata;
    const goesOn = error.reason === 'SNAPSHOT_UNAVAILABLE' || !this.#options.snapshot;
    this.#number = goesOn && head ? Number(head) : undefined;
    this.#whole = goesOn;
    this.#handlers.missed?.(error);
    this.#doorway.retry(this);
  }

  #close(error: LiveError): void {
    this.#doorway.gone(this);
    this.#handlers.closed?.(error);
  }

  #tell(): void {
    if (!this.#doing || !this.#options.presence) return;
    const { state, cursor } = this.#doing;
    this.#doorway.send('setPresence', { room: this.name, state, ...(cursor ? { cursor } : {}) });
  }
}

function joined(parts: readonly Snapshot[]): Snapshot {
  const last = parts[parts.length - 1]!;
  return {
    ...last,
    resources: parts.flatMap((part) => part.resources),
    present: parts.flatMap((part) => part.present),
    document: parts.map((part) => part.document).find((document) => document !== undefined),
  };
}
