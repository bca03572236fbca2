/**
 * A client's way to a tenant's live changes, which holds whatever becomes of single connections: it comes
 * back with full jitter as the close codes say, resumes its rooms where they were, and asks again for what
 * was not answered.
 */

import { ConnectionEnded } from './errors.js';
import { type Ending, Link, LOST } from './link.js';
import type { Answer, Requests, ServerMessage, Welcome } from './messages.js';
import { afterClose, milliseconds, pause } from './pace.js';
import { type Requestable, Waiting } from './requests.js';
import { type Doorway, Room, type RoomHandlers, type RoomOptions } from './room.js';
import { type SocketClass, socketClass, Timer } from './socket.js';

/** Why a token is asked for: a connection begins, one is about to expire, or the last one was refused. */
export type Occasion = 'connect' | 'refresh' | 'refused';

export interface LiveOptions {
  /** For example `wss://aeterna.example/v1/live`. */
  readonly url: string;
  /** Gives a bearer token. May throw `ConnectionEnded` when there is none and will be none. */
  readonly token: (occasion: Occasion) => string | Promise<string>;
  /** The tenant to act for; the token's own when absent. */
  readonly tenant?: string;
  /** The class of WebSocket; that of the platform when absent. */
  readonly WebSocket?: SocketClass;
  /** How long to wait for an answer unless a request says so, in milliseconds. */
  readonly deadline?: number;
  /** How long opening and authenticating may take, in milliseconds. */
  readonly openTimeout?: number;
  /** How many requests may wait at most. */
  readonly maxWaiting?: number;
  /** In [0, 1), for tests. */
  readonly random?: () => number;
}

/**
 * `connecting`: it tries; `live`: it is connected; `waiting`: it tries again after a pause; `ended`: it does
 * not come back. `idle` before `start`.
 */
export type State = 'idle' | 'connecting' | 'live' | 'waiting' | 'ended';

export interface LiveEvents {
  /** `why` is there when it has ended. */
  state(state: State, why?: ConnectionEnded): void;
  /** Something waits, or no longer does. */
  waiting(count: number): void;
}

const STEADY = 10_000; // ms: a connection that lived so long was a good one

