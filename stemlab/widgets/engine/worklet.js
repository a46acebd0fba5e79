// The audio thread: one `stemlab-mixer` plays and mixes all stems of a song, one `stemlab-limiter` is the
// master.

import { FADE, Glide, JUST, REPORT, SCALE, Tape } from "./tape.js";

const LEAD = 1536; // samples before an original in which the gains glide to 1

/** A reader of the tape with its own fade: 0 is silent and stands still. */
class Head {
  /** @param {number} position @param {Tape} tape */
  constructor(position, tape) {
    this.position = position;
    this.tape = tape;
    this.fade = 0;
    this.goal = 0;
  }
  get moving() {
    return this.fade > 0 || this.goal > 0;
  }
  advance() {
    this.position++;
    if (this.fade < this.goal) this.fade = Math.min(1, this.fade + 1 / FADE);
    else if (this.fade > this.goal) this.fade = Math.max(0, this.fade - 1 / FADE);
  }
}

/** One stem's gains left and right, and the peak it reached since the last report. */
class Channel {
  constructor() {
    this.left = new Glide(1);
    this.right = new Glide(1);
    this.peak = 0;
  }
  /** @param {boolean} raw an original is heard */
  glide(raw) {
    this.left.next(raw);
    this.right.next(raw);
  }
}

/** Plays a tape: transport, loop, jumps without clicks, gains that glide, peaks, underruns. */
class Mixer extends AudioWorkletProcessor {
  /** @param {{processorOptions: {stems: number, length: number, block: number}}} options */
  constructor({ processorOptions: song }) {
    super();
    this.song = song;
    this.tape = new Tape(song);
    /** @type {Tape | null} */
    this.coming = null; // fills with what is to take the tape's place
    this.channels = Array.from({ length: song.stems }, () => new Channel());
    this.head = new Head(0, this.tape);
    /** @type {Head[]} */
    this.ghosts = []; // heads that a jump left behind, fading out
    this.playing = false;
    this.startFrame = 0;
    this.starved = true;
    this.heard = false; // something sounded since the last play or seek: a gap is an underrun
    this.raw = false; // an original is heard
    this.underruns = this.seeks = 0;
    this.alive = true;
    /** @type {[number, number] | null} */
    this.loop = null;
    this.port.onmessage = ({ data }) => this.obey(data);
  }

  /** @param {any} order */
  obey(order) {
    const tape = this.coming ?? this.tape;
    if ("replace" in order) this.coming = new Tape(this.song);
    if ("block" in order) tape.put(order.block, order.samples, order.whole);
    if ("drop" in order) for (const k of order.drop) tape.leaving.add(k);
    if ("gains" in order) this.setGains(order.gains);
    if ("loop" in order) this.setLoop(order.loop);
    if ("seek" in order) this.seek(order.seek);
    if ("play" in order) this.setPlaying(order.play, order.at);
    if ("close" in order) this.alive = false;
  }

  /** @param {[number, number][]} gains */
  setGains(gains) {
    gains.forEach(([left, right], s) => {
      this.channels[s].left.target = left;
      this.channels[s].right.target = right;
    });
  }

  /** The head is ahead of the ear: if it has just passed the end, it goes back in step. @param {[number, number] | null} loop */
  setLoop(loop) {
    this.loop = loop;
    if (!loop || !this.head.moving) return;
    const [a, b] = loop;
    const past = this.head.position - b;
    if (past < 0 || past > JUST * sampleRate) return;
    const back = a + (past % (b - a));
    this.jump(back, this.tape.has(back, back + FADE));
  }

  /** Goes over to the coming tape as soon as it has what is played next. @param {Tape} coming @param {number} count */
  change(coming, count) {
    if (this.head.moving && !this.ready(count + FADE, coming)) return;
    this.tape = coming;
    this.coming = null;
    this.jump(this.head.position, this.head.moving);
  }

