/** The client of Aeterna's live connections. docs/clients.md says how to use it. */

export { Live, type LiveEvents, type LiveOptions, type Occasion, type State } from './connection.js';
export { type Placed } from './cursors.js';
export { decode, MalformedMessage } from './decode.js';
export { ConnectionEnded, DeadlineExceeded, LiveError } from './errors.js';
export type { SharedHandlers } from './handlers.js';
export type * from './messages.js';
export { codePoints, type Operation, units } from './ot.js';
export { Room, type RoomHandlers, type RoomOptions } from './room.js';
export { SharedDocument } from './shared.js';
export type { Socket, SocketClass } from './socket.js';
export { TextareaBinding } from './textarea.js';
