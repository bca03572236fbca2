/** What can go wrong, in classes to catch. */
/** Something was not done. `reason` is what to match on. */
export class LiveError extends Error {
    reason;
    code;
    metadata;
    fields;
    name = 'LiveError';
    constructor(reason, message, 
    /** google.rpc.Code; 0 when it is the client that says so. */
    code = 0, metadata = {}, fields = {}) {
        super(message);
        this.reason = reason;
        this.code = code;
        this.metadata = metadata;
        this.fields = fields;
    }
    static of(error) {
        return new LiveError(error.reason, error.message, error.code, error.metadata, error.fields);
    }
}
/** No answer came in time: what was asked for may have been done. */
export class DeadlineExceeded extends LiveError {
    name = 'DeadlineExceeded';
    constructor(method) {
        super('DEADLINE_EXCEEDED', `No answer to ${method} came in time.`);
    }
}
/** The connection is over, and the client does not come back by itself. */
export class ConnectionEnded extends LiveError {
    name = 'ConnectionEnded';
}