  /** @param {boolean} playing @param {number} at frame of the context's clock */
  setPlaying(playing, at) {
    this.playing = playing;
    this.startFrame = at;
    this.heard = false;
    this.starved = true; // until `feed` finds enough
    if (!playing) this.head.goal = 0;
  }

  /** @param {number} position */
  seek(position) {
    this.seeks++;
    this.jump(position, false);
  }

  /** @param {number} position @param {boolean} seamless a loop's return, which goes on sounding */
  jump(position, seamless) {
    const old = this.head;
    this.head = new Head(position, this.tape);
    if (old.fade > 0) {
      old.goal = 0;
      this.ghosts.push(old);
    }
    if (seamless) this.head.goal = 1;
    else this.setPlaying(this.playing, this.startFrame);
  }

  /** Whether the next `count` samples in playing order are here. @param {number} count @param {Tape} tape */
  ready(count, tape = this.tape) {
    const { position } = this.head;
    const stop = position + count;
    if (!this.loop || position >= this.loop[1] || stop <= this.loop[1])
      return tape.has(position, stop);
    const [a, b] = this.loop;
    return tape.has(position, b) && tape.has(a, a + stop - b);
  }

  /** Whether something of the next `count` samples in playing order is not separated yet. @param {number} count */
  original(count) {
    const { head: { position }, loop, tape } = this;
    const stop = position + count;
    if (!loop || position >= loop[1] || stop <= loop[1]) return tape.raw(position, stop);
    const [a, b] = loop;
    return tape.raw(position, b) || tape.raw(a, Math.min(b, a + stop - b));
  }

  /** Lets the head go or stops it, according to what is on the tape. @param {number} count */
  feed(count) {
    const enough = this.ready(count + FADE + (this.starved && this.heard ? this.tape.block / 4 : 0));
    if (!enough && !this.starved && this.heard) this.underruns++;
    this.starved = !enough;
    const looping = this.loop && this.head.position <= this.loop[1];
    const ending = !looping && this.head.position >= this.tape.length - FADE;
    this.head.goal = enough && !ending ? 1 : 0;
    if (ending && this.head.fade === 0) this.end();
  }

  end() {
    this.playing = false;
    this.head.position = this.tape.length;
    this.port.postMessage({ ended: true, seeks: this.seeks });
  }

  /**
   * Adds what a head reads now to one frame of output.
   * @param {Head} head @param {Float32Array} left @param {Float32Array} right @param {number} i
   */
  read(head, left, right, i) {
    const { block, stems, blocks } = head.tape;
    const k = Math.floor(head.position / block);
    const samples = blocks.get(k);
    if (!samples) return;
    let at = 2 * (head.position - k * block);
    for (let s = 0; s < stems; s++, at += 2 * block) {
      const channel = this.channels[s];
      const l = samples[at] * SCALE * head.fade * channel.left.value;
      const r = samples[at + 1] * SCALE * head.fade * channel.right.value;
      left[i] += l;
      right[i] += r;
      channel.peak = Math.max(channel.peak, Math.abs(l), Math.abs(r));
    }
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, [[left, right]]) {
    if (this.coming) this.change(this.coming, left.length);
    const waits = currentFrame + left.length <= this.startFrame;
    if (this.playing && !waits) this.feed(left.length);
    // Stems that would not last a block are not begun: an original goes on.
    this.raw = this.original(LEAD + (this.raw ? this.tape.block : 0));
    for (let i = 0; i < left.length; i++) {
      for (const channel of this.channels) channel.glide(this.raw);
      for (const ghost of this.ghosts) {
        this.read(ghost, left, right, i);
        ghost.advance();
      }
      if (this.head.moving && currentFrame + i >= this.startFrame) this.step(left, right, i);
    }
    this.ghosts = this.ghosts.filter((ghost) => ghost.fade > 0);
    if (!this.ghosts.length) this.tape.drop();
    this.report(left.length);
    return this.alive;
  }

