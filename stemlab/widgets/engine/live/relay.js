// The audio thread's end of a Worker that separates: hops go there and come back, and are played a margin later.

import { Glide } from "../tape.js";

const MARGIN = 4; // hops that wait to be played
const WIDER = 2; // hops that each gap adds
const WIDEST = 24;

class Relay extends AudioWorkletProcessor {
  /** @param {{processorOptions: {card: import("./separator.js").Card}}} options */
  constructor({ processorOptions: { card } }) {
    super();
    this.length = card.hop;
    this.margin = MARGIN;
    this.alive = true;
    this.gain = new Glide(0);
    this.at = 0; // samples of the hop that are there
    this.run = 0;
    this.sent = 0; // hops
    this.taken = 0;
    this.told = 0; // by how many hops it is late
    this.hop = [new Float32Array(this.length), new Float32Array(this.length)];
    /** @type {Float32Array[][]} */
    this.waiting = [];
    /** @type {Float32Array[] | undefined} */
    this.now = undefined; // what is played, none until enough waits
    this.port.onmessage = ({ data }) => this.obey(data);
  }

  /** @param {{relay?: MessagePort, begin?: number, close?: true}} order */
  obey({ relay, begin, close }) {
    if (relay) {
      this.relay = relay;
      relay.onmessage = ({ data: [run, sound] }) => run === this.run && this.waiting.push(sound);
    }
    if (begin) this.begin(begin);
    if (close) this.alive = false;
  }

  /** @param {number} run which start of the sound this is */
  begin(run) {
    this.run = run;
    this.at = this.sent = this.taken = this.told = 0;
    this.waiting = [];
    this.now = undefined;
  }

  /** @param {Float32Array[][]} inputs @param {Float32Array[][]} outputs */
  process([input], [output]) {
    const count = output[0].length;
    this.hop.forEach((side, c) => (input[c] ?? input[0]) && side.set(input[c] ?? input[0], this.at));
    this.play(output, this.at);
    this.at += count;
    if (this.at === this.length) this.turn();
    return this.alive;
  }

  /** @param {Float32Array[]} output @param {number} at */
  play(output, at) {
    this.gain.target = this.now ? 1 : 0;
    for (let i = 0; i < output[0].length; i++) {
      const gain = this.gain.next();
      output.forEach((side, c) => (side[i] = gain * (this.now?.[c][at + i] ?? 0)));
    }
  }

  /** Sends the hop on and takes the next that waits, or waits itself until there are enough. */
  turn() {
    this.relay?.postMessage([this.run, this.hop]);
    this.sent++;
    this.hop = this.hop.map(() => new Float32Array(this.length));
    this.at = 0;
    while (this.waiting.length > this.margin + WIDER) this.take();
    const next = this.now || this.waiting.length >= this.margin ? this.take() : undefined;
    if (this.now && !next) this.margin = Math.min(WIDEST, this.margin + WIDER);
    if (this.now && !next) this.port.postMessage({ gap: true });
    this.now = next;
  }

  take() {
    const late = this.sent - this.taken;
    if (!this.waiting.length) return undefined;
    this.taken++;
    if (late !== this.told) this.port.postMessage({ late: (this.told = late) });
    return this.waiting.shift();
  }
}

registerProcessor("stemlab-relay", Relay);
