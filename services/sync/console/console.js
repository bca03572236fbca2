/** The page: signing in, the connection, and which part is seen. */

import { Live } from './client/index.js';
import { Documents } from './documents.js';
import { find, plural, sure } from './dom.js';
import { Editor } from './editor.js';
import { Feed, follow } from './feed.js';
import { showPeople } from './people.js';

const KEPT = 'aeterna.console';
const OFFLINE_AFTER = 2; // failed attempts

/** @typedef {{ token: string, tenant: string }} Credentials */

/** @type {{ live: Live, workspace: Workspace } | undefined} */
let session;

/** Takes another token, while the connection waits for one. @type {((given: Credentials) => void) | undefined} */
let asked;

/** @param {Credentials} given */
function begin(given) {
  let { token, tenant } = given;
  const address = new URL('v1/live', location.href);
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const live = new Live({
    url: address.href,
    ...(tenant ? { tenant } : {}),
    token: async (occasion) => {
      if (occasion === 'refused') ({ token, tenant } = await another(workspace));
      return token;
    },
  });
  const workspace = new Workspace(live);
  session = { live, workspace };
  live.on({
    state: (state, why) => {
      if (state === 'live') keep({ token, tenant });
      if (state === 'ended') ended(workspace, why);
      else workspace.connection();
    },
  });
  rescue('');
  live.start();
}

/**
 * The token was refused or has expired: what was written stays, and goes on with the next one.
 *
 * @param {Workspace} workspace
 * @returns {Promise<Credentials>}
 */
function another(workspace) {
  forget();
  signedIn(false);
  const kept = workspace.unsent ? ' What you wrote is kept, and is sent then.' : '';
  complain(`The token is not valid, or no longer. Paste another one.${kept}`);
  return new Promise((resolve) => (asked = resolve));
}

/** What goes on between signing in and signing out. */
class Workspace {
  #live;
  #begun = '';
  /** @type {Documents | undefined} */
  #documents;
  /** @type {Editor | undefined} */
  #editor;
  /** @type {Feed | undefined} */
  #feed;

  /** @param {Live} live */
  constructor(live) {
    this.#live = live;
    addEventListener('online', this.connection);
    addEventListener('offline', this.connection);
  }

  /** How many edits the server does not have yet. */
  get unsent() {
    return this.#editor?.unsent ?? 0;
  }

  /** The text of the note that is open. */
  get text() {
    return this.#editor?.text ?? '';
  }

  connection = () => {
    if (this.#live.state === 'live') this.#known();
    this.#editor?.connection();
    this.#show();
  };

  stop() {
    removeEventListener('online', this.connection);
    removeEventListener('offline', this.connection);
    this.#editor?.stop();
    this.#feed?.stop();
    this.#documents?.stop();
    showPeople(undefined, '');
  }

  /** The server knows who this is: the same person as before, or else what is here is not theirs. */
  #known() {
    const { subject = '', tenant = '' } = this.#live.welcome ?? {};
    const identity = `${subject} · ${tenant}`;
    if (this.#begun && this.#begun !== identity) return location.reload();
    find('identity', HTMLSpanElement).textContent = identity;
    if (!this.#begun) this.#begin(subject);
    this.#begun = identity;
    if (find('workspace', HTMLDivElement).hidden) signedIn(true);
  }

  /** @param {string} subject */
  #begin(subject) {
    this.#editor = new Editor(this.#live, {
      opened: (name) => this.#documents?.current(name),
      titled: (name, title) => this.#documents?.titled(name, title),
      unsent: () => this.#show(),
    });
    this.#documents = new Documents(this.#live, (name, fresh) => this.#editor?.open(name, fresh));
    this.#feed = new Feed(this.#live);
    follow(
      this.#live,
      'changes',
      {
        entered: () => this.#documents?.refresh(),
        event: (event) => this.#hear(event),
        presence: (room) => showPeople(room, subject),
        closed: (error) => (find('feed-error', HTMLParagraphElement).textContent = error.message),
      },
      { presence: true, device: 'Console' },
    );
  }

  /** @param {import('./client/index.js').Event} event */
  #hear(event) {
    this.#feed?.hear(event);
    if (event.change?.resource.startsWith('documents/')) this.#documents?.refresh();
  }

  #show() {
    if (asked) return;
    const { state, failures } = this.#live;
    const cut = !navigator.onLine || failures >= OFFLINE_AFTER;
    const shown = state === 'live' ? 'live' : cut ? 'offline' : 'reconnecting';
    const { unsent } = this;
    const words = { live: 'Live', reconnecting: this.#begun ? 'Reconnecting…' : 'Connecting…', offline: 'Offline' }[shown];
    const count = unsent && shown !== 'live' ? ` · ${plural(unsent, 'unsent edit')}` : '';
    tell(shown, words, count);
  }
}

