/**
 * The client's side of a text that several people write: what was typed, sent, ordered. The same as
 * `libs/ot/shared.py`, without any transport.
 *
 *     synchronised --typed--> unsent --sent--> awaiting --typed--> awaiting with buffer
 *          ^                    ^                 |                        |
 *          |                    +------ ordered --|------------------------+
 *          +--------------------------- ordered --+
 *
 * What is typed without a connection is composed in the buffer. After a reconnect the client reads the edits
 * it has missed; if its own is not among them it sends the very same request again.
 */
import { apply, compose, NOTHING, replacement, transform, transformBoth } from './ot.js';
/** The server ordered something else than was sent: read the document again (`reloaded`). */
export class Diverged extends Error {
    version;
    name = 'Diverged';
    constructor(version) {
        super(`Version ${version} is not what was sent.`);
        this.version = version;
    }
}
/** A text as one client has it: `text` is `base` after what is on its way and what was typed since. */
export class SharedText {
    #version;
    #base;
    #text;
    #request;
    #awaiting = NOTHING;
    #buffer = NOTHING;
    #early = new Map();
    /** A document as it was read. */
    constructor(version, text) {
        this.#version = version;
        this.#base = text;
        this.#text = text;
    }
    /** Of `base`: the newest edit that is known without a gap. */
    get version() {
        return this.#version;
    }
    /** As the server has it. */
    get base() {
        return this.#base;
    }
    /** As the person sees it. */
    get text() {
        return this.#text;
    }
    /** What was sent and not ordered yet, as it was sent: to be sent again when its fate is not known. */
    get request() {
        return this.#request;
    }
    /** What the server does not have yet, as one operation on `base`. */
    get pending() {
        return compose(this.#awaiting, this.#buffer);
    }
    /** Where what was typed is. */
    get progress() {
        const buffered = this.#buffer.length > 0;
        if (this.#request === undefined)
            return buffered ? 'unsent' : 'synchronised';
        return buffered ? 'awaiting with buffer' : 'awaiting';
    }
    /** Whether edits after `version` have to be read before those that came count. */
    get hasGap() {
        return this.#early.size > 0;
    }
    /** The person changed the text. */
    typed(operation) {
        this.#text = apply(this.#text, operation);
        this.#buffer = compose(this.#buffer, operation);
    }
    /** The person changed the text in an editor that tells texts only; `caret` in UTF-16 units. */
    retyped(text, caret) {
        const operation = replacement(this.#text, text, caret);
        this.typed(operation);
        return operation;
    }
    /** What was typed becomes the request to send, unless there is one or nothing was typed. */
    sent(requestId) {
        if (this.#request !== undefined || this.#buffer.length === 0)
            return undefined;
        this.#request = { requestId, baseVersion: this.#version, operation: this.#buffer };
        this.#awaiting = this.#buffer;
        this.#buffer = NOTHING;
        return this.#request;
    }
    /** Edits came, in any order, perhaps again; returns what they do to the text that is seen. */
    received(...edits) {
        for (const edit of edits)
            if (edit.version > this.#version)
                this.#early.set(edit.version, edit);
        let done = NOTHING;
        for (let edit = this.#next(); edit !== undefined; edit = this.#next()) {
            done = compose(done, this.#after(edit));
        }
        return done;
    }
    /**
     * The document was read again, as edits since `version` are gone; what was typed is kept. Whether the request
     * is part of the text (`taken`) has to be known for certain, from the answer to the request: else what was
     * typed would be there twice, or not at all.
     */
    reloaded(version, text, taken = false) {
        const base = taken ? apply(this.#base, this.#awaiting) : this.#base;
        const typed = taken ? this.#buffer : this.pending;
        this.#buffer = transform(typed, replacement(base, text), 'right');
        this.#version = version;
        this.#base = text;
        this.#text = apply(text, this.#buffer);
        this.#request = undefined;
        this.#awaiting = NOTHING;
        this.#early.clear();
    }
    /** The server refused the request for good: the text as the server has it. */
    givenUp() {
        this.#text = this.#base;
        this.#request = undefined;
        this.#awaiting = NOTHING;
        this.#buffer = NOTHING;
    }
    #next() {
        const edit = this.#early.get(this.#version + 1);
        if (edit !== undefined)
            this.#early.delete(edit.version);
        return edit;
    }
    #after(edit) {
        if (edit.requestId === this.#request?.requestId) {
            if (!same(edit.operation, this.#awaiting))
                throw new Diverged(edit.version);
            this.#ordered(edit);
            this.#request = undefined;
            this.#awaiting = NOTHING;
            return NOTHING;
        }
        this.#ordered(edit);
        const [past, awaiting] = transformBoth(edit.operation, this.#awaiting);
        const [operation, buffer] = transformBoth(past, this.#buffer);
        this.#awaiting = awaiting;
        this.#buffer = buffer;
        this.#text = apply(this.#text, operation);
        return operation;
    }
    #ordered(edit) {
        this.#base = apply(this.#base, edit.operation);
        this.#version = edit.version;
    }
}
function same(one, other) {
    return one.length === other.length && one.every((part, place) => part === other[place]);
}
