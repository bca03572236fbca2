import assert from 'node:assert/strict';
import { test } from 'node:test';

import { change, until, world } from './fake.js';

/** A room that writes down what it is told. */
function entered(here, options, name = 'memories') {
  const told = [];
  const room = here.live.enter(
    name,
    {
      entered: (number) => told.push(`entered ${number}`),
      event: (event) => told.push(`event ${event.number}`),
      snapshot: (snapshot) => told.push(`snapshot ${snapshot.resources.length} ${snapshot.number}`),
      missed: (error) => told.push(`missed ${error.reason}`),
      closed: (error) => told.push(`closed ${error.reason}`),
      presence: (each) => told.push(`presence ${each.members.length} of ${each.connections}`),
    },
    options,
  );
  return { room, told };
}

async function started() {
  const here = world();
  here.live.start();
  await until(() => here.live.state === 'live');
  return here;
}

function answer(here, message, place = -1) {
  const { id } = here.socket.asked('subscribe').at(place);
  here.socket.say({ replyTo: id, ...message });
}

test('a room resumes from the last number that it has seen, and drops what came twice', async () => {
  const here = await started();
  const { told, room } = entered(here, { since: 3 });
  answer(here, { subscribed: { room: 'memories', number: '3' } });
  for (const number of [4, 6, 6, 5, 9]) here.socket.say(change('memories', number));
  here.socket.say({ checkpoint: { room: 'memories', number: '20' } });
  assert.deepEqual(told, ['entered 3', 'event 4', 'event 6', 'event 9']);
  assert.equal(room.number, 20);

  here.socket.drop();
  await until(() => here.sockets.length === 2 && here.socket.asked('subscribe').length === 1);
  assert.equal(here.socket.asked('subscribe')[0].since, 20);
  answer(here, { subscribed: { room: 'memories', number: '20' } });
  here.socket.say(change('memories', 20));
  here.socket.say(change('memories', 21));
  assert.deepEqual(told.slice(4), ['entered 20', 'event 21']);
  here.live.stop();
});

test('without a number a room begins where the server says', async () => {
  const here = await started();
  const { room } = entered(here);
  assert.equal('since' in here.socket.asked('subscribe')[0], false);
  answer(here, { subscribed: { room: 'memories', number: '17' } });
  assert.equal(room.number, 17);
  here.live.stop();
});

test('a snapshot counts once it is whole; until then it is asked for again', async () => {
  const here = await started();
  const { told } = entered(here, { snapshot: true });
  const part = (number) => ({ room: 'memories', resources: [{ name: `memories/${number}`, number }] });
  answer(here, { subscribed: { room: 'memories', number: '8' } });
  here.socket.say({ snapshot: part(1) });
  here.socket.drop();
  await until(() => here.sockets.length === 2 && here.socket.asked('subscribe').length === 1);
  assert.equal(here.socket.asked('subscribe')[0].snapshot, true);
  answer(here, { subscribed: { room: 'memories', number: '9' } });
  here.socket.say({ snapshot: part(1) });
  here.socket.say({ snapshot: { ...part(2), complete: true, number: '9' } });
  here.socket.say(change('memories', 9));
  here.socket.say(change('memories', 10));
  assert.deepEqual(told, ['entered 8', 'entered 9', 'snapshot 2 9', 'event 10']);
  here.socket.drop();
  await until(() => here.sockets.length === 3 && here.socket.asked('subscribe').length === 1);
  assert.deepEqual(here.socket.asked('subscribe')[0].since, 10);
  here.live.stop();
});

test('where the log does not reach back, the room says so and begins anew', async () => {
  const here = await started();
  const { told } = entered(here, { since: 40, snapshot: false });
  answer(here, { error: { code: 9, reason: 'CHANGES_MISSING' } });
  await until(() => here.socket.asked('subscribe').length === 2);
  assert.equal('since' in here.socket.asked('subscribe')[1], false);
  assert.deepEqual(told, ['missed CHANGES_MISSING']);
  here.live.stop();
});

test('where the log was pruned, the room goes on from its head', async () => {
  const here = await started();
  const { told } = entered(here, { snapshot: true });
  const error = { code: 9, reason: 'SNAPSHOT_UNAVAILABLE', metadata: { floor: '60', head: '70' } };
  answer(here, { error });
  await until(() => here.socket.asked('subscribe').length === 2);
  assert.equal(here.socket.asked('subscribe')[1].since, 70);
  assert.equal('snapshot' in here.socket.asked('subscribe')[1], false);
  assert.deepEqual(told, ['missed SNAPSHOT_UNAVAILABLE']);
  here.live.stop();
});

