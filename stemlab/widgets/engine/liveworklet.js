// The audio thread of live separation: `stemlab-live` takes in what is heard and plays its stems, always as many
// samples behind as it takes for them to come back in time.

import { FADE, Glide, REPORT, SCALE } from "./tape.js";

const BLOCK = 1024; // samples sent at once
const HELD = 8; // seconds of stems that are kept
const TRIAL = 1; // seconds to see how late stems come, before they are played
const MARGIN = 512; // samples by which stems should be early
const WIDER = 1024; // samples that each gap adds to it
const CALM = 1 / 8; // share of what was added that each MEMORY without a gap takes back
const LATEST = 2; // seconds; stems that come later are not waited for
const MEMORY = 20; // seconds for which the latest stems decide how far behind to play
const SLACK = 2048; // samples by which stems may be too early before it moves nearer

/** Input to the kernel, stems from it, and how late they are; all samples are numbered from the first on. */
class LiveMixer extends AudioWorkletProcessor {
  /** @param {{processorOptions: {stems: number}}} options */
  constructor({ processorOptions: { stems } }) {
    super();
    this.alive = true;
    this.size = HELD * sampleRate;
    this.rings = Array.from({ length: 2 * stems }, () => new Float32Array(this.size));
    this.gains = this.rings.map(() => new Glide(1));
    this.peaks = new Float32Array(stems);
    this.port.onmessage = ({ data }) => this.obey(data);
    this.block = new Float32Array(2 * BLOCK);
    this.heard = this.made = 0; // samples that came in; up to which there are stems
    this.behind = this.fade = 0; // 0 is not known yet
    this.since = Infinity; // heard when the first stems came
    this.lag = this.worst = 0; // samples by which stems were behind at worst, last time and since
    this.arrival = 0; // … when the newest came
    this.margin = MARGIN;
    this.calm = true; // no gap lately
    this.dropouts = this.input = this.wide = 0; // peaks since the last report: of the input, of left less right
    this.sounding = false;
  }

  /** @param {any} order */
  obey(order) {
    if ("stems" in order) this.put(order.start, order.stems);
    if ("gains" in order)
      order.gains.flat().forEach((/** @type {number} */ gain, /** @type {number} */ c) => (this.gains[c].target = gain));
    if ("close" in order) this.alive = false;
  }

  /** @param {number} start @param {Int16Array} samples interleaved [stems, n, 2] */
  put(start, samples) {
    const count = samples.length / this.rings.length;
    for (let c = 0; c < this.rings.length; c++) {
      const first = 2 * (c >> 1) * count + (c % 2);
      for (let i = 0; i < count; i++)
        this.rings[c][(start + i) % this.size] = samples[first + 2 * i] * SCALE;
    }
    this.made = start + count;
    this.arrival = this.heard - this.made;
    this.since = Math.min(this.since, this.heard);
  }

  /** Sends the input on in blocks. @param {Float32Array[]} input @param {number} count */
  take(input, count) {
    for (let i = 0; i < count; i++) {
      const left = input[0]?.[i] ?? 0;
      const right = (input[1] ?? input[0])?.[i] ?? 0;
      this.input = Math.max(this.input, Math.abs(left), Math.abs(right));
      this.wide = Math.max(this.wide, Math.abs(left - right));
      const at = 2 * (this.heard++ % BLOCK);
      this.block[at] = left;
      this.block[at + 1] = right;
      if (at + 2 < 2 * BLOCK) continue;
      this.port.postMessage({ start: this.heard - BLOCK, sound: this.block }, [this.block.buffer]);
      this.block = new Float32Array(2 * BLOCK);
    }
  }

  /** Settles how far behind to play: after the trial, when that was too near, when it could be nearer. @param {number} count */
  settle(count) {
    if (this.heard < this.since) return;
    this.worst = Math.max(this.worst, this.heard - this.made);
    if (this.heard < this.since + TRIAL * sampleRate) return;
    const late = this.heard - this.behind + count + FADE > this.made;
    if (late && this.sounding) this.gap();
    const needed = Math.min(Math.max(this.lag, this.worst) + FADE + this.margin, LATEST * sampleRate);
    this.sounding = !late && this.behind - needed < SLACK;
    if (!this.sounding && !this.fade) this.behind = needed;
    if (this.heard % (MEMORY * sampleRate) < count) this.forget();
  }

  gap() {
    this.dropouts++;
    this.margin += WIDER;
    this.calm = false;
  }

  /** Lets what was long ago no longer decide. */
  forget() {
    if (this.calm) this.margin -= Math.floor((this.margin - MARGIN) * CALM);
    this.lag = this.worst;
    this.worst = 0;
    this.calm = true;
  }

  /** @param {Float32Array[][]} inputs @param {Float32Array[][]} outputs */
  process([input], [[left, right]]) {
    const count = left.length;
    this.take(input, count);
    this.settle(count);
    this.play(left, right);
    this.report(count);
    return this.alive;
  }

  /** @param {Float32Array} left @param {Float32Array} right */
  play(left, right) {
    const first = this.heard - left.length - this.behind;
    for (let i = 0; i < left.length; i++) {
      this.fade = Math.min(1, Math.max(0, this.fade + (this.sounding ? 1 : -1) / FADE));
      for (let c = 0; c < this.rings.length; c++) {
        const gain = this.gains[c].next() * this.fade;
        if (!gain || first + i < 0) continue;
        const value = this.rings[c][(first + i) % this.size] * gain;
        if (c % 2) right[i] += value;
        else left[i] += value;
        this.peaks[c >> 1] = Math.max(this.peaks[c >> 1], Math.abs(value));
      }
    }
  }

  /** @param {number} count samples just made */
  report(count) {
    if ((currentFrame + count) % REPORT >= count) return;
    const { heard, behind, arrival, dropouts, input, wide, sounding } = this;
    this.port.postMessage({ heard, behind, arrival, dropouts, input, wide, sounding, peaks: Array.from(this.peaks) });
    this.input = this.wide = 0;
    this.peaks.fill(0);
  }
}

registerProcessor("stemlab-live", LiveMixer);
