/** One connection, from its opening to its end: authentication, signs of life, the renewal of its token. */
import { decode } from './decode.js';
import { milliseconds, refreshAfter } from './pace.js';
import { PROTOCOL, Timer } from './socket.js';
/** Codes that only this side says, of a connection that the other side did not end. */
export const LOST = 1006;
const AUTHENTICATION = 'authenticate';
const PROBE = 5_000; // ms: how long a connection has to show that it lives
export class Link {
    #socket;
    #options;
    #events;
    #patience = new Timer();
    #beat = new Timer();
    #renewal = new Timer();
    #token;
    #heartbeat = 30_000;
    #heard = Date.now();
    #spoke = 0;
    #known = false;
    #over = false;
    maxMessageBytes = Infinity;
    constructor(options, token, events) {
        this.#options = options;
        this.#token = token;
        this.#events = events;
        this.#patience.start(options.openTimeout, () => this.#end({ code: LOST, reason: 'TIMEOUT' }));
        this.#socket = new options.socket(options.url, [PROTOCOL]);
        this.#socket.onopen = () => this.#authenticate();
        this.#socket.onmessage = (event) => this.#receive(event.data);
        this.#socket.onclose = (event) => this.#end({ code: event.code, reason: String(event.reason ?? '') });
        this.#socket.onerror = () => undefined; // `close` follows, and says as much
    }
    send(method, body, id = '') {
        this.sendText(JSON.stringify(id ? { id, [method]: body } : { [method]: body }));
    }
    sendText(text) {
        if (this.#over)
            return;
        this.#spoke = Date.now();
        this.#socket.send(text);
    }
    /** Ends the connection from this side, and tells nobody. */
    close() {
        this.#over = true;
        this.#stop();
        this.#socket.close(1000);
    }
    /** Has the connection show that it lives, or ends it. */
    probe() {
        if (!this.#known || this.#over)
            return;
        this.send('ping', {});
        this.#patience.start(PROBE, () => this.#end({ code: LOST, reason: 'SILENT' }));
    }
    #authenticate() {
        const { tenant } = this.#options;
        this.send('authenticate', { token: this.#token, ...(tenant ? { tenant } : {}) }, AUTHENTICATION);
    }
    #receive(data) {
        if (this.#over)
            return;
        this.#heard = Date.now();
        if (this.#known)
            this.#patience.stop();
        let message;
        try {
            message = decode(String(data));
        }
        catch {
            return this.#end({ code: LOST, reason: 'MALFORMED_MESSAGE' });
        }
        if (message.welcome)
            return this.#welcome(message.welcome);
        if (message.replyTo === AUTHENTICATION)
            return this.#refused(message);
        this.#events.message(message);
    }
    #welcome(welcome) {
        const again = this.#known;
        this.#known = true;
        this.#patience.stop();
        this.#heartbeat = milliseconds(welcome.heartbeat) || this.#heartbeat;
        this.maxMessageBytes = welcome.maxMessageBytes || Infinity;
        this.#listen();
        this.#renewLater(welcome.expireTime);
        this.#events.welcome(welcome, again);
    }
    /** The first token was refused: that is the end. A later one: the older one holds until it expires. */
    #refused(message) {
        if (!this.#known)
            this.#end({ code: 4401, reason: message.error?.reason ?? 'UNAUTHENTICATED' });
    }
    #renewLater(expireTime) {
        const after = refreshAfter(expireTime, Date.now());
        if (after === Infinity)
            return;
        this.#renewal.start(after, () => void this.#renew(expireTime));
    }
    async #renew(expireTime) {
        const token = await this.#options.renew().catch(() => this.#token);
        if (this.#over)
            return;
        if (token === this.#token) {
            const left = Date.parse(expireTime) - Date.now();
            if (left > 0)
                this.#renewLater(expireTime);
            return;
        }
        this.#token = token;
        this.#authenticate();
    }
    /** Says something now and then, and ends what has been silent for too long. */
    #listen() {
        this.#beat.start(this.#heartbeat / 4, () => {
            const now = Date.now();
            if (now - this.#heard > 2 * this.#heartbeat)
                return this.#end({ code: LOST, reason: 'SILENT' });
            if (now - this.#spoke >= this.#heartbeat / 2)
                this.send('ping', {});
            this.#listen();
        });
    }
    #end(ending) {
        if (this.#over)
            return;
        this.close();
        this.#events.ended(ending);
    }
    #stop() {
        for (const timer of [this.#patience, this.#beat, this.#renewal])
            timer.stop();
    }
}
