/** What the client needs of a WebSocket: that of browsers, of Node or of the `ws` package. */
/** The subprotocol of JSON in text frames. */
export const PROTOCOL = 'aeterna.live.v1.json';
/** The class to open connections with: the given one, or else that of the platform. */
export function socketClass(given) {
    const found = given ?? globalThis.WebSocket;
    if (!found)
        throw new TypeError('There is no WebSocket here: give one as an option.');
    return found;
}
/** A timer that may be as long as one likes, and is never asked for twice. */
export class Timer {
    #running;
    start(milliseconds, then) {
        this.stop();
        const longest = 2 ** 31 - 1; // setTimeout takes more for nothing at all
        this.#running = setTimeout(then, Math.min(milliseconds, longest));
    }
    stop() {
        clearTimeout(this.#running);
        this.#running = undefined;
    }
}
