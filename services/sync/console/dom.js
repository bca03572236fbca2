/** Small helpers for the page: elements, words, colours. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new TypeError(`The page has no ${kind.name} #${id}.`);
}

/**
 * A new element with attributes and children; texts stay texts.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * @param {string} text
 * @param {() => void} pressed
 * @param {Record<string, string>} [attributes]
 */
export function button(text, pressed, attributes = {}) {
  const made = make('button', { type: 'button', ...attributes }, text);
  made.addEventListener('click', pressed);
  return made;
}

const HUES = 8;

/** Which of the eight colours a word has. @param {string} word */
export function hue(word) {
  return `hue-${wanted(word)}`;
}

/** @type {Map<string, number>} */
const taken = new Map();

/** The colour of a person: another one than those seen before, while there are some left. @param {string} name */
export function colour(name) {
  const known = taken.get(name);
  if (known !== undefined) return `hue-${known}`;
  const others = taken.size < HUES ? new Set(taken.values()) : new Set();
  let found = wanted(name);
  while (others.has(found)) found = (found + 1) % HUES;
  taken.set(name, found);
  return `hue-${found}`;
}

/** @param {string} word */
function wanted(word) {
  let sum = 7;
  for (const letter of word) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return sum % HUES;
}

/** A sign for somebody beside the name. @param {string} name @param {boolean} [idle] */
export function face(name, idle = false) {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[1]].map((word) => [...(word ?? '')][0]) : [...name].slice(0, 2);
  const classes = `face ${colour(name)}${idle ? ' idle' : ''}`;
  return make('span', { class: classes, 'aria-hidden': 'true' }, letters.join('').toUpperCase());
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A moment; the day as well when it is not today. @param {string} iso */
export function time(iso) {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return make('span');
  const today = moment.toDateString() === new Date().toDateString();
  const text = (today ? CLOCK : DAY).format(moment);
  return make('time', { datetime: iso, title: DAY.format(moment) }, text);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** What went wrong, for people. @param {unknown} error */
export function trouble(error) {
  return error instanceof Error && error.message ? error.message : 'Something went wrong.';
}

/** @param {string} text */
export function announce(text) {
  find('announcer', HTMLParagraphElement).textContent = text;
}

/**
 * Asks before something that cannot be taken back.
 *
 * @param {string} text
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
export function sure(text, yes) {
  const dialog = find('question', HTMLDialogElement);
  find('question-text', HTMLParagraphElement).textContent = text;
  find('question-yes', HTMLButtonElement).textContent = yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
