/**
 * A document that others write at the same time, over a live connection: what is typed here is shown at
 * once and sent when there is a connection; what others type comes in, put past what is not ordered yet.
 */
import { Caret, Cursors } from './cursors.js';
import { Diverged, SharedText } from './document.js';
import { LiveError } from './errors.js';
import { Fields } from './fields.js';
import { fromParts, toParts } from './ot.js';
import { newRequestId } from './requests.js';
import { Timer } from './socket.js';
import { Steps } from './steps.js';
const SEND_AFTER = 150; // ms from the first key on: what is typed meanwhile goes as one edit
const FILL_SOON = 50; // ms after an event that does not bring what was typed
const FILL_AFTER = 2000; // ms that edits are missing, which the log brings as a rule
const RELOAD = new Set(['HISTORY_COMPACTED', 'BASE_NOT_REACHED']);
const NOT_FOUND = 5; // google.rpc.Code
export class SharedDocument {
    name;
    #live;
    #handlers;
    #room;
    #cursors = new Cursors();
    #fields = new Fields();
    #steps = new Steps();
    #sending = new Timer();
    #caret;
    #filling = new Timer();
    #shared;
    #document;
    #typed = 0; // edits since the last one that was sent
    #sent = 0; // edits in the one that is on its way
    #outcome = Promise.resolve(false); // whether what is on its way is taken
    #settled = [];
    #reloading = false;
    #closed = false;
    constructor(live, name, handlers = {}, device) {
        this.name = name;
        this.#live = live;
        this.#handlers = handlers;
        this.#room = live.enter(name, {
            snapshot: (snapshot) => this.#snapshot(snapshot),
            event: (event) => this.#event(event),
            presence: () => this.#people(),
            closed: (error) => this.#close(error),
        }, { snapshot: true, presence: true, ...(device ? { device } : {}) });
        this.#caret = new Caret(() => (this.isOpen && !this.unsent ? this.version : undefined), (cursor) => this.#room.setPresence('PRESENCE_STATE_ACTIVE', cursor));
    }
    /** As it is seen here; empty before it was read. */
    get text() {
        return this.#shared?.text ?? '';
    }
    get isOpen() {
        return this.#shared !== undefined && !this.#closed;
    }
    /** The document as it was read last; its text, version and fields are older than those here. */
    get document() {
        return this.#document;
    }
    get version() {
        return this.#shared?.version ?? 0;
    }
    get fields() {
        return this.#fields.values;
    }
    /** How many edits made here the server does not have yet. */
    get unsent() {
        return this.#typed + this.#sent + this.#fields.unsent;
    }
    /** The others in the document, with their carets in the text that is seen here. */
    get people() {
        return this.#cursors.placed;
    }
    /** The person changed the text that is seen. */
    typed(operation) {
        if (!this.#shared || this.#closed || operation.length === 0)
            return;
        this.#shared.typed(operation);
        this.#cursors.move(operation);
        this.#typed += 1;
        if (this.#typed === 1)
            this.#sending.start(SEND_AFTER, () => this.#send());
        this.#count();
    }
    /** Where the caret is, in code points of the text that is seen, and where the selection began. */
    select(position, anchor = position) {
        this.#caret.set(position, anchor);
    }
    /** Writes a field; the latest value stays, whoever wrote it. Without a value, removes it. */
    async set(field, value) {
        const before = this.#fields.edit(field);
        const edit = this.#fields.write(field, value, Date.now());
        this.#count();
        try {
            const body = { name: this.name, baseVersion: this.version, fields: { [field]: edit } };
            this.#received(await this.#live.request('editDocument', body, Infinity));
        }
        catch (error) {
            if (!(error instanceof LiveError) || error.code === 0)
                throw error;
            if (this.#fields.edit(field) === edit)
                this.#fields.put(field, before);
            this.#handlers.fields?.(this.#fields.values);
            this.#handlers.refused?.(error, this.text);
        }
        finally {
            this.#fields.sent();
            this.#count();
        }
    }
    /** Takes back what this person typed last, in one go. */
    undo() {
        return this.#repeat('undoDocumentEdit', this.#steps.undo());
    }
    /** Makes again what was undone last. */
    redo() {
        return this.#repeat('redoDocumentEdit', this.#steps.redo());
    }
    /** Makes the text what it was at a version. */
    async restore(version) {
        await this.settle();
        this.#received(await this.#live.request('restoreDocument', { name: this.name, version }));
    }
    /** Writes the text into a knowledge item. */
    async save() {
        await this.settle();
        this.#document = await this.#live.request('saveDocument', { name: this.name }, 30_000);
        return this.#document;
    }
    revisions(pageToken = '') {
        return this.#live.request('listDocumentRevisions', { name: this.name, pageSize: 20, pageToken });
    }
    /** The document as it was. */
    at(version) {
        return this.#live.request('getDocument', { name: this.name, version });
    }
    /** Waits until the server has all that was typed. */
    settle() {
        this.#send();
        if (!this.#typed && !this.#sent)
            return Promise.resolve();
        return new Promise((resolve) => this.#settled.push(resolve));
    }
    /** Closes it here, once what was typed is sent. */
    async leave() {
        if (!this.#closed)
            await this.settle();
        this.#over();
        this.#room.leave();
    }
    /** The first one has to be done; of the others there may be fewer, after edits elsewhere. */
    async #repeat(method, times) {
        await this.settle();
        const ask = () => this.#live.request(method, { name: this.name });
        const [first, ...others] = Array.from({ length: times }, ask);
        const done = await Promise.allSettled([first, ...others]);
        for (const each of done)
            if (each.status === 'fulfilled')
                this.#received(each.value);
        await first;
    }
    #snapshot(snapshot) {
        if (!snapshot.document)
            return;
        if (this.#shared)
            return void this.#fill();
        this.#open(snapshot.document);
        this.#shared = new SharedText(snapshot.document.version, snapshot.document.text);
        this.#handlers.opened?.();
        this.#people();
    }
    #open(document) {
        this.#document = document;
        this.#fields.read(document.fields, document.fieldsTime, document.fieldsCounter);
        this.#handlers.fields?.(this.#fields.values);
    }
    #event(event) {
        if (event.edit)
            this.#received(event.edit);
        else if (event.type === 'DocumentDeleted')
            this.#close(deleted(this.name));
        else
            this.#filling.start(FILL_SOON, () => void this.#fill());
    }
    #received(edit) {
        if (!this.#shared || this.#closed)
            return;
        if (Object.keys(edit.fields).length)
            this.#written(edit);
        const { request, hasGap } = this.#shared;
        try {
            this.#take(edit, this.#shared);
        }
        catch (error) {
            if (!(error instanceof Diverged))
                throw error;
            return void this.#reload(true);
        }
        if (request && !this.#shared.request)
            this.#acknowledged();
        if (this.#shared.hasGap && !hasGap)
            this.#fillLater();
    }
    #fillLater() {
        this.#filling.start(FILL_AFTER, () => this.#shared?.hasGap && void this.#fill());
    }
    #written(edit) {
        if (this.#fields.merge(edit.fields))
            this.#handlers.fields?.(this.#fields.values);
    }
    #take(edit, shared) {
        const operation = fromParts(edit.operation.parts);
        const { version, author, requestId } = edit;
        const seen = shared.received({ version, operation, requestId });
        this.#cursors.ordered(version, operation, author);
        this.#cursors.move(seen, author);
        this.#cursors.arrive(shared);
        if (seen.length === 0)
            return;
        this.#caret.move(seen);
        this.#handlers.changed?.(seen);
        this.#handlers.people?.();
    }
    #acknowledged() {
        this.#sent = 0;
        if (this.#typed)
            this.#send();
        this.#rest();
    }
    #rest() {
        this.#count();
        if (this.#typed || this.#sent)
            return;
        for (const resolve of this.#settled.splice(0))
            resolve();
        this.#caret.tellSoon();
    }
    #send() {
        if (!this.#shared || this.#shared.request || this.#reloading || this.#closed)
            return;
        this.#sending.stop();
        const sending = this.#shared.sent(newRequestId());
        this.#sent = sending ? this.#typed : 0; // none when what was typed came to nothing
        this.#typed = 0;
        if (!sending)
            return this.#rest();
        this.#steps.made(Date.now());
        this.#outcome = this.#request(sending);
    }
    /** Whether it was taken, once that is certain. */
    async #request({ requestId, baseVersion, operation }) {
        const text = { parts: toParts(operation) };
        const body = { name: this.name, requestId, baseVersion, operation: text };
        try {
            this.#received(await this.#live.request('editDocument', body, Infinity));
            return true;
        }
        catch (error) {
            if (this.#shared?.request?.requestId === requestId)
                this.#fail(error);
            return false;
        }
    }
    #fail(error) {
        if (!(error instanceof LiveError) || !this.#shared || this.#closed)
            return;
        if (RELOAD.has(error.reason))
            return void this.#reload();
        if (error.code === 0 && error.reason !== 'MESSAGE_TOO_LARGE')
            return; // the connection has ended
        const { text } = this.#shared;
        this.#shared.givenUp();
        this.#typed = this.#sent = 0;
        this.#handlers.reloaded?.();
        this.#handlers.refused?.(error, text);
        if (error.code === NOT_FOUND)
            this.#close(error);
        else
            this.#rest();
    }
    /** Reads the document anew, and puts on top of it what was typed and is not a part of it. */
    async #reload(diverged = false) {
        if (this.#reloading || !this.#shared)
            return;
        this.#reloading = true;
        const { request } = this.#shared;
        const taken = request !== undefined && (diverged || (await this.#outcome));
        const document = await this.#read(() => this.#live.request('getDocument', { name: this.name }, Infinity));
        this.#reloading = false;
        if (!document || !this.#shared)
            return;
        this.#open(document);
        this.#shared.reloaded(document.version, document.text, taken && this.#shared.request === request);
        this.#typed += taken ? 0 : this.#sent;
        this.#sent = 0;
        this.#cursors.forget();
        this.#handlers.reloaded?.();
        this.#send();
        this.#rest();
    }
    /** Reads edits that the log did not bring. */
    async #fill() {
        for (let newest = Infinity; this.isOpen && this.version < newest;) {
            const body = { name: this.name, sinceVersion: this.version, pageSize: 500 };
            const list = await this.#read(() => this.#live.request('listDocumentEdits', body, Infinity));
            if (!list?.edits.length)
                return;
            newest = list.version;
            for (const edit of list.edits)
                this.#received(edit);
        }
    }
    async #read(ask) {
        try {
            return await ask();
        }
        catch (error) {
            if (!(error instanceof LiveError) || error.code === 0)
                return undefined;
            if (RELOAD.has(error.reason))
                void this.#reload();
            else
                this.#close(error);
            return undefined;
        }
    }
    #people() {
        const own = this.#live.welcome?.connection;
        const others = this.#room.members.filter((member) => member.connection !== own);
        this.#cursors.present(others, this.#shared);
        this.#handlers.people?.();
    }
    #count() {
        this.#handlers.unsent?.(this.unsent);
    }
    #close(error) {
        if (this.#closed)
            return;
        this.#over();
        this.#handlers.closed?.(error);
    }
    #over() {
        this.#closed = true;
        this.#sending.stop();
        this.#caret.stop();
        this.#filling.stop();
        for (const resolve of this.#settled.splice(0))
            resolve();
    }
}
function deleted(name) {
    return new LiveError('DOCUMENT_DELETED', `${name} was deleted.`, NOT_FOUND);
}
