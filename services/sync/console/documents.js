/** The list of the tenant's notes. */

import { announce, button, find, make, time, trouble } from './dom.js';

/** @typedef {import('./client/index.js').Live} Live */
/** @typedef {import('./client/index.js').Document} Document */

const PAGE = 30;
const PAUSE = 400; // ms: many changes at once are one look

export class Documents {
  #live;
  #open;
  #list = find('documents', HTMLUListElement);
  #more = find('more-documents', HTMLButtonElement);
  #empty = find('documents-empty', HTMLParagraphElement);
  #error = find('documents-error', HTMLParagraphElement);
  #gone = new AbortController();
  /** @type {Document[]} */
  #documents = [];
  #token = '';
  #current = '';
  #timer = 0;
  #look = 0;

  /**
   * @param {Live} live
   * @param {(name: string, fresh: boolean) => void} open
   */
  constructor(live, open) {
    this.#live = live;
    this.#open = open;
    const { signal } = this.#gone;
    this.#more.addEventListener('click', () => void this.#load(this.#token), { signal });
    find('new-document', HTMLButtonElement).addEventListener('click', () => void this.#create(), { signal });
  }

  /** Something may be different. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#load(''), PAUSE);
  }

  /** The note that is open. @param {string} name */
  current(name) {
    const closed = name ? '' : this.#current;
    this.#current = name;
    this.#show();
    if (closed) this.#focus(closed);
  }

  /** A title was changed here or elsewhere. @param {string} name @param {string} title */
  titled(name, title) {
    this.#documents = this.#documents.map((each) =>
      each.name === name ? { ...each, fields: { ...each.fields, title } } : each,
    );
    this.#show();
  }

  stop() {
    this.#gone.abort();
    clearTimeout(this.#timer);
    this.#list.replaceChildren();
  }

  /** @param {string} pageToken */
  async #load(pageToken) {
    const look = ++this.#look;
    try {
      const page = await this.#live.request('listDocuments', { pageSize: PAGE, pageToken }, 20_000);
      if (look !== this.#look || this.#gone.signal.aborted) return;
      this.#documents = pageToken ? [...this.#documents, ...page.documents] : [...page.documents];
      this.#token = page.nextPageToken;
      this.#error.textContent = '';
      this.#show();
    } catch (error) {
      if (look === this.#look) this.#error.textContent = trouble(error);
    }
  }

  async #create() {
    try {
      const made = await this.#live.request('createDocument', { document: { kind: 'DOCUMENT_KIND_NOTE' } });
      this.#error.textContent = '';
      this.#documents.unshift(made);
      announce('A new note was made.');
      this.#open(made.name, true);
    } catch (error) {
      this.#error.textContent = trouble(error);
    }
  }

  #show() {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['name'] : undefined;
    this.#list.replaceChildren(...this.#documents.map((each) => this.#entry(each)));
    this.#empty.hidden = this.#documents.length > 0;
    this.#more.hidden = !this.#token;
    if (focused) this.#focus(focused);
  }

  /** The list is made anew: who was on an entry stays there. @param {string} name */
  #focus(name) {
    for (const entry of this.#list.querySelectorAll('button')) if (entry.dataset['name'] === name) entry.focus();
  }

  /** @param {Document} note */
  #entry(note) {
    const opened = button('', () => this.#open(note.name, false), { class: 'entry', 'data-name': note.name });
    if (note.name === this.#current) opened.setAttribute('aria-current', 'true');
    const changed = make('small', {}, note.author ? `${note.author} · ` : '', time(note.updateTime || note.createTime));
    opened.append(make('b', {}, title(note.fields)), changed);
    return make('li', {}, opened);
  }
}

/** @param {Readonly<Record<string, string>>} fields */
export function title(fields) {
  return fields['title'] || 'Untitled';
}