test('who is there comes as a snapshot, which nobody else hears of', async () => {
  const here = await started();
  const { told, room } = entered(here, { since: 5, presence: true });
  answer(here, { subscribed: { room: 'memories', number: '5' } });
  const bob = { connection: 'b', user: 'bob', state: 'PRESENCE_STATE_ACTIVE' };
  here.socket.say({ snapshot: { room: 'memories', present: [bob], complete: true, number: '5' } });
  here.socket.say(change('memories', 6));
  assert.deepEqual(told, ['entered 5', 'presence 1 of 1', 'event 6']);
  assert.equal(room.members[0].user, 'bob');
  here.live.stop();
});

test('a room that may not be entered is closed and not tried again', async () => {
  const here = await started();
  const { told } = entered(here);
  answer(here, { error: { code: 7, reason: 'PERMISSION_DENIED' } });
  here.socket.drop();
  await until(() => here.sockets.length === 2 && here.live.state === 'live');
  assert.deepEqual(here.socket.asked('subscribe'), []);
  assert.deepEqual(told, ['closed PERMISSION_DENIED']);
  here.live.stop();
});

test('a store that is away is asked again', async () => {
  const here = await started();
  entered(here);
  answer(here, { error: { code: 14, reason: 'STORE_UNAVAILABLE' } });
  await until(() => here.socket.asked('subscribe').length === 2);
  here.live.stop();
});

test('a room that the server takes away is closed', async () => {
  const here = await started();
  const { told } = entered(here);
  answer(here, { subscribed: { room: 'memories' } });
  here.socket.say({ unsubscribed: { room: 'memories', error: { code: 7, reason: 'PERMISSION_DENIED' } } });
  here.socket.say(change('memories', 1));
  assert.deepEqual(told, ['entered 0', 'closed PERMISSION_DENIED']);
  here.live.stop();
});

test('a room that was left is not entered again', async () => {
  const here = await started();
  const { room } = entered(here);
  room.leave();
  assert.deepEqual(here.socket.asked('unsubscribe')[0].room, 'memories');
  here.socket.drop();
  await until(() => here.sockets.length === 2 && here.live.state === 'live');
  assert.deepEqual(here.socket.asked('subscribe'), []);
  here.live.stop();
});

test('what is of an earlier subscription of the room counts for nothing', async () => {
  const here = await started();
  const first = entered(here);
  answer(here, { subscribed: { room: 'memories', number: '50' } });
  first.room.leave();
  const { told } = entered(here, { since: 0 });
  here.socket.say({ snapshot: { room: 'memories', complete: true, number: '50' } });
  here.socket.say(change('memories', 51));
  here.socket.say({ unsubscribed: { room: 'memories' } });
  answer(here, { subscribed: { room: 'memories' } });
  here.socket.say(change('memories', 1));
  assert.deepEqual(told, ['entered 0', 'event 1']);
  here.live.stop();
});

test('a window is acknowledged half by half', async () => {
  const here = await started();
  entered(here, { since: 0, window: 4 });
  answer(here, { subscribed: { room: 'memories' } });
  for (const number of [1, 2, 3, 4, 5]) here.socket.say(change('memories', number));
  assert.deepEqual(
    here.socket.asked('acknowledge').map((each) => each.number),
    [2, 4],
  );
  here.live.stop();
});

test('presence: who came, did something, went; what this person does is said again after a reconnect', async () => {
  const here = await started();
  const { room, told } = entered(here, { presence: true, since: 0 });
  answer(here, { subscribed: { room: 'memories' } });
  const bob = { connection: 'b', user: 'bob', state: 'PRESENCE_STATE_ACTIVE', cursor: { position: 3 } };
  here.socket.say({ presence: { room: 'memories', changes: [bob], connections: '2', people: '2' } });
  assert.deepEqual(room.members[0].cursor, { position: 3, anchor: 0, version: 0 });
  const gone = { ...bob, state: 'PRESENCE_STATE_OFFLINE' };
  here.socket.say({ presence: { room: 'memories', changes: [gone], connections: '1', people: '1' } });
  assert.deepEqual(told, ['entered 0', 'presence 1 of 2', 'presence 0 of 1']);

  room.setPresence('PRESENCE_STATE_ACTIVE', { position: 1, anchor: 1, version: 2 });
  assert.equal(here.socket.asked('setPresence').length, 1);
  here.socket.drop();
  await until(() => here.sockets.length === 2 && here.socket.asked('subscribe').length === 1);
  answer(here, { subscribed: { room: 'memories' } });
  assert.deepEqual(here.socket.asked('setPresence')[0].cursor, { position: 1, anchor: 1, version: 2 });
  here.live.stop();
});
