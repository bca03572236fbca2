/**
 * Draws others' carets and selections behind the text area: into a mirror of the text that is laid out alike
 * and hidden from assistive technology, which is told in words who is on which line.
 */

import { units } from './client/index.js';
import { colour, make } from './dom.js';

/** @typedef {import('./client/index.js').Placed} Placed */
/** @typedef {{ place: number, draw: (into: Node) => void, order: number }} Mark */

const FLAG = 4000; // ms that a name stays beside a caret which does not move

export class Mirror {
  #mirror;
  #area;
  /** @type {Map<string, { place: number, moved: number }>} */
  #moves = new Map();
  #frame = 0;
  #timer = 0;
  /** @type {readonly Placed[]} */
  #people = [];

  /**
   * @param {HTMLElement} mirror
   * @param {HTMLTextAreaElement} area
   */
  constructor(mirror, area) {
    this.#mirror = mirror;
    this.#area = area;
  }

  /** @param {readonly Placed[]} people */
  show(people) {
    this.#people = people;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const text = this.#area.value;
    const carets = this.#people.flatMap((person) => caret(person, text));
    const drawn = document.createDocumentFragment();
    let done = 0;
    for (const { from, to, person } of segments(carets, text.length)) {
      drawn.append(piece(text.slice(from, to), person));
      for (const each of carets) if (each.position === to) drawn.append(this.#flag(each));
      done = to;
    }
    drawn.append(text.slice(done), '\n\u200b'); // as high as the text area, whose last line may be empty
    this.#mirror.replaceChildren(drawn);
    this.#turn();
    this.#again();
  }

  /** @param {Caret} caret */
  #flag({ presence, position }) {
    const known = this.#moves.get(presence.connection);
    const move = known?.place === position ? known : { place: position, moved: Date.now() };
    this.#moves.set(presence.connection, move);
    const drawn = make('span', { class: `caret ${colour(presence.user)}` });
    if (Date.now() - move.moved < FLAG) drawn.append(make('span', { class: 'flag' }, presence.user));
    return drawn;
  }

  /** Names that would stick out at the right or at the top are turned around. */
  #turn() {
    const { width, top } = this.#mirror.getBoundingClientRect();
    for (const each of this.#mirror.querySelectorAll('.caret')) {
      const place = each.getBoundingClientRect();
      const left = place.left - this.#mirror.getBoundingClientRect().left;
      each.classList.toggle('right', left > width * 0.7);
      each.classList.toggle('low', place.top - top < 24);
    }
  }

  /** Names go after a while. */
  #again() {
    clearTimeout(this.#timer);
    if (this.#mirror.querySelector('.flag')) this.#timer = window.setTimeout(() => this.#draw(), FLAG / 4);
  }
}

/** @typedef {{ presence: Placed['presence'], position: number, from: number, to: number }} Caret */

/**
 * @param {Placed} person
 * @param {string} text
 * @returns {Caret[]}
 */
function caret({ presence, position, anchor }, text) {
  if (position === undefined || anchor === undefined) return [];
  const place = units(text, position);
  const begin = units(text, anchor);
  return [{ presence, position: place, from: Math.min(place, begin), to: Math.max(place, begin) }];
}

/**
 * The text cut where a selection or a caret begins or ends, with whose selection each piece is in.
 *
 * @param {readonly Caret[]} carets
 * @param {number} length
 */
function segments(carets, length) {
  const cuts = [...new Set([0, ...carets.flatMap(({ position, from, to }) => [position, from, to])])];
  cuts.sort((one, other) => one - other);
  return cuts
    .filter((place) => place <= length)
    .map((to, index) => {
      const from = index ? /** @type {number} */ (cuts[index - 1]) : 0;
      const person = carets.find((each) => each.from <= from && to <= each.to && from < to);
      return { from, to, person };
    });
}

/**
 * @param {string} text
 * @param {Caret | undefined} person
 */
function piece(text, person) {
  return person ? make('span', { class: `chosen ${colour(person.presence.user)}` }, text) : text;
}

/** On which line a place is, from 1. @param {string} text @param {number} points */
export function lineOf(text, points) {
  return text.slice(0, units(text, points)).split('\n').length;
}
