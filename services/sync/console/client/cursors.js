/** Others' carets, kept where they belong while the text changes. */
import { move } from './ot.js';
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
            this.#people.set(connection, { presence, places: this.moved(places, operation, own) });
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
    moved(places, operation, own = false) {
        return {
            position: move(places.position, operation, own),
            anchor: move(places.anchor, operation, own),
        };
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
            places = this.moved(places, edit.operation, edit.author === presence.user);
        }
        return this.moved(places, shared.pending);
    }
}
function isSame(one, other) {
    return JSON.stringify(one.cursor) === JSON.stringify(other.cursor);
}
