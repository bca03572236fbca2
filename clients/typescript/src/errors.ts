/** What can go wrong, in classes to catch. */

import type { ErrorMessage } from './messages.js';

/** Something was not done. `reason` is what to match on. */
export class LiveError extends Error {
  override readonly name: string = 'LiveError';

  constructor(
    readonly reason: string,
    message: string,
    /** google.rpc.Code; 0 when it is the client that says so. */
    readonly code: number = 0,
    readonly metadata: Readonly<Record<string, string>> = {},
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  static of(error: ErrorMessage): LiveError {
    return new LiveError(error.reason, error.message, error.code, error.metadata, error.fields);
  }
}

/** No answer came in time: what was asked for may have been done. */
export class DeadlineExceeded extends LiveError {
  override readonly name = 'DeadlineExceeded';

  constructor(method: string) {
    super('DEADLINE_EXCEEDED', `No answer to ${method} came in time.`);
  }
}

/** The connection is over, and the client does not come back by itself. */
export class ConnectionEnded extends LiveError {
  override readonly name = 'ConnectionEnded';
}
