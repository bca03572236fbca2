/**
 * Keeps a shared document and a text area alike, whatever way a person types: keys, input methods that
 * compose (nothing is done to the text area meanwhile), pasting, dragging, emoji.
 */
import { apply, codePoints, compose, move, replacement, transform, units, wellFormed, } from './ot.js';
// A text area turns CR into LF. One code point stands for the other, so that places stay the same.
const SHOWN_RETURN = '\u240d';
export class TextareaBinding {
    #area;
    #shared;
    #failed;
    #listeners;
    #shown;
    #composing = false;
    #held; // what others did while the person composes
    /** @param failed is told when an undo or a redo was not done */
    constructor(area, shared, failed = () => undefined) {
        this.#area = area;
        this.#shared = shared;
        this.#failed = failed;
        this.#shown = shared.text;
        this.#listeners = [
            ['compositionstart', () => (this.#composing = true)],
            ['compositionend', () => this.#composed()],
            ['input', () => this.#input()],
            ['beforeinput', (event) => this.#command(event.inputType, event)],
            ['keydown', (event) => this.#key(event)],
        ];
        for (const [type, listener] of this.#listeners)
            area.addEventListener(type, listener);
        this.reload();
    }
    /** Others changed the text. */
    changed(operation) {
        if (this.#composing) {
            this.#held = this.#held ? compose(this.#held, operation) : operation;
        }
        else {
            this.#show(operation);
        }
    }
    /** The whole text may be another one. */
    reload() {
        this.#held = undefined;
        this.#shown = this.#shared.text;
        const view = toView(this.#shown);
        if (this.#area.value === view)
            return;
        const { selectionStart: start, selectionEnd: end } = this.#area;
        this.#area.value = view;
        this.#area.setSelectionRange(Math.min(start, view.length), Math.min(end, view.length));
    }
    /** The caret or the selection may have moved. */
    selected() {
        if (this.#composing || fromView(this.#area.value) !== this.#shown)
            return;
        const { selectionStart, selectionEnd, selectionDirection } = this.#area;
        const [start, end] = [selectionStart, selectionEnd].map((place) => codePoints(this.#shown, place));
        if (selectionDirection === 'backward')
            this.#shared.select(start, end);
        else
            this.#shared.select(end, start);
    }
    release() {
        for (const [type, listener] of this.#listeners)
            this.#area.removeEventListener(type, listener);
    }
    #input() {
        if (this.#composing)
            return;
        this.#take();
        this.selected();
    }
    #composed() {
        this.#composing = false;
        this.#take();
        this.selected();
    }
    /** What the person did since the text was shown goes to the document. */
    #take() {
        const { value, selectionEnd } = this.#area;
        const text = wellFormed(fromView(value));
        const own = replacement(this.#shown, text, selectionEnd);
        const held = this.#held;
        this.#held = undefined;
        this.#shown = text;
        this.#shared.typed(held ? transform(own, held, 'right') : own);
        if (value !== toView(text))
            this.#fill(toView(text));
        if (held)
            this.#show(transform(held, own, 'left'));
    }
    #show(operation) {
        if (operation.length === 0)
            return;
        const before = this.#shown;
        this.#shown = apply(before, operation);
        const places = [this.#area.selectionStart, this.#area.selectionEnd].map((place) => units(this.#shown, move(codePoints(before, place), operation)));
        const direction = (this.#area.selectionDirection ?? 'none');
        this.#area.value = toView(this.#shown);
        this.#area.setSelectionRange(places[0], places[1], direction);
    }
    #fill(view) {
        const { selectionStart, selectionEnd } = this.#area;
        this.#area.value = view;
        this.#area.setSelectionRange(selectionStart, selectionEnd);
    }
    #key(event) {
        if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing)
            return;
        const key = event.key.toLowerCase();
        if (key === 'z')
            this.#command(event.shiftKey ? 'historyRedo' : 'historyUndo', event);
        else if (key === 'y' && !event.shiftKey)
            this.#command('historyRedo', event);
    }
    /** The browser's own undo knows nothing of what others type. */
    #command(kind, event) {
        if (kind !== 'historyUndo' && kind !== 'historyRedo')
            return;
        event.preventDefault();
        const done = kind === 'historyUndo' ? this.#shared.undo() : this.#shared.redo();
        done.catch(this.#failed);
    }
}
function toView(text) {
    return text.replaceAll('\r', SHOWN_RETURN);
}
function fromView(text) {
    return text.replaceAll(SHOWN_RETURN, '\r');
}
