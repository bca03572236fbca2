import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TextareaBinding } from '../../../services/sync/console/client/index.js';
import { apply } from '../../../services/sync/console/client/ot.js';

/** A text area that the test types into. */
class Area extends EventTarget {
  #value = '';
  selectionStart = 0;
  selectionEnd = 0;
  selectionDirection = 'none';

  get value() {
    return this.#value;
  }

  set value(text) {
    this.#value = text.replace(/\r\n?/g, '\n');
    this.setSelectionRange(this.#value.length, this.#value.length);
  }

  setSelectionRange(start, end) {
    Object.assign(this, { selectionStart: start, selectionEnd: end });
  }

  /** As a browser does: the selection is replaced. */
  type(text, start = this.selectionStart, end = this.selectionEnd) {
    this.#value = this.#value.slice(0, start) + text + this.#value.slice(end);
    this.setSelectionRange(start + text.length, start + text.length);
    this.dispatchEvent(new Event('input'));
  }
}

function bound(text) {
  const area = new Area();
  const shared = {
    text,
    operations: [],
    selections: [],
    commands: [],
    typed(operation) {
      this.operations.push(operation);
      this.text = apply(this.text, operation);
    },
    select(...places) {
      this.selections.push(places);
    },
    undo: async () => void shared.commands.push('undo'),
    redo: async () => void shared.commands.push('redo'),
  };
  const binding = new TextareaBinding(area, shared);
  const others = (operation) => {
    shared.text = apply(shared.text, operation);
    binding.changed(operation);
  };
  return { area, shared, binding, others };
}

test('what is typed becomes an operation where the caret was', () => {
  const { area, shared } = bound('aaaa');
  area.type('a', 2, 2);
  assert.deepEqual(shared.operations, [[2, 'a']]);
  area.type('', 0, 1);
  assert.deepEqual(shared.operations[1], [-1]);
});

test('emoji count as one, and are never cut in two', () => {
  const { area, shared } = bound('x👍y');
  area.type('👎', 1, 3); // both begin with the same half
  assert.deepEqual(shared.operations, [[1, '👎', -1]]);
  assert.deepEqual(shared.selections.at(-1), [2, 2]);
  area.type('\ud83d', 0, 0);
  assert.equal(shared.text, '\ufffdx👎y');
  assert.equal(area.value, shared.text);
});

test('the caret stays where it was while others type before, at and behind it', () => {
  const { area, shared, others } = bound('hello world');
  area.setSelectionRange(5, 5);
  others([2, '🌍🌍']);
  assert.equal(area.selectionStart, 9);
  others([7, '!']);
  assert.equal(area.selectionStart, 9);
  others([-4]);
  assert.equal(area.selectionStart, 3);
  assert.equal(area.value, shared.text);
});

test('while an input method composes, the text area is left alone; then both are there', () => {
  const { area, shared, others } = bound('kana: .');
  area.dispatchEvent(new Event('compositionstart'));
  area.type('か', 6, 6);
  area.type('かな', 6, 7);
  others(['🙂 ']);
  assert.equal(area.value, 'kana: かな.');
  area.type('仮名', 6, 8);
  area.dispatchEvent(new Event('compositionend'));
  assert.deepEqual(shared.operations, [[8, '仮名']]);
  assert.equal(shared.text, '🙂 kana: 仮名.');
  assert.equal(area.value, shared.text);
  assert.equal(area.selectionStart, '🙂 kana: 仮名'.length);
});

test('line ends of other systems keep their places', () => {
  const { area, shared, others } = bound('one\r\ntwo');
  assert.equal(area.value.length, 8);
  area.type('!', 8, 8);
  others([5, '>']);
  assert.equal(shared.text, 'one\r\n>two!');
});

test('the browser does not undo by itself', () => {
  const { area, shared } = bound('');
  const key = (properties) => {
    const event = Object.assign(new Event('keydown', { cancelable: true }), properties);
    area.dispatchEvent(event);
    return event.defaultPrevented;
  };
  assert.ok(key({ key: 'z', ctrlKey: true }));
  assert.ok(key({ key: 'Z', metaKey: true, shiftKey: true }));
  assert.ok(key({ key: 'y', ctrlKey: true }));
  assert.ok(!key({ key: 'z' }));
  const menu = Object.assign(new Event('beforeinput', { cancelable: true }), { inputType: 'historyUndo' });
  area.dispatchEvent(menu);
  assert.ok(menu.defaultPrevented);
  assert.deepEqual(shared.commands, ['undo', 'redo', 'redo', 'undo']);
});
