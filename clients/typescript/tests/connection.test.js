import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConnectionEnded, DeadlineExceeded } from '../../../services/sync/console/client/index.js';
import { until, world } from './fake.js';

async function started(options) {
  const here = world(options);
  here.live.start();
  await until(() => here.live.state === 'live');
  return here;
}

test('it opens with the JSON subprotocol, says its token, and is live once welcomed', async () => {
  const { live, socket, states, tokens } = await started();

  assert.deepEqual(socket.protocols, ['aeterna.live.v1.json']);
  assert.equal(socket.asked('authenticate')[0].token, 'token 1');
  assert.deepEqual(states, ['connecting', 'live']);
  assert.deepEqual(tokens, ['connect']);
  assert.equal(live.welcome.subject, 'ann');
  live.stop();
});

for (const code of [1001, 1006, 1011, 4408, 4409, 4503]) {
  test(`it comes back after ${code}`, async () => {
    const here = await started();
    here.socket.drop(code);
    await until(() => here.sockets.length === 2 && here.live.state === 'live');
    assert.deepEqual(here.states, ['connecting', 'live', 'waiting', 'connecting', 'live']);
    here.live.stop();
  });
}

for (const code of [1002, 1003, 1007, 1009, 4400, 4403]) {
  test(`it stays away after ${code}, and what waits is rejected`, async () => {
    const here = await started();
    const asked = here.live.request('listDocuments', {});
    here.socket.drop(code, 'FORBIDDEN');
    await assert.rejects(asked, ConnectionEnded);
    assert.equal(here.states.at(-1), 'ended FORBIDDEN');
    await assert.rejects(here.live.request('listDocuments', {}), ConnectionEnded);
  });
}

test('after 4401 it asks for another token, and does not say the refused one again', async () => {
  const here = await started();
  here.socket.drop(4401, 'TOKEN_EXPIRED');
  await until(() => here.sockets.length === 2);
  assert.deepEqual(here.tokens, ['connect', 'refused']);
  await until(() => here.socket.sent.length > 0);
  assert.equal(here.socket.asked('authenticate')[0].token, 'token 2');
  here.live.stop();

  const same = await started({ live: { token: () => 'always' } });
  same.socket.drop(4401, 'TOKEN_EXPIRED');
  await until(() => same.live.state === 'ended');
  assert.equal(same.sockets.length, 1);
  assert.equal(same.states.at(-1), 'ended TOKEN_REFUSED');
});

test('a refused authentication that leaves the connection open counts as 4401', async () => {
  const here = world({ welcome: null });
  here.live.start();
  await until(() => here.socket?.sent.length === 1);
  here.socket.say({ replyTo: here.socket.sent[0].id, error: { code: 16, reason: 'TOKEN_INVALID' } });
  await until(() => here.sockets.length === 2);
  assert.deepEqual(here.tokens, ['connect', 'refused']);
  here.live.stop();
});

test('it waits before it comes back after 4429', async () => {
  const here = await started();
  here.socket.drop(4429, 'TOO_MANY_CONNECTIONS');
  assert.equal(here.live.state, 'waiting');
  await new Promise((resolve) => setTimeout(resolve, 50)); // a connection would have been tried by now
  assert.equal(here.sockets.length, 1);
  here.live.stop();
});

test('it leaves a draining server at the time that it was told, by itself', async () => {
  const here = await started();
  here.socket.say({ draining: { reconnectAfter: '0.05s' } });
  const begun = Date.now();
  await until(() => here.sockets.length === 2);
  assert.ok(Date.now() - begun >= 45);
  assert.equal(here.sockets[0].closed, 1000);
  await until(() => here.live.state === 'live');
  here.live.stop();
});

test('a draining server that closes first is not come back to before the time that it told', async () => {
  const here = await started();
  here.socket.say({ draining: { reconnectAfter: '0.1s' } });
  const begun = Date.now();
  here.socket.drop(1001, 'SERVER_STOPPING');
  await until(() => here.sockets.length === 2);
  assert.ok(Date.now() - begun >= 95);
  here.live.stop();
});

test('it sends a new token before the old one expires, on the same connection', async () => {
  const here = await started({ lifetime: 1200 });
  await until(() => here.socket.asked('authenticate').length === 2);
  assert.deepEqual(here.tokens, ['connect', 'refresh']);
  assert.equal(here.socket.asked('authenticate')[1].token, 'token 2');
  assert.equal(here.sockets.length, 1);
  assert.equal(here.live.state, 'live');
  here.live.stop();
});

test('it gives signs of life', async () => {
  const here = await started({ welcome: { heartbeat: '0.040s' } });
  await until(() => here.socket.asked('ping').length >= 2);
  assert.equal(here.live.state, 'live');
  here.live.stop();
});

