/** The live feed: what happens in a room, newest first. */

import { find, hue, make, plural, time, trouble } from './dom.js';

/** @typedef {import('./client/index.js').Live} Live */
/** @typedef {import('./client/index.js').Event} Event */
/** @typedef {import('./client/index.js').Room} Room */
/** @typedef {import('./client/index.js').RoomHandlers} RoomHandlers */

const SHOWN = 200; // entries
const BACK = 50; // how many numbers before the newest one the feed begins

/**
 * Enters a room some changes before its end, so that there is something to see.
 *
 * @param {Live} live
 * @param {string} name
 * @param {RoomHandlers} handlers
 * @param {import('./client/index.js').RoomOptions} [options]
 */
export function follow(live, name, handlers, options = {}) {
  let left = false;
  let room = live.enter(name, { ...handlers, event: undefined, entered: begin }, options);

  /** @param {number} number */
  function begin(number) {
    if (left) return;
    room.leave();
    room = live.enter(name, handlers, { ...options, since: Math.max(0, number - BACK) });
  }

  return {
    leave() {
      left = true;
      room.leave();
    },
  };
}

export class Feed {
  #live;
  #list = find('feed', HTMLOListElement);
  #empty = find('feed-empty', HTMLParagraphElement);
  #error = find('feed-error', HTMLParagraphElement);
  #select = find('room', HTMLSelectElement);
  #other = find('other', HTMLSpanElement);
  #otherRoom = find('other-room', HTMLInputElement);
  #pause = find('pause', HTMLButtonElement);
  #gone = new AbortController();
  #room = 'changes';
  /** @type {Event[]} */
  #all = [];
  /** @type {Event[]} */
  #held = [];
  #paused = false;
  #count = 0;
  /** @type {Set<string>} */
  #actors = new Set();
  /** @type {Event | undefined} */
  #last;
  /** @type {{ leave(): void } | undefined} */
  #entered;

  /** @param {Live} live */
  constructor(live) {
    this.#live = live;
    const { signal } = this.#gone;
    this.#select.addEventListener('change', () => this.#chosen(), { signal });
    find('filter', HTMLFormElement).addEventListener('submit', (event) => this.#named(event), { signal });
    this.#pause.addEventListener('click', () => this.#toggle(), { signal });
    this.#select.value = 'changes';
    this.#chosen();
  }

  /** Something happened in the tenant. @param {Event} event */
  hear(event) {
    this.#all.unshift(event);
    this.#all.length = Math.min(this.#all.length, SHOWN);
    if (this.#room === 'changes' || this.#isOf(event)) this.#take(event);
  }

  stop() {
    this.#gone.abort();
    this.#list.replaceChildren();
    this.#paused = false;
    this.#label();
  }

  #chosen() {
    this.#other.hidden = this.#select.value !== '';
    if (this.#select.value) this.#show(this.#select.value);
    else this.#otherRoom.focus();
  }

  /** @param {SubmitEvent} event */
  #named(event) {
    event.preventDefault();
    const name = this.#otherRoom.value.trim();
    if (name) this.#show(name);
  }

  /** @param {string} name */
  #show(name) {
    this.#entered?.leave();
    this.#entered = undefined;
    this.#room = name;
    this.#held = [];
    this.#last = undefined;
    this.#error.textContent = '';
    this.#list.replaceChildren();
    this.#empty.hidden = false;
    for (const event of [...this.#all].reverse()) if (name === 'changes' || this.#isOf(event)) this.#add(event);
    if (name !== 'changes' && !isDocument(name)) this.#enter(name);
  }

  /** @param {string} name */
  #enter(name) {
    try {
      this.#list.replaceChildren();
      this.#entered = follow(this.#live, name, {
        event: (event) => this.#take(event),
        closed: (error) => (this.#error.textContent = trouble(error)),
      });
    } catch (error) {
      this.#error.textContent = trouble(error);
    }
  }

  /** Rooms of documents are entered by those who write in them. @param {Event} event */
  #isOf(event) {
    return isDocument(this.#room) && event.change?.resource === this.#room;
  }

  /** @param {Event} event */
  #take(event) {
    if (this.#paused) {
      this.#held.push(event);
      this.#label();
    } else {
      this.#add(event);
    }
  }

  /** @param {Event} event */
  #add(event) {
    this.#empty.hidden = true;
    const repeated = this.#isAgain(event);
    this.#count = repeated ? this.#count + 1 : 1;
    if (!repeated) this.#actors.clear();
    if (event.change?.actor) this.#actors.add(name(event.change.actor));
    this.#last = event;
    const latest = this.#list.firstElementChild;
    if (repeated && latest) return again(latest, event, this.#count, this.#actors);
    this.#list.prepend(entry(event, this.#actors));
    while (this.#list.childElementCount > SHOWN) this.#list.lastElementChild?.remove();
  }

  /** What happens to one thing over and over is one entry, as when people type. @param {Event} event */
  #isAgain({ type, change }) {
    return type === this.#last?.type && change?.resource === this.#last.change?.resource;
  }

  #toggle() {
    this.#paused = !this.#paused;
    if (!this.#paused) for (const event of this.#held.splice(0)) this.#add(event);
    this.#label();
  }

  #label() {
    this.#pause.setAttribute('aria-pressed', String(this.#paused));
    const waiting = this.#held.length ? ` (${plural(this.#held.length, 'new one', 'new ones')})` : '';
    this.#pause.textContent = this.#paused ? `Go on${waiting}` : 'Pause';
  }
}

/** @param {string} name */
function isDocument(name) {
  return name.startsWith('documents/');
}

/** @param {Event} event @param {Set<string>} actors */
function entry(event, actors) {
  const { change, type } = event;
  const resource = change?.resource ?? '';
  const what = make('b', {}, words(type), make('span', { class: 'times' }));
  const when = make('span', { class: 'meta' }, time(change?.commitTime ?? ''));
  const meta = make('span', { class: 'meta facts' }, facts(event, actors));
  const [collection = ''] = resource.split('/');
  const top = make('span', { class: 'top' }, what, when);
  return make('li', { class: hue(collection) }, top, meta, make('code', { title: resource }, resource));
}

/**
 * Texts change and nothing is added, so that it is not announced again.
 *
 * @param {Element} shown
 * @param {Event} event
 * @param {number} count
 * @param {Set<string>} actors
 */
function again(shown, event, count, actors) {
  const when = time(event.change?.commitTime ?? '');
  for (const [selector, text] of [
    ['.times', ` × ${count}`],
    ['.facts', facts(event, actors)],
    ['time', when.textContent],
  ]) {
    const found = shown.querySelector(selector ?? '');
    if (found) found.textContent = text ?? '';
  }
}

/** @param {Event} event @param {Set<string>} actors */
function facts({ change, number }, actors) {
  const by = actors.size ? `by ${[...actors].join(', ')}` : '';
  const where = change?.layer && `layer ${layer(change.layer)}`;
  return [by, where, `no.\u00a0${number}`].filter(Boolean).join(' · ');
}

/** `user:ann` is "ann". @param {string} actor */
function name(actor) {
  return actor.replace(/^user:/, '');
}

/** `MemoryAdded` is "Memory added". @param {string} type */
function words(type) {
  const spaced = type.replace(/(?<=[a-z])([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
  return spaced || 'Changed';
}

/** `LAYER_USER` is "user". @param {string} name */
function layer(name) {
  return name.replace(/^.*LAYER_/, '').toLowerCase();
}
