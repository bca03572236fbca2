/** Against a running suite: its address and two tokens of one tenant come from the environment. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Live, SharedDocument } from '../../../../services/sync/console/client/index.js';
import { until } from '../fake.js';

const { AETERNA_LIVE_URL: url, AETERNA_TOKEN_ANN: ann, AETERNA_TOKEN_BEN: ben } = process.env;

/** A client whose connections can be cut. */
async function client(token) {
  const sockets = [];
  class Cut extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  }
  const live = new Live({ url, token: () => token, WebSocket: Cut });
  live.start();
  await patiently(() => live.state === 'live');
  return { live, cut: () => sockets.at(-1).close(), sockets };
}

/** As `until`, of what takes a network. */
async function patiently(holds) {
  for (let tries = 0; ; tries++) {
    try {
      return await until(holds);
    } catch (error) {
      if (tries > 4) throw error;
    }
  }
}

test('a token that is none is refused', async () => {
  const live = new Live({ url, token: () => 'nonsense' });
  live.start();
  await patiently(() => live.state === 'ended');
});

test('what happens is heard once, in order, also by who was away', async () => {
  const one = await client(ann);
  const other = await client(ben);
  const heard = [];
  const room = other.live.enter('documents', { event: (event) => heard.push(event) });
  await patiently(() => room.number !== undefined);
  const made = [];
  for (let count = 0; count < 6; count++) {
    if (count === 3) other.cut();
    made.push(await one.live.request('createDocument', { document: { kind: 'DOCUMENT_KIND_NOTE' } }));
  }
  await patiently(() => heard.length >= 6);
  assert.deepEqual(
    heard.map((event) => event.change.resource),
    made.map((document) => document.name),
  );
  assert.ok(heard.every((event) => event.type === 'DocumentCreated'));
  for (const { live } of [one, other]) live.stop();
});

test('two clients write one note, are cut off, and have one text with every insert', async () => {
  const one = await client(ann);
  const other = await client(ben);
  const { name } = await one.live.request('createDocument', {
    document: { kind: 'DOCUMENT_KIND_NOTE', fields: { title: 'Shared' } },
  });
  const writers = [one, other].map((each) => ({ ...each, shared: new SharedDocument(each.live, name) }));
  await patiently(() => writers.every(({ shared }) => shared.isOpen));
  const marks = [];
  for (let round = 0; round < 40; round++) {
    for (const [place, { shared, cut }] of writers.entries()) {
      const mark = `<${place} ${round} 🙂>`;
      marks.push(mark);
      shared.typed(round % 2 ? [mark] : [[...shared.text].length, mark].filter((part) => part !== 0));
      if (round % 13 === 12 && place === round % 2) cut();
    }
    if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(writers.map(({ shared }) => shared.settle()));
  await patiently(() => writers[0].shared.version === writers[1].shared.version);
  const { text } = await one.live.request('getDocument', { name });
  for (const { shared } of writers) assert.equal(shared.text, text);
  assert.deepEqual(marks.filter((mark) => text.split(mark).length !== 2), []);

  await writers[0].shared.set('title', 'Renamed');
  await patiently(() => writers[1].shared.fields.title === 'Renamed');
  await writers[0].shared.undo();
  await patiently(() => writers[0].shared.text === writers[1].shared.text);
  assert.notEqual(writers[0].shared.text, text);
  assert.ok((await writers[0].shared.revisions()).revisions.length > 0);

  writers[1].shared.select(2, 1);
  await patiently(() => writers[0].shared.people.some(({ position }) => position === 2));
  const [{ presence }] = writers[0].shared.people;
  assert.equal(presence.user, 'ben');
  for (const { live } of writers) live.stop();
});
