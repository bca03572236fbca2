// ShareDB's text type over code points: does what `bench/ot.py` asks for, and says how long it took.
// Answers a line of JSON for each line that it reads.
import { createInterface } from 'node:readline';
import otText from 'ot-text-unicode';

const { type } = otText;
const ours = (operation) =>
  operation.map((part) => (typeof part === 'object' ? -(part.d.length ?? part.d) : part));
const theirs = (operation) => operation.map((part) => (part < 0 ? { d: -part } : part));
let loaded = {};

const tasks = {
  load({ pairs, trace, initial }) {
    const both = pairs.map(([one, other]) => [theirs(one), theirs(other)]);
    loaded = { pairs: both, trace: trace.map(theirs), initial };
    return {};
  },
  transform() {
    const [done, seconds] = timed(() => loaded.pairs.map(([one, other]) => type.transform(one, other, 'right')));
    return { seconds, results: done.map(ours) };
  },
  compose() {
    const [done, seconds] = timed(() => loaded.trace.reduce(type.compose, []));
    return { seconds, results: [type.apply(loaded.initial, done)] };
  },
  apply() {
    const [done, seconds] = timed(() => loaded.trace.reduce(type.apply, loaded.initial));
    return { seconds, results: [done] };
  },
};

function timed(work) {
  const begun = process.cpuUsage();
  const done = work();
  const { user, system } = process.cpuUsage(begun);
  return [done, (user + system) / 1e6];
}

for await (const line of createInterface({ input: process.stdin })) {
  const { task, ...asked } = JSON.parse(line);
  console.log(JSON.stringify(tasks[task](asked)));
}
