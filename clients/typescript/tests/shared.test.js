import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from './fake.js';
import { NOTE, Notes } from './notes.js';

test('what is typed is seen at once, sent once, and then the server has it', async () => {
  const notes = new Notes('Hello');
  const counts = [];
  const { live, shared } = notes.client('ann', { unsent: (count) => counts.push(count) });
  await until(() => shared.isOpen);
  shared.typed([5, ' 🌍']);
  shared.typed([7, '!']);
  assert.equal(shared.text, 'Hello 🌍!');
  await shared.settle();
  assert.equal(notes.text, 'Hello 🌍!');
  assert.equal(notes.version, 1);
  assert.deepEqual(counts.filter((each, place) => each !== counts[place - 1]), [1, 2, 0]);
  live.stop();
});

test('edits at the same place at the same time come to one text', async () => {
  const notes = new Notes('ac');
  const ann = notes.client('ann');
  const bob = notes.client('bob');
  await until(() => ann.shared.isOpen && bob.shared.isOpen);
  ann.shared.typed([1, 'X']);
  bob.shared.typed([1, 'Y', -1]);
  await Promise.all([ann.shared.settle(), bob.shared.settle()]);
  await until(() => ann.shared.version === 2 && bob.shared.version === 2);
  assert.equal(ann.shared.text, notes.text);
  assert.equal(bob.shared.text, notes.text);
  assert.equal(notes.text, 'aXY');
  for (const { live } of [ann, bob]) live.stop();
});

test('what is typed offline is kept, counted, and sent after the reconnect', async () => {
  const notes = new Notes('one\n');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.socket.drop();
  ann.shared.typed([4, 'two\n']);
  ann.shared.typed([8, 'three\n']);
  notes.type([{ insert: 'zero\n' }]);
  assert.equal(ann.shared.unsent, 2);
  await until(() => ann.shared.unsent === 0 && ann.shared.version === 2);
  assert.equal(notes.text, 'zero\none\ntwo\nthree\n');
  assert.equal(ann.shared.text, notes.text);
  ann.live.stop();
});

test('an edit whose answer was lost is not made twice', async () => {
  const notes = new Notes('');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.socket.say = () => undefined; // whatever the server says gets lost
  ann.shared.typed(['once']);
  const settled = ann.shared.settle();
  await until(() => notes.version === 1);
  ann.socket.drop();
  await settled;
  assert.equal(notes.text, 'once');
  assert.equal(notes.version, 1);
  assert.equal(ann.shared.text, 'once');
  ann.live.stop();
});

test('edits that the log does not bring are read', async () => {
  const notes = new Notes('');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.socket.deaf = true;
  notes.type([{ insert: 'missed' }]);
  ann.shared.typed(['own ']);
  await until(() => ann.shared.version === 2);
  assert.equal(ann.shared.text, notes.text);
  ann.live.stop();
});

test('edits that the log tells of without what was typed are read', async () => {
  const notes = new Notes('');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.socket.deaf = true;
  notes.type([{ insert: 'missed' }]);
  ann.socket.say({ event: { room: NOTE, number: 1, type: 'DocumentEdited' } });
  await until(() => ann.shared.version === 1);
  assert.equal(ann.shared.text, 'missed');
  ann.live.stop();
});

test('a text that was rewritten with its history is read anew', async () => {
  const notes = new Notes('about Bob');
  const reloaded = [];
  const ann = notes.client('ann', { reloaded: () => reloaded.push(ann.shared.text) });
  await until(() => ann.shared.isOpen);
  notes._listDocumentEdits = () => ({ error: { code: 9, reason: 'HISTORY_COMPACTED' } });
  notes._getDocument = () => ({ document: { name: NOTE, text: 'about somebody', version: 1 } });
  ann.socket.say({ event: { room: NOTE, number: 1, type: 'DocumentEdited' } });
  await until(() => reloaded.length === 1);
  assert.deepEqual(reloaded, ['about somebody']);
  ann.live.stop();
});

