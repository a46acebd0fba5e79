// A stem's echo: what it played of late sounds again in its place, each time softer.

import { FADE } from "./tape.js";

const FALL = 0.6; // from one to the next: 60 dB in fourteen
const LONGEST = 2; // seconds from one to the next

/** out = (1 - wet) · in + wet · FALL · out a while ago; at rest nothing is changed. */
export class Echo {
  constructor() {
    this.size = LONGEST * sampleRate;
    this.sides = [0, 1].map(() => new Float32Array(this.size)); // what came out of late
    this.now = this.at = 0;
    this.delay = 1; // samples
    this.wet = this.goal = 0;
  }

  /** Takes the stem's place, just before a frame, or leaves it. @param {boolean} on @param {number} at @param {number} delay samples */
  turn(on, at, delay) {
    this.goal = Number(on);
    this.at = at - FADE;
    if (on) this.delay = Math.min(delay, this.size - 1);
  }

  /** @param {Float32Array} left @param {Float32Array} right */
  apply(left, right) {
    const { size, sides } = this;
    for (let i = 0; i < left.length; i++) {
      if (this.wet !== this.goal && currentFrame + i >= this.at)
        this.wet = this.goal ? Math.min(1, this.wet + 1 / FADE) : Math.max(0, this.wet - 1 / FADE);
      const back = (this.now - this.delay + size) % size;
      left[i] = sides[0][this.now] = (1 - this.wet) * left[i] + this.wet * FALL * sides[0][back];
      right[i] = sides[1][this.now] = (1 - this.wet) * right[i] + this.wet * FALL * sides[1][back];
      this.now = (this.now + 1) % size;
    }
  }
}
