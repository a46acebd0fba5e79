// Blocks of sound on their way to the kernel, which takes them when it has time: a few under way, the rest waits here.

const UNDER_WAY = 8;
const WAITING = 600; // blocks, some two minutes; then the oldest are left out

/** @typedef {import("./blocks.js").Block | {mark: boolean}} Block or a note between two of them */

export class Outbox {
  /** @param {(block: Block) => void} send */
  constructor(send) {
    this.send = send;
    /** @type {Block[]} */
    this.waiting = [];
    this.underWay = 0;
  }

  /** @param {Block} block */
  put(block) {
    this.waiting.push(block);
    const oldest = this.waiting.length > WAITING ? this.waiting.findIndex((one) => "sound" in one) : -1;
    if (oldest >= 0) this.waiting.splice(oldest, 1);
    this.#send();
  }

  /** The kernel has taken one. */
  acknowledge() {
    this.underWay--;
    this.#send();
  }

  #send() {
    while (this.underWay < UNDER_WAY && this.waiting.length) {
      this.underWay++;
      this.send(/** @type {Block} */ (this.waiting.shift()));
    }
  }
}
