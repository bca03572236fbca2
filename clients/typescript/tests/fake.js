/** A server in the same process, played by the test: `Fake` is a class of WebSocket. */

import { Live } from '../../../services/sync/console/client/index.js';

/** A world of its own for each test. */
export function world(options = {}) {
  const sockets = [];
  class Fake {
    sent = [];
    closed = undefined;
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;

    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      sockets.push(this);
      queueMicrotask(() => this.onopen?.({}));
    }

    send(text) {
      const message = JSON.parse(text);
      this.sent.push(message);
      if (message.ping && message.id === undefined) this.say({ pong: {} });
      options.answer?.(message, this);
      if (message.authenticate && options.welcome !== null) this.welcome(message.id);
    }

    close(code) {
      this.closed = code ?? 1005;
    }

    welcome(replyTo) {
      const expireTime = new Date(Date.now() + (options.lifetime ?? 3_600_000)).toISOString();
      const more = { connection: `c${sockets.length}`, tenant: 'acme', subject: 'ann', heartbeat: '30s' };
      this.say({ replyTo, welcome: { ...more, expireTime, maxMessageBytes: 1000, ...options.welcome } });
    }

    say(message) {
      this.onmessage?.({ data: JSON.stringify(message) });
    }

    drop(code = 1006, reason = '') {
      this.onclose?.({ code, reason });
    }

    /** What was asked for by a name, oldest first. */
    asked(name) {
      return this.sent.filter((message) => name in message).map((message) => ({ id: message.id, ...message[name] }));
    }
  }

  const tokens = [];
  const live = new Live({
    url: 'ws://server/v1/live',
    token: (occasion) => {
      tokens.push(occasion);
      return `token ${tokens.length}`;
    },
    WebSocket: Fake,
    random: () => 0,
    ...options.live,
  });
  const states = [];
  live.on({ state: (state, why) => states.push(why ? `${state} ${why.reason}` : state) });
  return {
    live,
    sockets,
    states,
    tokens,
    get socket() {
      return sockets[sockets.length - 1];
    },
  };
}

/** Waits until something holds; fails after five seconds. */
export async function until(holds, what = String(holds)) {
  const end = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Never came: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function change(room, number, more = {}) {
  const row = { number: String(number), resource: `memories/${number}`, operation: 'OPERATION_CREATED' };
  return { event: { room, number: String(number), type: 'MemoryAdded', change: row, ...more } };
}