test('it leaves a server that has become silent', async () => {
  const here = await started({ welcome: { heartbeat: '0.040s' } });
  here.sockets[0].send = () => undefined; // nothing is answered any more
  await until(() => here.sockets.length === 2);
  assert.equal(here.sockets[0].closed, 1000);
  here.live.stop();
});

test('what was asked for without a connection is asked for, in order, once there is one', async () => {
  const here = await started();
  here.socket.drop();
  const asked = ['one', 'two'].map((name) =>
    here.live.request('deleteDocument', { name: `documents/${name}` }, Infinity),
  );
  assert.equal(here.live.waiting, 2);
  await until(() => here.sockets.length === 2 && here.socket.asked('deleteDocument').length === 2);
  const sent = here.socket.asked('deleteDocument');
  assert.deepEqual(
    sent.map((each) => each.name),
    ['documents/one', 'documents/two'],
  );
  for (const { id } of sent) here.socket.say({ replyTo: id, done: {} });
  await Promise.all(asked);
  assert.equal(here.live.waiting, 0);
  here.live.stop();
});

test('what a lost connection had not answered is asked for again, with the same request id', async () => {
  const here = await started();
  const asked = here.live.request('undoDocumentEdit', { name: 'documents/one' });
  const [first] = here.socket.asked('undoDocumentEdit');
  assert.match(first.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  here.socket.drop();
  await until(() => here.sockets.length === 2 && here.socket.asked('undoDocumentEdit').length === 1);
  const [second] = here.socket.asked('undoDocumentEdit');
  assert.deepEqual(second, first);
  here.socket.say({ replyTo: second.id, edit: { version: '7' } });
  assert.equal((await asked).version, 7);
  here.live.stop();
});

test('what may pass is tried again; what will not is an error with its reason', async () => {
  const here = await started();
  const asked = here.live.request('getDocument', { name: 'documents/one' });
  const { id } = here.socket.asked('getDocument')[0];
  here.socket.say({ replyTo: id, error: { code: 14, reason: 'STORE_UNAVAILABLE' } });
  await until(() => here.socket.asked('getDocument').length === 2);
  here.socket.say({ replyTo: id, error: { code: 8, reason: 'CALL_RATE_LIMITED' } });
  await until(() => here.socket.asked('getDocument').length === 3);
  const error = { code: 5, reason: 'DOCUMENT_NOT_FOUND', message: 'There is none.', metadata: { name: 'x' } };
  here.socket.say({ replyTo: id, error });
  await assert.rejects(asked, { ...error, name: 'LiveError', fields: {} });
  here.live.stop();
});

test('an answer that does not come in time is an error', async () => {
  const here = await started();
  await assert.rejects(here.live.request('listDocuments', {}, 20), DeadlineExceeded);
  assert.equal(here.live.waiting, 0);
  here.live.stop();
});

test('what is too large, or one too many, is refused here', async () => {
  const here = await started({ live: { maxWaiting: 1 } });
  const large = { name: 'x'.repeat(2000) };
  await assert.rejects(here.live.request('getDocument', large), { reason: 'MESSAGE_TOO_LARGE' });
  const waits = here.live.request('listDocuments', {}, 20);
  await assert.rejects(here.live.request('listDocuments', {}), { reason: 'QUEUE_FULL' });
  await assert.rejects(waits, DeadlineExceeded);
  here.live.stop();
});

test('what is too large, and was asked for without a connection, is refused once there is one', async () => {
  const here = await started();
  here.socket.drop();
  const large = here.live.request('getDocument', { name: 'x'.repeat(2000) }, Infinity);
  const small = here.live.request('getDocument', { name: 'documents/one' }, Infinity);
  await assert.rejects(large, { reason: 'MESSAGE_TOO_LARGE' });
  await until(() => here.socket.asked('getDocument').length === 1);
  const [{ id, name }] = here.socket.asked('getDocument');
  assert.equal(name, 'documents/one');
  here.socket.say({ replyTo: id, document: {} });
  await small;
  here.live.stop();
});

test('a frame that is no message ends the connection, and another one is made', async () => {
  const here = await started();
  here.socket.onmessage({ data: 'nonsense' });
  await until(() => here.sockets.length === 2);
  here.live.stop();
});

test('pauses are anywhere up to a limit that doubles', async () => {
  const { FIRST_PAUSE, LONGEST_PAUSE, pause } = await import('../../../services/sync/console/client/pace.js');
  assert.equal(pause(0, 0), 0);
  assert.equal(pause(0, 1), FIRST_PAUSE);
  assert.equal(pause(3, 0.5), FIRST_PAUSE * 4);
  for (const failures of [10, 1000]) assert.equal(pause(failures, 1), LONGEST_PAUSE);
});
