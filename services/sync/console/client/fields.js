/** Fields of a document, of which the latest value stays: by hybrid logical clocks. */
import { comesAfter } from './ot.js';
export class Fields {
    #edits = new Map();
    #values = {};
    #last = { time: 0, counter: 0 };
    /** How many edits made here are not known to have arrived. */
    unsent = 0;
    get values() {
        return this.#values;
    }
    /**
     * What the server has; edits made here that it does not have yet stay on top.
     *
     * @param time of the latest edit of a field there, and its counter: what is written here is later
     */
    read(values, time = 0, counter = 0) {
        if (isAfter({ time, counter }, this.#last))
            this.#last = { time, counter };
        const own = this.unsent ? [...this.#edits] : [];
        this.#edits.clear();
        this.#values = { ...values };
        for (const [name, edit] of own)
            this.put(name, edit);
    }
    /** A field as it was written last, as far as that is known. */
    edit(name) {
        return this.#edits.get(name) ?? { value: this.#values[name], time: 0, counter: 0 };
    }
    /** Writes a field here, later than all that was heard of. `now` is the machine's time. */
    write(name, value, now) {
        const { time, counter } = this.#last;
        this.#last = now > time ? { time: now, counter: 0 } : { time, counter: counter + 1 };
        const edit = value === undefined ? { ...this.#last } : { value, ...this.#last };
        this.put(name, edit);
        this.unsent += 1;
        return edit;
    }
    /** One edit made here arrived, or never will. */
    sent() {
        this.unsent = Math.max(0, this.unsent - 1);
    }
    /** Takes what others wrote; whether it changed anything. */
    merge(edits) {
        let changed = false;
        for (const [name, edit] of Object.entries(edits)) {
            if (isAfter(edit, this.#last))
                this.#last = { time: edit.time, counter: edit.counter };
            const known = this.#edits.get(name);
            if (known && !isAfter(edit, known))
                continue;
            this.put(name, edit);
            changed = true;
        }
        return changed;
    }
    /** Takes an edit, whatever there is. */
    put(name, edit) {
        this.#edits.set(name, edit);
        const { [name]: _, ...others } = this.#values;
        this.#values = edit.value === undefined ? others : { ...others, [name]: edit.value };
    }
}
function isAfter(one, other) {
    if (one.time !== other.time)
        return one.time > other.time;
    if (one.counter !== other.counter)
        return one.counter > other.counter;
    if (one.value === undefined)
        return false;
    if (other.value === undefined)
        return true;
    return comesAfter(one.value, other.value);
}
