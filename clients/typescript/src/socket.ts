/** What the client needs of a WebSocket: that of browsers, of Node or of the `ws` package. */

export interface Socket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: unknown }) => void) | null;
  onerror: ((event: never) => void) | null;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** The subprotocol of JSON in text frames. */
export const PROTOCOL = 'aeterna.live.v1.json';

/** The class to open connections with: the given one, or else that of the platform. */
export function socketClass(given: SocketClass | undefined): SocketClass {
  const found = given ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
  if (!found) throw new TypeError('There is no WebSocket here: give one as an option.');
  return found;
}

/** A timer that may be as long as one likes, and is never asked for twice. */
export class Timer {
  #running: ReturnType<typeof setTimeout> | undefined;

  start(milliseconds: number, then: () => void): void {
    this.stop();
    const longest = 2 ** 31 - 1; // setTimeout takes more for nothing at all
    this.#running = setTimeout(then, Math.min(milliseconds, longest));
  }

  stop(): void {
    clearTimeout(this.#running);
    this.#running = undefined;
  }
}
