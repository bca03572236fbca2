/**
 * The messages of a live connection, as protos/aeterna/sync/v1 defines them: what `decode.ts` makes of
 * their JSON form. Numbers of changes and versions are plain numbers; times and durations are as in JSON.
 */
export {};
