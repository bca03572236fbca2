/** How many edits one undo takes back: those that were typed in one go. */

const TOGETHER = 1000; // ms between two edits of one step
const MOST = 20; // edits in a step

export class Steps {
  readonly #made: number[] = [];
  readonly #undone: number[] = [];
  #last = -Infinity;

  /** An edit was sent. */
  made(now: number): void {
    const open = now - this.#last < TOGETHER ? this.#made[this.#made.length - 1] : undefined;
    if (open !== undefined && open < MOST) this.#made[this.#made.length - 1] = open + 1;
    else this.#made.push(1);
    this.#last = now;
    this.#undone.length = 0;
  }

  /** How many to take back; one when nothing is known of how they were made. */
  undo(): number {
    return this.#turn(this.#made, this.#undone);
  }

  /** How many to make again. */
  redo(): number {
    return this.#turn(this.#undone, this.#made);
  }

  #turn(from: number[], to: number[]): number {
    const size = from.pop() ?? 1;
    to.push(size);
    this.#last = -Infinity;
    return size;
  }
}