test('a document that is busy is tried again, and nothing typed is lost', async () => {
  const notes = new Notes('');
  const refused = [];
  const ann = notes.client('ann', { refused: (error) => refused.push(error.reason) });
  await until(() => ann.shared.isOpen);
  const edit = notes._editDocument;
  notes._editDocument = () => {
    notes._editDocument = edit;
    return { error: { code: 10, reason: 'DOCUMENT_BUSY' } };
  };
  ann.shared.typed(['kept']);
  await ann.shared.settle();
  assert.equal(notes.text, 'kept');
  assert.deepEqual(refused, []);
  ann.live.stop();
});

test('others are where they are, whatever is typed before them', async () => {
  const notes = new Notes('ab');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  const say = (cursor) => {
    const bob = { connection: 'b', user: 'bob', state: 'PRESENCE_STATE_ACTIVE', cursor };
    ann.socket.say({ presence: { room: ann.shared.name, changes: [bob], connections: 2, people: 2 } });
  };
  const place = () => ann.shared.people.map(({ position, anchor }) => [position, anchor]);
  say({ position: 2, anchor: 1, version: 0 });
  assert.deepEqual(place(), [[2, 1]]);
  ann.shared.typed(['🌍']);
  assert.deepEqual(place(), [[3, 2]]);
  await ann.shared.settle();
  notes.type([{ retain: 3 }, { insert: '!' }], 1, 'bob');
  await until(() => ann.shared.version === 2);
  assert.deepEqual(place(), [[4, 2]]); // what bob typed stands before his caret

  say({ position: 1, anchor: 1, version: 1 }); // said before bob's own edit was ordered
  assert.deepEqual(place(), [[1, 1]]);
  say({ position: 5, anchor: 5, version: 3 }); // of a version that is not here yet
  assert.deepEqual(place(), [[undefined, undefined]]);
  notes.type([{ retain: 4 }, { insert: '?' }], 2, 'bob');
  await until(() => ann.shared.version === 3);
  assert.deepEqual(place(), [[5, 5]]);
  ann.live.stop();
});

test('a caret is told of a version that the server has', async () => {
  const notes = new Notes('ab');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.shared.typed([2, 'c']);
  ann.shared.select(3, 1);
  await until(() => ann.socket.asked('setPresence').length > 0);
  const told = ann.socket.asked('setPresence').at(-1);
  assert.deepEqual(told.cursor, { position: 3, anchor: 1, version: 1 });
  ann.live.stop();
});

test('what the server refuses for good is taken back, and told', async () => {
  const notes = new Notes('kept');
  const told = [];
  const ann = notes.client('ann', { refused: (error, text) => told.push(error.reason, text) });
  await until(() => ann.shared.isOpen);
  notes._editDocument = () => ({ error: { code: 3, reason: 'TEXT_TOO_LARGE' } });
  ann.shared.typed([4, ' lost']);
  await ann.shared.settle();
  assert.equal(ann.shared.text, 'kept');
  assert.deepEqual(told, ['TEXT_TOO_LARGE', 'kept lost']);
  ann.live.stop();
});

test('when history is gone, the text is read anew and what was typed is put on top', async () => {
  const notes = new Notes('old text');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.socket.deaf = true;
  const order = notes._editDocument;
  notes.type([{ insert: 'very ' }]);
  notes._editDocument = () => ({ error: { code: 9, reason: 'HISTORY_COMPACTED' } });
  notes._getDocument = () => {
    notes._editDocument = order;
    return { document: { text: notes.text, version: notes.version } };
  };
  ann.shared.typed([8, ', mine']);
  await until(() => notes.text.includes('mine'));
  assert.equal(notes.text, 'very old text, mine');
  await until(() => ann.shared.text === notes.text);
  ann.live.stop();
});

