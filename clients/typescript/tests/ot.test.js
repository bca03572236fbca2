// What the TypeScript client adds to the operations: the way to UTF-16, and editors that tell texts only.
// That operations come to what they come to in Python is shown by tests/convergence of the repository.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Diverged, SharedText } from '../../../services/sync/console/client/document.js';
import { apply, codePoints, comesAfter, Misfit, replacement, transform, units, wellFormed } from '../../../services/sync/console/client/ot.js';

const FAMILY = '👨‍👩‍👧'; // five code points, eight UTF-16 units

test('code points are not UTF-16 units', () => {
  assert.equal(codePoints(FAMILY), 5);
  assert.equal(codePoints(`a${FAMILY}`, 3), 2);
  assert.equal(units(FAMILY, 2), 3);
  assert.equal(units(FAMILY, 1, 3), 2);
  assert.equal(units('ab', 5), 2);
  assert.equal(codePoints('\ud83d'), 1);
});

test('operations count code points', () => {
  assert.equal(apply(FAMILY, [2, -2]), '👨‍👧');
  assert.equal(apply('😀😀', [1, '🇨🇭']), '😀🇨🇭😀');
  assert.deepEqual(transform([1, 'x'], ['😀'], 'right'), [2, 'x']);
});

test('an operation that does not fit is refused', () => {
  assert.throws(() => apply('😀', [2]), Misfit);
  assert.throws(() => apply('😀', [1, -1]), /needs 2 code points, the text has 1/);
});

test('texts are in the order of their code points', () => {
  const ordered = ['', 'a', 'ab', 'b', '\uffff', '\u{10000}', '😀', '😀\ue000', '😀😀', '😁'];
  for (const [place, one] of ordered.entries()) {
    for (const [other, text] of ordered.entries()) assert.equal(comesAfter(one, text), place > other);
  }
});

test('halves of surrogate pairs are replaced', () => {
  assert.equal(wellFormed('a\ud83d😀\ude00'), 'a\ufffd😀\ufffd');
  assert.deepEqual(replacement('', 'a\ud83d'), ['a\ufffd']);
});

test('an editor that tells texts only is understood', () => {
  assert.deepEqual(replacement('one two', 'one and two', 8), [4, 'and ']);
  assert.deepEqual(replacement('one two', 'one'), [3, -4]);
  assert.deepEqual(replacement('same', 'same'), []);
  assert.deepEqual(replacement('abc', ''), [-3]);
});

test('the caret tells which of equal letters was typed', () => {
  assert.deepEqual(replacement('aaa', 'aaaa', 1), ['a']);
  assert.deepEqual(replacement('aaa', 'aaaa', 2), [1, 'a']);
  assert.deepEqual(replacement('aaa', 'aaaa', 4), [3, 'a']);
  assert.deepEqual(replacement('aaa', 'aa', 1), [1, -1]);
});

test('no code point is cut in two', () => {
  assert.deepEqual(replacement('😀', '😁'), ['😁', -1]); // they begin with the same unit
  assert.deepEqual(replacement('🀀', '😀'), ['😀', -1]); // and these end with one
  assert.deepEqual(replacement('😀', '😀😁', 4), [1, '😁']);
});

test('a replacement makes one text of the other', () => {
  const pieces = ['a', 'b', '😀', '😁', '\ud83d', '\ude00', 'e\u0301', FAMILY];
  let seed = 1;
  const drawn = (count) => (seed = (seed * 48271) % 0x7fffffff) % count;
  const text = () => Array.from({ length: drawn(6) }, () => pieces[drawn(pieces.length)]).join('');
  for (let round = 0; round < 20_000; round++) {
    const [before, after] = [wellFormed(text()), wellFormed(text())];
    assert.equal(apply(before, replacement(before, after, drawn(after.length + 1))), after);
  }
});

test('another edit under the own id is noticed', () => {
  const shared = new SharedText(0, 'ab');
  shared.typed([1, 'x']);
  shared.sent('one');
  assert.throws(() => shared.received({ version: 1, operation: [1, 'z'], requestId: 'one' }), Diverged);
});

test('what was typed is kept when the document is read again', () => {
  const shared = new SharedText(3, 'one two');
  shared.retyped('one and two', 8);
  shared.sent('first');
  shared.retyped('one and two three');
  shared.reloaded(9, 'zero one two');
  assert.equal(shared.text, 'zero one and two three');
  assert.equal(shared.progress, 'unsent');
  assert.equal(shared.request, undefined);

  const taken = new SharedText(3, 'one two');
  taken.retyped('one and two', 8);
  taken.sent('first');
  taken.retyped('one and two three');
  taken.reloaded(9, 'zero one and two', true);
  assert.equal(taken.text, 'zero one and two three');
});

test('what the server refuses can be given up', () => {
  const shared = new SharedText(3, 'ab');
  shared.typed([1, 'x']);
  shared.sent('one');
  shared.typed([2, 'y']);
  shared.givenUp();
  assert.equal(shared.text, 'ab');
  assert.equal(shared.progress, 'synchronised');
});