/**
 * @param {Workspace} workspace
 * @param {import('./client/index.js').ConnectionEnded | undefined} why
 */
function ended(workspace, why) {
  session = undefined;
  asked = undefined;
  rescue(why?.reason === 'STOPPED' || !workspace.unsent ? '' : workspace.text);
  workspace.stop();
  forget();
  signedIn(false);
  complain(why && why.reason !== 'STOPPED' ? `The server ended the connection: ${why.reason}.` : '');
}

/** What was written and cannot be sent is not thrown away. @param {string} text */
function rescue(text) {
  find('rescue', HTMLDivElement).hidden = !text;
  find('rescued', HTMLTextAreaElement).value = text;
}

/** @param {string} text */
function complain(text) {
  find('sign-in-error', HTMLParagraphElement).textContent = text;
}

/** @param {boolean} signed */
function signedIn(signed) {
  find('welcome', HTMLElement).hidden = signed;
  find('workspace', HTMLDivElement).hidden = !signed;
  find('account', HTMLDivElement).hidden = !signed;
  if (signed) return find('main', HTMLElement).focus();
  tell('out', 'Signed out', '');
  find('token', HTMLTextAreaElement).focus();
}

/**
 * The state of the connection. It is announced as it changes, unlike the count of edits that wait.
 *
 * @param {string} state
 * @param {string} words
 * @param {string} count
 */
function tell(state, words, count) {
  find('connection', HTMLParagraphElement).dataset['state'] = state;
  find('unsent', HTMLSpanElement).textContent = count;
  find('try-now', HTMLButtonElement).hidden = state !== 'offline';
  const told = find('state', HTMLSpanElement);
  if (told.textContent !== words) told.textContent = words;
}

/** The token stays in this tab, and goes with it. @param {Credentials} given */
function keep(given) {
  sessionStorage.setItem(KEPT, JSON.stringify(given));
}

function forget() {
  sessionStorage.removeItem(KEPT);
}

/** @param {SubmitEvent} event */
function submitted(event) {
  event.preventDefault();
  const field = find('token', HTMLTextAreaElement);
  const tenant = find('tenant', HTMLInputElement).value.trim();
  const token = field.value.trim().replace(/^Bearer\s+/i, '');
  complain(token ? '' : 'Paste a token first.');
  if (!token) return;
  field.value = '';
  const go = asked ?? begin;
  if (!asked) session?.live.stop();
  asked = undefined;
  go({ token, tenant });
}

async function signOut() {
  const unsent = session?.workspace.unsent ?? 0;
  if (unsent && !(await sure(`${plural(unsent, 'edit')} not sent yet would be lost.`, 'Sign out'))) return;
  session?.live.stop();
}

/** On narrow screens one part is seen at a time. @param {HTMLButtonElement} chosen */
function show(chosen) {
  document.body.dataset['view'] = chosen.dataset['show'] ?? '';
  for (const each of document.querySelectorAll('[data-show]')) each.setAttribute('aria-pressed', String(each === chosen));
}

/** @param {BeforeUnloadEvent} event */
function leaving(event) {
  if (session?.workspace.unsent) event.preventDefault();
}

find('sign-in', HTMLFormElement).addEventListener('submit', submitted);
find('try-now', HTMLButtonElement).addEventListener('click', () => session?.live.wake());
find('sign-out', HTMLButtonElement).addEventListener('click', signOut);
for (const each of document.querySelectorAll('[data-show]')) {
  if (each instanceof HTMLButtonElement) each.addEventListener('click', () => show(each));
}
addEventListener('beforeunload', leaving);

const kept = sessionStorage.getItem(KEPT);
if (kept) begin(JSON.parse(kept));
