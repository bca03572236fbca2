/**
 * The messages of a live connection, as protos/aeterna/sync/v1 defines them: what `decode.ts` makes of
 * their JSON form. Numbers of changes and versions are plain numbers; times and durations are as in JSON.
 */

/** A part of a change of a text. Lengths are in Unicode code points. */
export type Part =
  | { readonly retain: number }
  | { readonly insert: string }
  | { readonly delete: number };

/** A change of a text, from its beginning; what follows the last part stays as it is. */
export interface TextOperation {
  readonly parts: readonly Part[];
}

/** A value of a field with the hybrid logical time it was written at; without a value it removes the field. */
export interface FieldEdit {
  readonly value?: string | undefined;
  readonly time: number;
  readonly counter: number;
}

/** Where something belongs; empty for the whole tenant. */
export interface Scope {
  readonly orgId?: string;
  readonly teamId?: string;
  readonly projectId?: string;
}

export type DocumentKind = 'DOCUMENT_KIND_UNSPECIFIED' | 'DOCUMENT_KIND_NOTE' | 'DOCUMENT_KIND_POLICY';

/** A text that several people write. */
export interface Document {
  readonly name: string;
  readonly kind: DocumentKind;
  readonly scope: Scope;
  /** Empty in lists. */
  readonly text: string;
  readonly fields: Readonly<Record<string, string>>;
  /** When a field was written last: those who have read the fields write later. */
  readonly fieldsTime: number;
  readonly fieldsCounter: number;
  readonly version: number;
  readonly oldestVersion: number;
  readonly knowledgeItem: string;
  readonly savedVersion: number;
  readonly author: string;
  readonly createTime: string;
  readonly updateTime: string;
}

export type Origin =
  | 'ORIGIN_UNSPECIFIED'
  | 'ORIGIN_EDIT'
  | 'ORIGIN_UNDO'
  | 'ORIGIN_REDO'
  | 'ORIGIN_RESTORE';

/** An edit as the server took it. */
export interface DocumentEdit {
  /** The version that it made. */
  readonly version: number;
  /** What it does to the text of the version before. */
  readonly operation: TextOperation;
  readonly fields: Readonly<Record<string, FieldEdit>>;
  readonly author: string;
  readonly requestId: string;
  readonly origin: Origin;
  readonly editTime: string;
  readonly number: number;
}

/** Edits of one person close in time. */
export interface Revision {
  readonly version: number;
  readonly baseVersion: number;
  readonly author: string;
  readonly editTime: string;
  readonly inserted: number;
  readonly deleted: number;
}

export interface DocumentList {
  readonly documents: readonly Document[];
  readonly nextPageToken: string;
}

export interface RevisionList {
  readonly revisions: readonly Revision[];
  readonly nextPageToken: string;
}

export interface EditList {
  readonly edits: readonly DocumentEdit[];
  readonly version: number;
}

/** A row of the tenant's change log: what changed, never the content. */
export interface Change {
  readonly number: number;
  readonly resource: string;
  readonly operation: string;
  readonly actor: string;
  readonly subject: string;
  readonly layer: string;
  readonly traceId: string;
  readonly commitTime: string;
}

export type PresenceState =
  | 'PRESENCE_STATE_UNSPECIFIED'
  | 'PRESENCE_STATE_ACTIVE'
  | 'PRESENCE_STATE_IDLE'
  | 'PRESENCE_STATE_OFFLINE';

/** A place in a document's text, in code points, true of one version. */
export interface Cursor {
  readonly position: number;
  readonly anchor: number;
  readonly version: number;
}

/** One connection of somebody in a room. */
export interface Presence {
  readonly connection: string;
  readonly user: string;
  readonly agent: string;
  readonly device: string;
  readonly state: PresenceState;
  readonly cursor: Cursor | undefined;
  readonly joinTime: string;
}

export interface Welcome {
  readonly connection: string;
  readonly tenant: string;
  readonly subject: string;
  readonly expireTime: string;
  readonly heartbeat: string;
  readonly maxMessageBytes: number;
}

export interface Snapshot {
  readonly room: string;
  readonly resources: readonly { readonly name: string; readonly number: number }[];
  readonly document: Document | undefined;
  readonly present: readonly Presence[];
  readonly complete: boolean;
  readonly number: number;
}