export class Live {
  readonly #options: LiveOptions;
  readonly #socket: SocketClass;
  readonly #rooms = new Map<string, Room>();
  readonly #waiting: Waiting;
  readonly #listeners = new Set<Partial<LiveEvents>>();
  readonly #pause = new Timer();
  readonly #leaving = new Timer();
  readonly #random: () => number;
  readonly #doorway: Doorway;
  #state: State = 'idle';
  #link: Link | undefined;
  #welcome: Welcome | undefined;
  #failures = 0;
  #since = 0;
  #comeBack = 0;
  #refused = '';
  #attempt = 0;
  readonly #entering = new Map<string, Room>();
  #subscriptions = 0;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#socket = socketClass(options.WebSocket);
    this.#random = options.random ?? Math.random;
    const send = (text: string) => this.#state === 'live' && this.#link?.sendText(text);
    this.#waiting = new Waiting(send, this.#random, options.maxWaiting ?? 1000);
    this.#doorway = {
      send: (method, body) => {
        if (this.#state === 'live') this.#link?.send(method, body);
      },
      retry: (room) => this.#retry(room),
      gone: (room) => {
        if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
      },
    };
  }

  get state(): State {
    return this.#state;
  }

  /** How many attempts have failed since the last good connection. */
  get failures(): number {
    return this.#failures;
  }

  /** How many requests wait for their answers. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Who this is, as the server said last. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** Listens until the function that it returns is called. */
  on(listener: Partial<LiveEvents>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#state !== 'idle') return;
    globalThis.addEventListener?.('online', this.wake);
    globalThis.addEventListener?.('offline', this.wake);
    void this.#connect('connect');
  }

  /** Leaves for good; what waits is rejected. */
  stop(): void {
    this.#finish(new ConnectionEnded('STOPPED', 'The client was stopped.'));
  }

  /** Tries at once, or has the connection show that it lives: something about the network has changed. */
  readonly wake = (): void => {
    if (this.#state === 'waiting' && Date.now() >= this.#comeBack) void this.#connect('connect');
    else if (this.#state === 'live') this.#link?.probe();
  };

  /** Enters a room, now and after each reconnect until `leave` is called. */
  enter(name: string, handlers: RoomHandlers = {}, options: RoomOptions = {}): Room {
    if (this.#rooms.has(name)) throw new TypeError(`The room ${name} was entered already.`);
    const room = new Room(name, options, handlers, this.#doorway);
    this.#rooms.set(name, room);
    this.#subscribe(room);
    return room;
  }

  /**
   * Asks for something; while there is no connection, it waits for one.
   *
   * @param deadline milliseconds to wait for the answer; `Infinity` for what has to happen sometime
   */
  async request<M extends Requestable>(
    method: M,
    body: Requests[M],
    deadline: number = this.#options.deadline ?? 10_000,
  ): Promise<Answer<M>> {
    if (this.#state === 'ended') throw new ConnectionEnded('ENDED', 'The connection has ended.');
    const answer = this.#waiting.ask(method, body, deadline, this.#link?.maxMessageBytes ?? Infinity);
    this.#count();
    try {
      return await answer;
    } finally {
      this.#count();
    }
  }

  async #connect(occasion: Occasion): Promise<void> {
    this.#pause.stop();
    const attempt = ++this.#attempt;
    this.#become('connecting');
    const token = await this.#token(occasion);
    if (token === undefined || attempt !== this.#attempt || this.#state !== 'connecting') return;
    this.#link = new Link(
      {
        url: this.#options.url,
        socket: this.#socket,
        tenant: this.#options.tenant,
        renew: async () => this.#options.token('refresh'),
        openTimeout: this.#options.openTimeout ?? 10_000,
      },
      token,
      {
        welcome: (welcome, again) => this.#welcomed(welcome, again),
        message: (message) => this.#receive(message),
        ended: (ending) => this.#ended(ending, token),
      },
    );
  }

  /** Undefined when there is none, and what follows from that is done. */
  async #token(occasion: Occasion): Promise<string | undefined> {
    try {
      const token = await this.#options.token(occasion);
      if (token !== this.#refused) return token;
      this.#finish(new ConnectionEnded('TOKEN_REFUSED', 'The token was refused, and there is no other.'));
    } catch (error) {
      if (error instanceof ConnectionEnded) this.#finish(error);
      else this.#ended({ code: LOST, reason: 'NO_TOKEN' }, '');
    }
    return undefined;
  }

  #welcomed(welcome: Welcome, again: boolean): void {
    this.#welcome = welcome;
    this.#refused = '';
    if (again) return;
    this.#since = Date.now();
    this.#comeBack = 0;
    this.#become('live');
    this.#entering.clear();
    for (const room of this.#rooms.values()) this.#subscribe(room);
    this.#waiting.resend(this.#link?.maxMessageBytes ?? Infinity);
  }

  #receive(message: ServerMessage): void {
    if (message.draining) return this.#drain(milliseconds(message.draining.reconnectAfter));
    if (message.replyTo) return this.#answered(message);
    const name = (
      message.event ??
      message.checkpoint ??
      message.presence ??
      message.snapshot ??
      message.unsubscribed
    )?.room;
    if (name !== undefined) this.#rooms.get(name)?.receive(message);
  }

  #answered(message: ServerMessage): void {
    const room = this.#entering.get(message.replyTo);
    this.#entering.delete(message.replyTo);
    if (!room) this.#waiting.answer(message);
    else if (this.#rooms.get(room.name) === room) room.answered(message);
  }

  /** The server stops soon: come back at the time that it told this client. */
  #drain(after: number): void {
    this.#comeBack = Date.now() + after;
    this.#leaving.start(after, () => {
      this.#link?.close();
      void this.#connect('connect');
    });
  }

  #ended(ending: Ending, token: string): void {
    this.#leaving.stop();
    if (this.#since && Date.now() - this.#since > STEADY) this.#failures = 0;
    this.#since = 0;
    this.#link = undefined;
    const next = afterClose(ending.code);
    if (next.kind === 'stop') return this.#finish(new ConnectionEnded(ending.reason, `Closed with ${ending.code} ${ending.reason}.`));
    if (next.kind === 'new token') this.#refused = token;
    const least = Math.max(next.kind === 'wait' ? next.milliseconds : 0, this.#comeBack - Date.now());
    const after = Math.max(0, least) + pause(this.#failures++, this.#random());
    this.#become('waiting');
    this.#pause.start(after, () => void this.#connect(next.kind === 'new token' ? 'refused' : 'connect'));
  }

  #finish(why: ConnectionEnded): void {
    if (this.#state === 'ended') return;
    this.#attempt++;
    this.#pause.stop();
    this.#leaving.stop();
    this.#link?.close();
    this.#link = undefined;
    globalThis.removeEventListener?.('online', this.wake);
    globalThis.removeEventListener?.('offline', this.wake);
    this.#become('ended', why);
    this.#waiting.fail(why);
  }

  #subscribe(room: Room): void {
    if (this.#state !== 'live' || this.#rooms.get(room.name) !== room) return;
    const id = `s${++this.#subscriptions}`;
    this.#entering.set(id, room);
    this.#link?.send('subscribe', room.subscription(), id);
  }

  #retry(room: Room): void {
    const link = this.#link;
    const again = () => link === this.#link && this.#subscribe(room);
    setTimeout(again, 200 + this.#random() * 800);
  }

  #become(state: State, why?: ConnectionEnded): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener.state?.(state, why);
  }

  #count(): void {
    for (const listener of [...this.#listeners]) listener.waiting?.(this.#waiting.size);
  }
}
