/** A room as a client is in it: where it is in the log, who else is there. It outlives connections. */
import { LiveError } from './errors.js';
const UNAVAILABLE = 14; // google.rpc.Code
// The log does not lead on from where the client was; with `head`, it goes on from there.
const MISSED = new Set([
    'NUMBER_NOT_REACHED',
    'CHANGES_MISSING',
    'CHANGES_PRUNED',
    'SNAPSHOT_UNAVAILABLE',
]);
export class Room {
    name;
    #options;
    #handlers;
    #doorway;
    #members = new Map();
    #parts = [];
    #whole;
    #number;
    #unacknowledged = 0;
    #inside = false; // what comes before the answer is of an earlier subscription
    #doing;
    /** How many connections are in the room; more than `members` in large rooms. */
    connections = 0;
    people = 0;
    constructor(name, options, handlers, doorway) {
        this.name = name;
        this.#options = options;
        this.#handlers = handlers;
        this.#doorway = doorway;
        this.#number = options.since;
        this.#whole = !options.snapshot;
    }
    /** Every event up to this number was handled; undefined before the room was first entered. */
    get number() {
        return this.#number;
    }
    /** Who is there, in the order of their connections. */
    get members() {
        return [...this.#members.values()].sort((one, other) => one.connection < other.connection ? -1 : 1);
    }
    /** Says what the person does here. It may be lost, and is said again after a reconnect. */
    setPresence(state, cursor) {
        this.#doing = { state, cursor };
        this.#tell();
    }
    leave() {
        this.#doorway.send('unsubscribe', { room: this.name });
        this.#doorway.gone(this);
    }
    /** How to enter it now: anew, or from where this client is. */
    subscription() {
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
    answered(message) {
        if (message.error)
            return this.#refused(LiveError.of(message.error));
        if (!message.subscribed)
            return;
        this.#inside = true;
        if (this.#whole)
            this.#number ??= message.subscribed.number;
        this.#handlers.entered?.(message.subscribed.number);
        this.#tell();
    }
    /** Takes what happened in it. */
    receive(message) {
        if (!this.#inside)
            return;
        if (message.event)
            this.#event(message.event);
        else if (message.checkpoint)
            this.#reach(message.checkpoint.number);
        else if (message.snapshot)
            this.#snapshot(message.snapshot);
        else if (message.presence)
            this.#presence(message.presence);
        else if (message.unsubscribed)
            this.#unsubscribed(message);
    }
    #event(event) {
        if (event.number <= (this.#number ?? -1))
            return; // it was here already
        this.#handlers.event?.(event);
        this.#reach(event.number);
        const window = this.#options.window ?? 0;
        if (window && ++this.#unacknowledged >= Math.ceil(window / 2)) {
            this.#unacknowledged = 0;
            this.#doorway.send('acknowledge', { room: this.name, number: event.number });
        }
    }
    #reach(number) {
        if (this.#whole)
            this.#number = Math.max(this.#number ?? 0, number);
    }
    #snapshot(part) {
        this.#parts.push(part);
        if (!part.complete)
            return;
        const whole = joined(this.#parts);
        const asked = !this.#whole; // else it says who is there, and nothing else
        this.#parts = [];
        this.#whole = true;
        this.#reach(whole.number);
        if (asked)
            this.#handlers.snapshot?.(whole);
        for (const present of whole.present)
            this.#members.set(present.connection, present);
        if (whole.present.length)
            this.#counted();
    }
    #presence(update) {
        for (const change of update.changes) {
            if (change.state === 'PRESENCE_STATE_OFFLINE')
                this.#members.delete(change.connection);
            else
                this.#members.set(change.connection, change);
        }
        this.connections = update.connections;
        this.people = update.people;
        this.#handlers.presence?.(this);
    }
    #counted() {
        this.connections = Math.max(this.connections, this.#members.size);
        this.people = Math.max(this.people, new Set(this.members.map((member) => member.user)).size);
        this.#handlers.presence?.(this);
    }
    #refused(error) {
        if (error.code === UNAVAILABLE)
            this.#doorway.retry(this);
        else if (MISSED.has(error.reason))
            this.#anew(error);
        else
            this.#close(error);
    }
    #unsubscribed(message) {
        const error = message.unsubscribed?.error;
        if (error)
            this.#refused(LiveError.of(error));
    }
    #anew(error) {
        const { head } = error.metadata;
        const goesOn = error.reason === 'SNAPSHOT_UNAVAILABLE' || !this.#options.snapshot;
        this.#number = goesOn && head ? Number(head) : undefined;
        this.#whole = goesOn;
        this.#handlers.missed?.(error);
        this.#doorway.retry(this);
    }
    #close(error) {
        this.#doorway.gone(this);
        this.#handlers.closed?.(error);
    }
    #tell() {
        if (!this.#doing || !this.#options.presence)
            return;
        const { state, cursor } = this.#doing;
        this.#doorway.send('setPresence', { room: this.name, state, ...(cursor ? { cursor } : {}) });
    }
}
function joined(parts) {
    const last = parts[parts.length - 1];
    return {
        ...last,
        resources: parts.flatMap((part) => part.resources),
        present: parts.flatMap((part) => part.present),
        document: parts.map((part) => part.document).find((document) => document !== undefined),
    };
}
