/** The note that is open: its text, who writes in it, undo, history, what is to be done with it. */

import { SharedDocument, TextareaBinding } from './client/index.js';
import { lineOf, Mirror } from './cursors.js';
import { announce, face, find, make, sure, trouble } from './dom.js';
import { History } from './history.js';
import { isIdle } from './people.js';

/** @typedef {import('./client/index.js').Live} Live */
/** @typedef {import('./client/index.js').LiveError} LiveError */

const NOT_FOUND = 5; // google.rpc.Code
const PERMISSION_DENIED = 7;
const TITLE_AFTER = 500; // ms after the last key

export class Editor {
  #live;
  #events;
  #area = find('text', HTMLTextAreaElement);
  #title = find('title', HTMLInputElement);
  #sending = find('sending', HTMLParagraphElement);
  #error = find('editor-error', HTMLParagraphElement);
  #writers = find('writers', HTMLUListElement);
  #mirror = new Mirror(find('mirror', HTMLDivElement), this.#area);
  #history = new History((version) => this.#try(() => this.#shared?.restore(version)));
  #gone = new AbortController();
  #titling = 0;
  /** @type {SharedDocument | undefined} */
  #shared;
  /** @type {TextareaBinding | undefined} */
  #binding;
  /** Notes that were left with edits that the server does not have yet. @type {Map<string, SharedDocument>} */
  #leaving = new Map();
  #wanted = ''; // one of these that is to be opened again

