/** What a shared document tells those who show it. */

import type { LiveError } from './errors.js';
import type { Operation } from './ot.js';

/** None has to be given. */
export interface SharedHandlers {
  /** The text is there. */
  opened?(): void;
  /** Others changed the text: what that does to the one that is seen here. */
  changed?(operation: Operation): void;
  /** The whole text may be another one: it was read anew. */
  reloaded?(): void;
  /** How many edits of this client the server does not have yet. */
  unsent?(count: number): void;
  /** Title and others. */
  fields?(fields: Readonly<Record<string, string>>): void;
  /** Somebody came, went or moved the caret. */
  people?(): void;
  /** The server refused what was typed, for good; `text` is what was seen here before it was taken away. */
  refused?(error: LiveError, text: string): void;
  /** It can no longer be read or written. */
  closed?(error: LiveError): void;
}
