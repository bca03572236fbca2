/** When to connect again. Pure: chance comes from outside. */

/** What the end of a connection asks for. */
export type Next =
  /** Come back: at once the first time, later each time after up to twice as long. */
  | { readonly kind: 'reconnect' }
  /** Come back, but not before so many milliseconds have passed. */
  | { readonly kind: 'wait'; readonly milliseconds: number }
  /** Come back with another token. */
  | { readonly kind: 'new token' }
  /** Do not come back. */
  | { readonly kind: 'stop' };

const WAIT_FIRST = 10_000; // ms: of a quota, which frees up when others leave

/** What to do after a close code of docs/sync-protocol.md. */
export function afterClose(code: number): Next {
  switch (code) {
    case 1002: // what was sent breaks RFC 6455 or the limits: so would the same client again
    case 1003:
    case 1007:
    case 1009:
    case 4400: // what was sent cannot be answered: it would be sent again
    case 4403: // not as this caller
      return { kind: 'stop' };
    case 4401:
      return { kind: 'new token' };
    case 4429:
      return { kind: 'wait', milliseconds: WAIT_FIRST };
    default:
      return { kind: 'reconnect' };
  }
}

export const FIRST_PAUSE = 500; // ms
export const LONGEST_PAUSE = 30_000; // ms

/**
 * How long to wait before the next attempt, in milliseconds: full jitter, so that clients that were cut off
 * together do not come back together.
 *
 * @param failures how many attempts in a row have failed, from 0
 * @param random in [0, 1)
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function pause(failures: number, random: number): number {
  return random * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures, 16));
}

/** When to send a new token, in milliseconds from now: after four fifths of what is left. */
export function refreshAfter(expireTime: string, now: number): number {
  const left = Date.parse(expireTime) - now;
  return Number.isNaN(left) ? Infinity : Math.max(1000, left * 0.8);
}

/** Milliseconds of a proto3 JSON duration such as `30s` or `1.500s`; 0 for none. */
export function milliseconds(duration: string): number {
  const seconds = Number(duration.replace(/s$/, ''));
  return Number.isFinite(seconds) ? seconds * 1000 : 0;
}