  /**
   * @param {Live} live
   * @param {{ opened(name: string): void, titled(name: string, title: string): void, unsent(): void }} events
   */
  constructor(live, events) {
    this.#live = live;
    this.#events = events;
    const { signal } = this.#gone;
    const does = /** @type {const} */ ([
      ['undo', () => this.#try(() => this.#shared?.undo())],
      ['redo', () => this.#try(() => this.#shared?.redo())],
      ['save', () => this.#try(() => this.#save())],
      ['delete', () => this.#try(() => this.#delete())],
      ['history', () => this.#history.toggle(this.#shared)],
      ['close-document', () => this.close()],
    ]);
    for (const [id, act] of does) find(id, HTMLButtonElement).addEventListener('click', act, { signal });
    this.#title.addEventListener('input', () => this.#titleLater(), { signal });
    this.#title.addEventListener('change', () => this.#writeTitle(), { signal });
    document.addEventListener('selectionchange', () => this.#selected(), { signal });
    const sizes = new ResizeObserver(() => this.#draw());
    sizes.observe(this.#area);
    signal.addEventListener('abort', () => sizes.disconnect());
  }

  /** How many edits the server does not have yet. */
  get unsent() {
    return [...this.#leaving.values()].reduce((sum, each) => sum + each.unsent, this.#shared?.unsent ?? 0);
  }

  get text() {
    return this.#shared?.text ?? '';
  }

  /** @param {string} name @param {boolean} fresh whether it was made just now */
  open(name, fresh) {
    if (this.#shared?.name === name) return;
    this.#leave();
    this.#wanted = this.#leaving.has(name) ? name : '';
    this.#area.value = '';
    this.#area.disabled = true;
    this.#area.readOnly = this.#title.readOnly = false;
    this.#title.value = '';
    this.#error.textContent = '';
    this.#sending.textContent = 'Opening…';
    this.#visible(true);
    (fresh ? this.#title : find('editor-heading', HTMLHeadingElement)).focus({ preventScroll: true });
    if (!this.#wanted) this.#shared = new SharedDocument(this.#live, name, this.#handlers(name), 'Console');
    this.#events.opened(name);
  }

  close() {
    this.#leave();
    this.#wanted = '';
    this.#visible(false);
    this.#events.opened('');
  }

  stop() {
    this.close();
    this.#gone.abort();
  }

  /** Of a note that was left, and sends what is unsent, nothing is shown. @param {string} name */
  #handlers(name) {
    const isOpen = () => this.#shared?.name === name;
    return {
      opened: () => isOpen() && this.#opened(),
      changed: (/** @type {import('./client/index.js').Operation} */ operation) => isOpen() && this.#binding?.changed(operation),
      reloaded: () => isOpen() && this.#binding?.reload(),
      unsent: () => this.#count(),
      fields: (/** @type {Readonly<Record<string, string>>} */ fields) => isOpen() && this.#fields(fields),
      people: () => isOpen() && this.#draw(),
      refused: (/** @type {LiveError} */ error) => (isOpen() ? this.#refused(error) : this.#say(error)),
      closed: (/** @type {LiveError} */ error) => isOpen() && this.#closed(error),
    };
  }

  #opened() {
    if (!this.#shared) return;
    this.#area.disabled = false;
    this.#binding = new TextareaBinding(this.#area, this.#shared, (error) => this.#say(error));
    this.#count();
    this.#draw();
    announce('The note is open.');
  }

  #leave() {
    if (this.#titling) this.#writeTitle();
    this.#binding?.release();
    this.#binding = undefined;
    if (this.#shared) void this.#left(this.#shared);
    this.#shared = undefined;
    this.#history.close();
    this.#draw();
  }

  /** It can be opened again once all that was written in it is sent. @param {SharedDocument} shared */
  async #left(shared) {
    this.#leaving.set(shared.name, shared);
    await shared.leave();
    this.#leaving.delete(shared.name);
    this.#events.unsent();
    if (this.#wanted === shared.name) this.open(shared.name, false);
  }

  /** @param {boolean} open */
  #visible(open) {
    document.body.classList.toggle('writing', open);
    find('editor-open', HTMLDivElement).hidden = !open;
    find('editor-none', HTMLDivElement).hidden = open;
  }

  /** @param {LiveError} error */
  #closed(error) {
    this.#area.disabled = true;
    this.#sending.textContent = '';
    this.#error.textContent = error.code === NOT_FOUND ? 'This note was deleted.' : trouble(error);
  }

  /** Who may not write goes on reading. @param {LiveError} error */
  #refused(error) {
    const readOnly = error.code === PERMISSION_DENIED;
    this.#area.readOnly = this.#title.readOnly = readOnly;
    this.#error.textContent = readOnly ? 'You may read this note, and not write in it.' : `Not taken: ${trouble(error)}`;
  }

  #selected() {
    if (document.activeElement === this.#area) this.#binding?.selected();
  }

  #draw() {
    const people = this.#shared?.people ?? [];
    this.#mirror.show(people);
    this.#writers.replaceChildren(...people.map((person) => this.#writer(person)));
  }

  /** @param {import('./client/index.js').Placed} person */
  #writer({ presence, position }) {
    const idle = isIdle(presence);
    const line = position === undefined || !this.#shared ? '' : `line ${lineOf(this.#shared.text, position)}`;
    const own = presence.user === this.#live.welcome?.subject ? ' (you, elsewhere)' : '';
    const facts = [presence.user + own, presence.agent && `through ${presence.agent}`, line, idle && 'quiet'];
    return make('li', {}, face(presence.user, idle), facts.filter(Boolean).join(', '));
  }

  #count() {
    const count = this.unsent;
    const live = this.#live.state === 'live';
    this.#sending.dataset['state'] = count && !live ? 'unsent' : '';
    const waits = count === 1 ? '1 edit is not sent yet. It goes' : `${count} edits are not sent yet. They go`;
    this.#sending.textContent = !count ? 'Everything is saved.' : live ? 'Sending…' : `${waits} once you are connected.`;
    this.#events.unsent();
  }

  /** The connection came or went. */
  connection() {
    if (this.#binding) this.#count();
  }

  /** @param {Readonly<Record<string, string>>} fields */
  #fields(fields) {
    const title = fields['title'] ?? '';
    if (!this.#titling && this.#title.value !== title) this.#title.value = title;
    if (this.#shared) this.#events.titled(this.#shared.name, title);
  }

  #titleLater() {
    clearTimeout(this.#titling);
    this.#titling = window.setTimeout(() => this.#writeTitle(), TITLE_AFTER);
  }

  #writeTitle() {
    if (!this.#titling) return;
    clearTimeout(this.#titling);
    this.#titling = 0;
    const title = this.#title.value.trim();
    if (!this.#shared || title === (this.#shared.fields['title'] ?? '')) return;
    this.#events.titled(this.#shared.name, title);
    void this.#shared.set('title', title || undefined);
  }

  async #save() {
    const saved = await this.#shared?.save();
    if (saved) this.#tell(`Saved to ${saved.knowledgeItem}, as a draft.`);
  }

  async #delete() {
    const shared = this.#shared;
    if (!shared || !(await sure('Delete this note and its history, for everybody?', 'Delete'))) return;
    await this.#live.request('deleteDocument', { name: shared.name });
    this.close();
    announce('The note was deleted.');
  }

  /** @param {() => Promise<unknown> | undefined} act */
  async #try(act) {
    this.#error.textContent = '';
    try {
      await act();
    } catch (error) {
      this.#say(error);
    }
  }

  /** @param {unknown} error */
  #say(error) {
    const reason = /** @type {{ reason?: string }} */ (error).reason ?? '';
    if (reason === 'NOTHING_TO_UNDO') this.#tell('There is nothing of yours to undo.');
    else if (reason === 'NOTHING_TO_REDO') this.#tell('There is nothing to redo.');
    else this.#error.textContent = trouble(error);
  }

  /** @param {string} text */
  #tell(text) {
    this.#sending.textContent = text;
    announce(text);
  }
}
