/**
 * Text operations over Unicode code points: the same as `libs/ot/operations.py`, to the letter, since client
 * and server have to come to the same text. Texts are JavaScript's, lengths are in code points and never in
 * UTF-16 units; `codePoints` and `units` are the way between both.
 *
 * An operation is its parts, from the beginning of a text on: a positive number leaves so many code points as
 * they are, a negative one deletes so many, a text is inserted. What follows the last part stays as it is.
 * In normal form no part is 0 or empty, neighbours differ in kind, an insert stands before the delete beside
 * it, nothing is kept at the end. Every function awaits that form and returns it.
 */

export type Operation = readonly (number | string)[];

/** Of two texts inserted at one place, the left one stands first. */
export type Side = 'left' | 'right';

/** A part as it is in messages. */
export type Part =
  | { readonly retain: number }
  | { readonly insert: string }
  | { readonly delete: number };

export const NOTHING: Operation = [];

/** An operation speaks of more code points than the text has. */
export class Misfit extends RangeError {
  override readonly name = 'Misfit';

  constructor(
    readonly needed: number,
    readonly length: number,
  ) {
    super(`The operation needs ${needed} code points, the text has ${length}.`);
  }
}

/** How many code points there are in the first `end` UTF-16 units of a text, by default in all. */
export function codePoints(text: string, end = text.length): number {
  let count = 0;
  for (let unit = 0; unit < end; unit += width(text, unit)) count++;
  return count;
}

/** How many UTF-16 units the `count` code points after unit `start` have. */
export function units(text: string, count: number, start = 0): number {
  let unit = start;
  for (let left = count; left > 0 && unit < text.length; left--) unit += width(text, unit);
  return unit - start;
}

function width(text: string, unit: number): 1 | 2 {
  return isHigh(text.charCodeAt(unit)) && isLow(text.charCodeAt(unit + 1)) ? 2 : 1;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000; // NaN behind the end is neither
}

/** The text with U+FFFD for halves of surrogate pairs, which no message can hold. */
export function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (found) =>
    found.length === 2 ? found : '\ufffd',
  );
}

/** Whether a text comes after another one by code points, as everywhere but in JavaScript. */
export function comesAfter(one: string, other: string): boolean {
  let unit = 0;
  while (unit < one.length && one[unit] === other[unit]) unit++;
  if (unit > 0 && isLow(one.charCodeAt(unit)) && isLow(other.charCodeAt(unit))) unit--;
  return (one.codePointAt(unit) ?? -1) > (other.codePointAt(unit) ?? -1);
}

/** Parts as they come, put into normal form. */
class Parts {
  readonly #done: (number | string)[] = [];
  #kept = 0;
  #inserted = '';
  #deleted = 0;

  keep(count: number): void {
    this.#close();
    this.#kept += count;
  }

  insert(text: string): void {
    this.#open();
    this.#inserted += text;
  }

  delete(count: number): void {
    this.#open();
    this.#deleted += count;
  }

  add(part: number | string): void {
    if (typeof part === 'string') this.insert(part);
    else this.count(part, Math.abs(part));
  }

  /** As many as `count`, kept or deleted as `part` is. */
  count(part: number, count: number): void {
    if (part > 0) this.keep(count);
    else this.delete(count);
  }

  finish(): Operation {
    this.#close();
    return this.#done;
  }

  #open(): void {
    if (this.#kept > 0) this.#done.push(this.#kept);
    this.#kept = 0;
  }

  #close(): void {
    if (this.#inserted !== '') this.#done.push(this.#inserted);
    if (this.#deleted > 0) this.#done.push(-this.#deleted);
    this.#inserted = '';
    this.#deleted = 0;
  }
}

/** The operation of any parts, also empty ones and neighbours of one kind. */
export function normal(parts: Iterable<number | string>): Operation {
  const made = new Parts();
  for (const part of parts) if (part !== 0 && part !== '') made.add(part);
  return made.finish();
}

/** The operation that a message holds. */
export function fromParts(parts: readonly Part[]): Operation {
  return normal(
    parts.map((part) =>
      'insert' in part ? part.insert : 'retain' in part ? part.retain : -part.delete,
    ),
  );
}

/** The parts for a message. */
export function toParts(operation: Operation): Part[] {
  return operation.map((part) => {
    if (typeof part === 'string') return { insert: part };
    return part > 0 ? { retain: part } : { delete: -part };
  });
}

/** How many code points of the text the operation speaks of: it fits no shorter one. */
export function reach(operation: Operation): number {
  return operation.reduce<number>(
    (sum, part) => sum + (typeof part === 'string' ? 0 : Math.abs(part)),
    0,
  );
}

/** By how many code points the text is longer afterwards. */
export function growth(operation: Operation): number {
  return operation.reduce<number>(
    (sum, part) => sum + (typeof part === 'string' ? codePoints(part) : Math.min(part, 0)),
    0,
  );
}

/** The text after the operation. Throws `Misfit` when the text is too short. */
export function apply(text: string, operation: Operation): string {
  const reader = new Reader(text, operation);
  let after = '';
  for (const part of operation) {
    if (typeof part === 'string') after += part;
    else if (part > 0) after += reader.take(part);
    else reader.take(-part);
  }
  return after + reader.rest();
}

/** What takes the operation back, for the text that it leads to; `text` is the one before it. */
export function invert(operation: Operation, text: string): Operation {
  const reader = new Reader(text, operation);
  const made = new Parts();
  for (const part of operation) {
    if (typeof part === 'string') {
      made.delete(codePoints(part));
    } else if (part > 0) {
      reader.take(part);
      made.keep(part);
    } else {
      made.insert(reader.take(-part));
    }
  }
  return made.finish();
}

/** Reads a text that an operation is for. */
class Reader {
  #unit = 0;

