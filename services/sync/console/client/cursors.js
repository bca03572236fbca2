/** Carets, others' and this person's own, kept where they belong while the text changes. */
import { move } from './ot.js';
import { Timer } from './socket.js';
const TELL_AFTER = 100; // ms: carets move more often than others need to know
const REMEMBERED = 500; // edits: a caret of an older version is not shown
export class Cursors {
    #people = new Map();
    #edits = new Map();
    get placed() {
        return [...this.#people.values()].map(({ presence, places }) => ({
            presence,
            position: places?.position,
            anchor: places?.anchor,
        }));
    }
    /** Who is there now; carets that are of a version not seen yet come once it is. */
    present(people, shared) {
        const before = new Map(this.#people);
        this.#people.clear();
        for (const presence of people) {
            const known = before.get(presence.connection);
            const same = known && isSame(known.presence, presence);
            const places = same ? known.places : this.#place(presence, shared);
            this.#people.set(presence.connection, { presence, places });
        }
    }
    /** An edit got its place in the order. */
    ordered(version, operation, author) {
        this.#edits.set(version, { operation, author });
        this.#edits.delete(version - REMEMBERED);
    }
    /** The text that is seen was changed, here or by the author. */
    move(operation, author) {
        for (const [connection, { presence, places }] of this.#people) {
            if (!places)
                continue;
            const own = author !== undefined && author === presence.user;
            this.#people.set(connection, { presence, places: moved(places, operation, own) });
        }
    }
    /** Places the carets that were ahead of the text. */
    arrive(shared) {
        for (const [connection, { presence, places }] of this.#people) {
            if (places || !presence.cursor)
                continue;
            this.#people.set(connection, { presence, places: this.#place(presence, shared) });
        }
    }
    /** What was known of edits no longer leads to the text. */
    forget() {
        this.#edits.clear();
        for (const [connection, { presence }] of this.#people) {
            this.#people.set(connection, { presence, places: undefined });
        }
    }
    #place(presence, shared) {
        const { cursor } = presence;
        if (!cursor || !shared || cursor.version > shared.version)
            return undefined;
        let places = cursor;
        for (let version = cursor.version + 1; version <= shared.version; version++) {
            const edit = this.#edits.get(version);
            if (!edit)
                return undefined;
            places = moved(places, edit.operation, edit.author === presence.user);
        }
        return moved(places, shared.pending);
    }
}
function isSame(one, other) {
    return JSON.stringify(one.cursor) === JSON.stringify(other.cursor);
}
function moved(places, operation, own = false) {
    return {
        position: move(places.position, operation, own),
        anchor: move(places.anchor, operation, own),
    };
}
/** Where this person's caret is, told to the others now and then. */
export class Caret {
    #tell;
    #version;
    #timer = new Timer();
    #places;
    #told = '';
    /** @param version that others know the text by; undefined while something is on its way */
    constructor(version, tell) {
        this.#version = version;
        this.#tell = tell;
    }
    /** The person moved it. */
    set(position, anchor) {
        this.#places = { position, anchor };
        this.tellSoon();
    }
    /** Others changed the text. */
    move(operation) {
        if (this.#places)
            this.#places = moved(this.#places, operation);
    }
    tellSoon() {
        this.#timer.start(TELL_AFTER, () => this.#now());
    }
    stop() {
        this.#timer.stop();
    }
    #now() {
        const version = this.#version();
        if (!this.#places || version === undefined)
            return;
        const cursor = { ...this.#places, version };
        const news = JSON.stringify(cursor);
        if (news !== this.#told)
            this.#tell(cursor);
        this.#told = news;
    }
}
