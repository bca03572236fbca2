/**
 * Keeps a shared document and a text area alike, whatever way a person types: keys, input methods that
 * compose (nothing is done to the text area meanwhile), pasting, dragging, emoji.
 */

import {
  apply,
  codePoints,
  compose,
  move,
  type Operation,
  replacement,
  transform,
  units,
  wellFormed,
} from './ot.js';

/** What is needed of an HTMLTextAreaElement. */
export interface TextArea {
  value: string;
  readonly selectionStart: number;
  readonly selectionEnd: number;
  readonly selectionDirection: string | null;
  setSelectionRange(start: number, end: number, direction?: 'forward' | 'backward' | 'none'): void;
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
}

/** What is needed of a shared document. */
export interface Shared {
  readonly text: string;
  typed(operation: Operation): void;
  select(position: number, anchor: number): void;
  undo(): Promise<void>;
  redo(): Promise<void>;
}

// A text area turns CR into LF. One code point stands for the other, so that places stay the same.
const SHOWN_RETURN = '\u240d';

export class TextareaBinding {
  readonly #area: TextArea;
  readonly #shared: Shared;
  readonly #failed: (error: unknown) => void;
  readonly #listeners: readonly (readonly [string, (event: Event) => void])[];
  #shown: string;
  #composing = false;
  #held: Operation | undefined; // what others did while the person composes

  /** @param failed is told when an undo or a redo was not done */
  constructor(area: TextArea, shared: Shared, failed: (error: unknown) => void = () => undefined) {
    this.#area = area;
    this.#shared = shared;
    this.#failed = failed;
    this.#shown = shared.text;
    this.#listeners = [
      ['compositionstart', () => (this.#composing = true)],
      ['compositionend', () => this.#composed()],
      ['input', () => this.#input()],
      ['beforeinput', (event) => this.#command((event as InputEvent).inputType, event)],
      ['keydown', (event) => this.#key(event as KeyboardEvent)],
    ];
    for (const [type, listener] of this.#listeners) area.addEventListener(type, listener);
    this.reload();
  }

  /** Others changed the text. */
  changed(operation: Operation): void {
    if (this.#composing) {
      this.#held = this.#held ? compose(this.#held, operation) : operation;
    } else {
      this.#show(operation);
    }
  }

  /** The whole text may be another one. */
  reload(): void {
    this.#held = undefined;
    this.#shown = this.#shared.text;
    const view = toView(this.#shown);
    if (this.#area.value === view) return;
    const { selectionStart: start, selectionEnd: end } = this.#area;
    this.#area.value = view;
    this.#area.setSelectionRange(Math.min(start, view.length), Math.min(end, view.length));
  }

  /** The caret or the selection may have moved. */
  selected(): void {
    if (this.#composing || fromView(this.#area.value) !== this.#shown) return;
    const { selectionStart, selectionEnd, selectionDirection } = this.#area;
    const [start, end] = [selectionStart, selectionEnd].map((place) => codePoints(this.#shown, place));
    if (selectionDirection === 'backward') this.#shared.select(start!, end!);
    else this.#shared.select(end!, start!);
  }

  release(): void {
    for (const [type, listener] of this.#listeners) this.#area.removeEventListener(type, listener);
  }

  #input(): void {
    if (this.#composing) return;
    this.#take();
    this.selected();
  }

  #composed(): void {
    this.#composing = false;
    this.#take();
    this.selected();
  }

  /** What the person did since the text was shown goes to the document. */
  #take(): void {
    const { value, selectionEnd } = this.#area;
    const text = wellFormed(fromView(value));
    const own = replacement(this.#shown, text, selectionEnd);
    const held = this.#held;
    this.#held = undefined;
    this.#shown = text;
    this.#shared.typed(held ? transform(own, held, 'right') : own);
    if (value !== toView(text)) this.#fill(toView(text));
    if (held) this.#show(transform(held, own, 'left'));
  }

  #show(operation: Operation): void {
    if (operation.length === 0) return;
    const before = this.#shown;
    this.#shown = apply(before, operation);
    const places = [this.#area.selectionStart, this.#area.selectionEnd].map((place) =>
      units(this.#shown, move(codePoints(before, place), operation)),
    );
    const direction = (this.#area.selectionDirection ?? 'none') as 'none';
    this.#area.value = toView(this.#shown);
    this.#area.setSelectionRange(places[0]!, places[1]!, direction);
  }

  #fill(view: string): void {
    const { selectionStart, selectionEnd } = this.#area;
    this.#area.value = view;
    this.#area.setSelectionRange(selectionStart, selectionEnd);
  }

  #key(event: KeyboardEvent): void {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
    const key = event.key.toLowerCase();
    if (key === 'z') this.#command(event.shiftKey ? 'historyRedo' : 'historyUndo', event);
    else if (key === 'y' && !event.shiftKey) this.#command('historyRedo', event);
  }

  /** The browser's own undo knows nothing of what others type. */
  #command(kind: string, event: { preventDefault(): void }): void {
    if (kind !== 'historyUndo' && kind !== 'historyRedo') return;
    event.preventDefault();
    const done = kind === 'historyUndo' ? this.#shared.undo() : this.#shared.redo();
    done.catch(this.#failed);
  }
}

function toView(text: string): string {
  return text.replaceAll('\r', SHOWN_RETURN);
}

function fromView(text: string): string {
  return text.replaceAll(SHOWN_RETURN, '\r');
}
