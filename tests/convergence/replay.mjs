// Does again with the TypeScript client what `record.py` wrote: node replay.mjs CLIENT FILE.
// Says how much it did, and ends with an error at the first difference.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [client, file] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(resolve(client, name)).href);
const ot = await load('ot.js');
const { SharedText } = await load('document.js');

function checkAlgebra({ text, one, other, then, ...expected }) {
  const places = [...Array([...text].length + 1).keys()];
  const found = {
    applied: ot.apply(text, one),
    composed: ot.compose(one, then),
    inverted: ot.invert(one, text),
    left: ot.transform(one, other, 'left'),
    right: ot.transform(one, other, 'right'),
    carets: places.map((place) => ot.move(place, one)),
    own: places.map((place) => ot.move(place, one, true)),
  };
  assert.deepEqual(found, expected);
  assert.deepEqual(ot.fromParts(ot.toParts(one)), one);
}

function checkEpisode({ initial, edits, final, writers }) {
  assert.equal(edits.reduce(ot.apply, initial), final);
  let events = 0;
  for (const writer of writers) {
    const shared = new SharedText(0, initial);
    let caret = 0;
    for (const event of writer) {
      caret = act(shared, caret, event);
      assert.equal(shared.text, event.text);
      assert.equal(shared.version, event.version);
      assert.equal(caret, event.caret);
      events += 1;
    }
    assert.equal(shared.text, final);
    assert.equal(shared.base, final);
    assert.equal(shared.progress, 'synchronised');
  }
  return events;
}

function act(shared, caret, event) {
  if (event.typed) {
    shared.typed(event.typed);
    return ot.move(caret, event.typed, true);
  }
  if (event.sent) {
    const { operation } = shared.sent(event.sent);
    assert.deepEqual(operation, event.operation);
    return caret;
  }
  const heard = event.heard.map(([version, operation, requestId]) => ({ version, operation, requestId }));
  return ot.move(caret, shared.received(...heard));
}

const { algebra, episodes } = JSON.parse(readFileSync(file, 'utf8'));
algebra.forEach(checkAlgebra);
const events = episodes.reduce((sum, episode) => sum + checkEpisode(episode), 0);
console.log(JSON.stringify({ cases: algebra.length, episodes: episodes.length, events }));
