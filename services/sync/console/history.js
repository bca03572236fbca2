/** Who changed the note when, what it was then, and the way back. */

import { button, find, make, time, trouble } from './dom.js';

/** @typedef {import('./client/index.js').SharedDocument} SharedDocument */
/** @typedef {import('./client/index.js').Revision} Revision */

export class History {
  #restore;
  #panel = find('history-panel', HTMLElement);
  #opener = find('history', HTMLButtonElement);
  #list = find('revisions', HTMLOListElement);
  #more = find('more-revisions', HTMLButtonElement);
  #version = find('version', HTMLDivElement);
  #token = '';
  #shown = 0;
  /** @type {SharedDocument | undefined} */
  #shared;

  /** @param {(version: number) => Promise<void>} restore */
  constructor(restore) {
    this.#restore = restore;
    find('close-history', HTMLButtonElement).onclick = () => this.close(true);
    find('restore', HTMLButtonElement).onclick = () => void this.#back();
    this.#more.onclick = () => void this.#load();
  }

  /** @param {SharedDocument | undefined} shared */
  toggle(shared) {
    if (!this.#panel.hidden) return this.close(true);
    this.#shared = shared;
    this.#token = '';
    this.#list.replaceChildren();
    this.#visible(true);
    find('history-title', HTMLHeadingElement).focus();
    void this.#load();
  }

  close(focus = false) {
    this.#visible(false);
    if (focus) this.#opener.focus();
  }

  /** @param {boolean} visible */
  #visible(visible) {
    this.#panel.hidden = !visible;
    this.#version.hidden = true;
    this.#opener.setAttribute('aria-expanded', String(visible));
  }

  async #load() {
    const shared = this.#shared;
    if (!shared) return;
    try {
      const page = await shared.revisions(this.#token);
      if (shared !== this.#shared) return;
      this.#token = page.nextPageToken;
      this.#more.hidden = !this.#token;
      this.#list.append(...page.revisions.map((each) => this.#entry(each)));
      if (!this.#list.childElementCount) this.#list.append(make('li', { class: 'empty' }, 'Nothing was written yet.'));
    } catch (error) {
      this.#list.append(make('li', { class: 'error' }, trouble(error)));
    }
  }

  /** @param {Revision} revision */
  #entry(revision) {
    const { version, author, inserted, deleted } = revision;
    const what = [inserted && `${inserted} added`, deleted && `${deleted} removed`].filter(Boolean).join(', ');
    const meta = make('span', { class: 'meta' }, time(revision.editTime), what ? ` · ${what}` : '');
    const label = `Show version ${version}, by ${author}`;
    const show = button('Show', () => void this.#show(version), { class: 'small', 'aria-label': label });
    return make('li', { class: 'revision' }, make('div', {}, make('b', {}, author), ' ', meta), show);
  }

  /** @param {number} version */
  async #show(version) {
    const text = find('version-text', HTMLPreElement);
    const title = find('version-title', HTMLHeadingElement);
    try {
      text.textContent = (await this.#shared?.at(version))?.text || ' ';
    } catch (error) {
      text.textContent = trouble(error);
    }
    this.#shown = version;
    title.textContent = `The text at version ${version}`;
    this.#version.hidden = false;
    title.focus();
  }

  async #back() {
    await this.#restore(this.#shown);
    this.close(true);
  }
}