/** Something happened in a room. */
export interface Event {
  readonly room: string;
  readonly number: number;
  /** In a word: `MemoryAdded`, `DocumentEdited` and others. */
  readonly type: string;
  readonly change: Change | undefined;
  readonly edit: DocumentEdit | undefined;
}

export interface PresenceUpdate {
  readonly room: string;
  readonly changes: readonly Presence[];
  readonly connections: number;
  readonly people: number;
}

/** What the server says when something was not done. */
export interface ErrorMessage {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
}

/** What the server sends; one of the fields beside `replyTo` is there. */
export interface ServerMessage {
  readonly replyTo: string;
  readonly welcome?: Welcome | undefined;
  readonly subscribed?: { readonly room: string; readonly number: number } | undefined;
  readonly unsubscribed?:
    | { readonly room: string; readonly error: ErrorMessage | undefined }
    | undefined;
  readonly snapshot?: Snapshot | undefined;
  readonly event?: Event | undefined;
  readonly checkpoint?: { readonly room: string; readonly number: number } | undefined;
  readonly presence?: PresenceUpdate | undefined;
  readonly done?: object | undefined;
  readonly error?: ErrorMessage | undefined;
  readonly pong?: object | undefined;
  readonly draining?: { readonly reconnectAfter: string } | undefined;
  readonly document?: Document | undefined;
  readonly documents?: DocumentList | undefined;
  readonly edit?: DocumentEdit | undefined;
  readonly revisions?: RevisionList | undefined;
  readonly edits?: EditList | undefined;
}

/** A room to enter, and from where. */
export interface Subscribe {
  readonly room: string;
  /** The last number already seen; 0 for the beginning, absent for "from now on". */
  readonly since?: number;
  readonly snapshot?: boolean;
  readonly presence?: boolean;
  readonly window?: number;
  readonly device?: string;
}

interface Named {
  readonly name: string;
}

interface Mutation {
  /** Makes a repeat safe; the client chooses one when it is absent. */
  readonly requestId?: string;
}

interface Page {
  readonly pageSize?: number;
  readonly pageToken?: string;
}

/** What is answered with a message of the type on the right. */
export interface Answers {
  subscribe: 'subscribed';
  unsubscribe: 'unsubscribed';
  authenticate: 'welcome';
  ping: 'pong';
  setPresence: 'done';
  createDocument: 'document';
  getDocument: 'document';
  listDocuments: 'documents';
  editDocument: 'edit';
  undoDocumentEdit: 'edit';
  redoDocumentEdit: 'edit';
  listDocumentRevisions: 'revisions';
  restoreDocument: 'edit';
  saveDocument: 'document';
  deleteDocument: 'done';
  listDocumentEdits: 'edits';
}

/** What a client can ask for. */
export interface Requests {
  subscribe: Subscribe;
  unsubscribe: { readonly room: string };
  /** Not answered. */
  acknowledge: { readonly room: string; readonly number: number };
  authenticate: { readonly token: string; readonly tenant?: string };
  ping: Readonly<Record<string, never>>;
  setPresence: { readonly room: string; readonly state: PresenceState; readonly cursor?: Cursor };
  createDocument: Mutation & {
    readonly document: Pick<Document, 'kind'> & Partial<Pick<Document, 'scope' | 'text' | 'fields'>>;
  };
  getDocument: Named & { readonly version?: number };
  listDocuments: Page;
  editDocument: Named &
    Mutation & {
      readonly baseVersion: number;
      readonly operation?: TextOperation;
      readonly fields?: Readonly<Record<string, FieldEdit>>;
    };
  undoDocumentEdit: Named & Mutation;
  redoDocumentEdit: Named & Mutation;
  listDocumentRevisions: Named & Page;
  restoreDocument: Named & Mutation & { readonly version: number };
  saveDocument: Named & Mutation;
  deleteDocument: Named & Mutation;
  listDocumentEdits: Named & { readonly sinceVersion: number; readonly pageSize?: number };
}

/** The name of something to ask for. */
export type Method = keyof Requests;

/** The name of something that is answered. */
export type Answered = keyof Answers;

/** What the answer to a request holds. */
export type Answer<M extends Answered> = NonNullable<ServerMessage[Answers[M]]>;
