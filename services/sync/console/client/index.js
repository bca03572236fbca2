/** The client of Aeterna's live connections. docs/clients.md says how to use it. */
export { Live } from './connection.js';
export {} from './cursors.js';
export { decode, MalformedMessage } from './decode.js';
export { ConnectionEnded, DeadlineExceeded, LiveError } from './errors.js';
export { codePoints, units } from './ot.js';
export { Room } from './room.js';
export { SharedDocument } from './shared.js';
export { TextareaBinding } from './textarea.js';