  /** @param {Float32Array} left @param {Float32Array} right @param {number} i */
  step(left, right, i) {
    if (this.loop && this.head.position === this.loop[1]) this.jump(this.loop[0], true);
    this.read(this.head, left, right, i);
    this.head.advance();
    this.heard = true;
  }

  /** @param {number} count samples just made */
  report(count) {
    const frame = currentFrame + count;
    if (frame % REPORT >= count) return;
    this.port.postMessage({
      frame,
      position: this.head.position,
      moving: this.head.moving,
      starved: this.playing && this.starved,
      raw: this.raw,
      underruns: this.underruns,
      seeks: this.seeks,
      peaks: this.channels.map((channel) => channel.peak),
    });
    for (const channel of this.channels) channel.peak = 0;
  }
}

/**
 * A look-ahead peak limiter: the least gain that any sample in the window needs, averaged over the window,
 * multiplies the sample that leaves it, so nothing exceeds the ceiling and the gain never jumps.
 */
class PeakLimiter {
  constructor() {
    this.size = 96; // samples of look-ahead: 2.2 ms
    this.ceiling = 0.98;
    this.recovery = 1 - Math.exp(-1 / (0.08 * sampleRate));
    this.lefts = new Float32Array(this.size);
    this.rights = new Float32Array(this.size);
    this.needs = new Float64Array(this.size).fill(1);
    this.gains = new Float64Array(this.size).fill(1);
    this.at = 0;
    this.held = 1;
    this.sum = this.size;
    this.quiet = this.size; // samples since one needed less than 1
  }

  /** @param {number} left @param {number} right @returns {number} gain of the sample that leaves */
  push(left, right) {
    const need = Math.min(1, this.ceiling / Math.max(Math.abs(left), Math.abs(right), 1e-9));
    this.quiet = need < 1 ? 0 : this.quiet + 1;
    this.lefts[this.at] = left;
    this.rights[this.at] = right;
    this.needs[this.at] = need;
    const floor = this.quiet < this.size ? this.needs.reduce((a, b) => Math.min(a, b)) : 1;
    this.held = Math.min(floor, this.held + (1 - this.held) * this.recovery);
    if (this.held > 0.99999) this.held = 1;
    this.sum += this.held - this.gains[this.at];
    this.gains[this.at] = this.held;
    this.at = (this.at + 1) % this.size;
    if (this.held === 1 && Math.abs(this.sum - this.size) < 1e-6) this.sum = this.size;
    return this.sum / this.size;
  }
}

/** The master: a gliding level, then the limiter; reports peaks and how far it holds back. */
class Master extends AudioWorkletProcessor {
  constructor() {
    super();
    this.level = new Glide(1);
    this.limiter = new PeakLimiter();
    this.peaks = [0, 0];
    this.least = 1;
    this.alive = true;
    this.port.onmessage = ({ data }) => {
      if ("level" in data) this.level.target = data.level;
      if ("close" in data) this.alive = false;
    };
  }

  /** @param {Float32Array[][]} inputs @param {Float32Array[][]} outputs */
  process([input], [[left, right]]) {
    const { limiter } = this;
    for (let i = 0; i < left.length; i++) {
      const level = this.level.next();
      const gain = limiter.push(level * (input[0]?.[i] ?? 0), level * ((input[1] ?? input[0])?.[i] ?? 0));
      left[i] = gain * limiter.lefts[limiter.at];
      right[i] = gain * limiter.rights[limiter.at];
      this.peaks[0] = Math.max(this.peaks[0], Math.abs(left[i]));
      this.peaks[1] = Math.max(this.peaks[1], Math.abs(right[i]));
      this.least = Math.min(this.least, gain);
    }
    this.report(left.length);
    return this.alive;
  }

  /** @param {number} count */
  report(count) {
    if ((currentFrame + count) % REPORT >= count) return;
    this.port.postMessage({ peaks: this.peaks, gain: this.least });
    this.peaks = [0, 0];
    this.least = 1;
  }
}

registerProcessor("stemlab-mixer", Mixer);
registerProcessor("stemlab-limiter", Master);
