/** Who is here. */

import { face, find, make, plural } from './dom.js';

/** @typedef {import('./client/index.js').Presence} Presence */

const STATES = /** @type {Record<string, string>} */ ({
  PRESENCE_STATE_ACTIVE: 'Active',
  PRESENCE_STATE_IDLE: 'Quiet for a while',
});

/** @param {Presence} presence */
export function isIdle(presence) {
  return presence.state === 'PRESENCE_STATE_IDLE';
}

/**
 * Shows the people of a room, each once, however many windows they have.
 *
 * @param {import('./client/index.js').Room | undefined} room
 * @param {string} own the subject that this page is signed in as
 */
export function showPeople(room, own) {
  const people = byPerson(room?.members ?? []);
  find('people', HTMLUListElement).replaceChildren(...people.map((person) => entry(person, own)));
  const count = Math.max(room?.people ?? 0, people.length);
  find('people-count', HTMLSpanElement).textContent = count ? `${count} here` : '';
  find('people-badge', HTMLSpanElement).textContent = count ? `(${count})` : '';
}

/** @param {readonly Presence[]} members */
function byPerson(members) {
  /** @type {Map<string, Presence[]>} */
  const people = new Map();
  for (const member of members) {
    const key = `${member.user} ${member.agent}`;
    people.set(key, [...(people.get(key) ?? []), member]);
  }
  return [...people.values()];
}

/** @param {Presence[]} windows @param {string} own */
function entry(windows, own) {
  const first = /** @type {Presence} */ (windows.find((each) => !isIdle(each)) ?? windows[0]);
  const name = first.user + (first.user === own ? ' (you)' : '');
  const devices = [...new Set(windows.map((each) => each.device).filter(Boolean))];
  const facts = [
    STATES[first.state] ?? 'Here',
    first.agent && `through ${first.agent}`,
    devices.join(', '),
    windows.length > 1 && plural(windows.length, 'window'),
  ];
  const meta = make('span', { class: 'meta' }, facts.filter(Boolean).join(' · '));
  return make('li', { class: 'person' }, face(first.user, isIdle(first)), make('div', {}, make('b', {}, name), meta));
}