  constructor(
    private readonly text: string,
    private readonly operation: Operation,
  ) {}

  take(count: number): string {
    const begin = this.#unit;
    for (let left = count; left > 0; left--) {
      if (this.#unit >= this.text.length) {
        throw new Misfit(reach(this.operation), codePoints(this.text));
      }
      this.#unit += width(this.text, this.#unit);
    }
    return this.text.slice(begin, this.#unit);
  }

  rest(): string {
    return this.text.slice(this.#unit);
  }
}

/** One operation that does what `first` does to a text, and then what `then` does to that. */
export function compose(first: Operation, then: Operation): Operation {
  const made = new Parts();
  let next = 0;
  let mine = first[next++]; // what is left of the part of `first` at hand
  for (const part of then) {
    if (typeof part === 'string') {
      made.insert(part);
      continue;
    }
    let left = Math.abs(part);
    while (left > 0) {
      if (mine === undefined) {
        made.count(part, left);
        break;
      }
      if (typeof mine === 'string') {
        const piece = mine.slice(0, units(mine, left));
        left -= codePoints(piece);
        if (part > 0) made.insert(piece);
        mine = mine.slice(piece.length) || first[next++];
      } else if (mine > 0) {
        const count = Math.min(left, mine);
        made.count(part, count);
        left -= count;
        mine = mine - count || first[next++];
      } else {
        made.delete(-mine);
        mine = first[next++];
      }
    }
  }
  for (; mine !== undefined; mine = first[next++]) made.add(mine);
  return made.finish();
}

/**
 * `operation` as it is after `past`; both were made on the same text. Of two texts inserted at one place that
 * of the left operation stands first.
 */
export function transform(operation: Operation, past: Operation, side: Side): Operation {
  const made = new Parts();
  let next = 0;
  let other = past[next++]; // what is left of the part of `past` at hand
  for (const part of operation) {
    if (typeof part === 'string') {
      if (side === 'right' && typeof other === 'string') {
        made.keep(codePoints(other));
        other = past[next++];
      }
      made.insert(part);
      continue;
    }
    let left = Math.abs(part);
    while (left > 0) {
      if (other === undefined) {
        made.count(part, left);
        break;
      }
      if (typeof other === 'string') {
        made.keep(codePoints(other));
        other = past[next++];
      } else {
        const count = Math.min(left, Math.abs(other));
        if (other > 0) made.count(part, count);
        left -= count;
        other = other - Math.sign(other) * count || past[next++];
      }
    }
  }
  return made.finish();
}

/** Each as it is after the other one. */
export function transformBoth(left: Operation, right: Operation): [Operation, Operation] {
  return [transform(left, right, 'left'), transform(right, left, 'right')];
}

/**
 * Where a caret is after an operation, in code points. A text inserted right there stands before the caret of
 * the one who typed it (`own`), and behind everybody else's.
 */
export function move(place: number, operation: Operation, own = false): number {
  let done = 0; // how far the operation is in the text before it
  let moved = place;
  for (const part of operation) {
    if (done > place) break;
    if (typeof part === 'string') {
      if (own || done < place) moved += codePoints(part);
    } else if (part > 0) {
      done += part;
    } else {
      moved -= Math.min(-part, place - done);
      done -= part;
    }
  }
  return moved;
}

/**
 * The one replacement that makes `after` of `before`, as an editor changes its text.
 *
 * @param caret where the caret is in `after`, in UTF-16 units: it tells which of several equal letters was typed.
 */
export function replacement(before: string, after: string, caret = after.length): Operation {
  const shorter = Math.min(before.length, after.length);
  let end = 0;
  while (end < Math.min(shorter, after.length - caret) && sameAt(before, after, -1 - end)) end++;
  let start = 0;
  while (start < shorter - end && sameAt(before, after, start)) start++;
  while (end < shorter - start && sameAt(before, after, -1 - end)) end++;
  start -= cuts(before, start) || cuts(after, start) ? 1 : 0;
  end -= cuts(before, before.length - end) || cuts(after, after.length - end) ? 1 : 0;
  return normal([
    codePoints(before, start),
    wellFormed(after.slice(start, after.length - end)),
    -codePoints(before.slice(start, before.length - end)),
  ]);
}

function sameAt(before: string, after: string, place: number): boolean {
  return before.at(place) === after.at(place);
}

/** Whether a unit is the second half of a code point. */
function cuts(text: string, unit: number): boolean {
  return unit > 0 && width(text, unit - 1) === 2;
}