test('when history is gone, what was taken without an answer is not typed again', async () => {
  const notes = new Notes('old text');
  const ann = notes.client('ann');
  await until(() => ann.shared.isOpen);
  ann.socket.deaf = true;
  notes.type([{ insert: 'very ' }]);
  ann.socket.say = () => undefined; // the answer gets lost
  ann.shared.typed([8, ', mine']);
  await until(() => ann.socket.asked('editDocument').length === 1);
  await until(() => notes.version === 2);
  const enter = notes._subscribe.bind(notes);
  notes._subscribe = (message, socket) => {
    socket.deaf = true; // and the log brings nothing
    return enter(message, socket);
  };
  notes._getDocument = () => ({ document: { text: notes.text, version: notes.version } });
  notes._listDocumentEdits = () => ({ error: { code: 9, reason: 'HISTORY_COMPACTED' } });
  ann.socket.drop();
  ann.shared.typed([14, ' and more']);
  await until(() => ann.shared.unsent === 0 && ann.shared.version === 3);
  assert.equal(notes.text, 'very old text, mine and more');
  assert.equal(ann.shared.text, notes.text);
  ann.live.stop();
});

test('many clients, many cuts: one text with every insert', async () => {
  const notes = new Notes('');
  const people = ['ann', 'bob', 'cid'].map((name) => notes.client(name));
  await until(() => people.every(({ shared }) => shared.isOpen));
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  const marks = [];
  for (let round = 0; round < 150; round++) {
    const person = people[random(3)];
    const mark = `<${round}🙂>`;
    marks.push(mark);
    const at = breaks(person.shared.text)[random(breaks(person.shared.text).length)];
    person.shared.typed(at ? [at, mark] : [mark]);
    if (random(12) === 0) person.socket.drop();
    if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (random(5) === 0) void person.shared.settle();
  }
  await Promise.all(people.map(({ shared }) => shared.settle()));
  await until(() => people.every(({ shared }) => shared.version === notes.version));
  for (const { shared, live } of people) {
    assert.equal(shared.text, notes.text);
    live.stop();
  }
  assert.deepEqual(marks.filter((mark) => !notes.text.includes(mark)), []);
});

/** Places in a text, in code points, that are not inside a mark. */
function breaks(text) {
  const places = [0];
  [...text].forEach((letter, place) => letter === '>' && places.push(place + 1));
  return places;
}

test('one undo takes back what was typed in one go', async () => {
  const { Steps } = await import('../../../services/sync/console/client/steps.js');
  const steps = new Steps();
  for (const now of [0, 300, 900, 5000, 5500]) steps.made(now);
  assert.deepEqual([steps.undo(), steps.undo(), steps.undo()], [2, 3, 1]);
  assert.deepEqual([steps.redo(), steps.redo()], [1, 3]);
  steps.made(6000); // what was undone cannot be made again now
  assert.deepEqual([steps.redo(), steps.undo()], [1, 1]);
  for (let edit = 0; edit < 50; edit++) steps.made(10_000 + edit);
  assert.deepEqual([steps.undo(), steps.undo(), steps.undo()], [10, 20, 20]);
});

test('of a field the latest value stays, and one that is refused is taken back', async () => {
  const { Fields } = await import('../../../services/sync/console/client/fields.js');
  const fields = new Fields();
  fields.read({ title: 'Old', tag: 'x' });
  const mine = fields.write('title', 'Mine', 1000);
  assert.deepEqual(mine, { value: 'Mine', time: 1000, counter: 0 });
  assert.equal(fields.merge({ title: { value: 'Late', time: 999, counter: 9 } }), false);
  assert.equal(fields.merge({ title: { value: 'Theirs', time: 1000, counter: 1 } }), true);
  assert.deepEqual(fields.write('title', 'Again', 500), { value: 'Again', time: 1000, counter: 2 });
  assert.equal(fields.merge({ tag: { time: 2000, counter: 0 } }), true);
  assert.deepEqual(fields.values, { title: 'Again' });
  fields.read({ title: 'Read' }, 3000, 4);
  assert.deepEqual(fields.write('title', 'Later', 1000), { value: 'Later', time: 3000, counter: 5 });

  const notes = new Notes('text');
  const told = [];
  const ann = notes.client('ann', { refused: (error, text) => told.push(error.reason, text) });
  await until(() => ann.shared.isOpen);
  notes._editDocument = () => ({ error: { code: 7, reason: 'PERMISSION_DENIED' } });
  await ann.shared.set('title', 'Not mine');
  assert.deepEqual(ann.shared.fields, {});
  assert.deepEqual(told, ['PERMISSION_DENIED', 'text']);
  assert.equal(ann.shared.unsent, 0);
  ann.live.stop();
});
