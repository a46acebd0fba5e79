// The audio thread of a deck: `stemlab-deck` plays a tape at any tempo and in any key. All stems go through one
// time-stretch, so that they keep together; faders come after it and act at once; the key comes last, by reading
// what was stretched faster or slower. Each stem leaves by an output of its own.

import { Echo } from "./echo.js";
import { FADE, Glide, JUST, REPORT, SCALE, Tape } from "./tape.js";
import { SignalsmithStretch } from "./vendor/signalsmith-stretch.mjs";

const WINDOW = 5292; // samples, 120 ms and 30 ms: the library's own choice
const INTERVAL = 1323;
const QUANTUM = 128;
const BURST = 512; // samples made in a quantum while a voice gets ready
const LATE = 4096; // samples after which a jump that came too late is made
const TRAIL = 64; // parts the stretch made of late; they reach further back than its delay
const TAPS = 16; // of the filter that reads between samples
const PHASES = 256;
const ROOM = 1024; // samples made and not yet read, at most

/** @typedef {[number, number] | null} Loop samples [a, b) that repeat */
/** @typedef {{stem: number, gain: [number, number], at: number}} Due what a stem is to have from a frame on */

/**
 * Windowed-sinc rows, PHASES + 1 of TAPS each, that let `cut` of the band pass.
 * @param {number} cut
 */
function sincs(cut) {
  return Array.from({ length: PHASES + 1 }, (_, phase) => {
    const row = Float32Array.from({ length: TAPS }, (_, tap) => {
      const x = tap - TAPS / 2 + 1 - phase / PHASES;
      const window = Math.abs(x) < TAPS / 2 ? Math.cos((Math.PI * x) / TAPS) ** 2 : 0;
      return window * (x === 0 ? 1 : Math.sin(Math.PI * cut * x) / (Math.PI * cut * x));
    });
    const sum = row.reduce((a, b) => a + b);
    return row.map((value) => value / sum);
  });
}

/**
 * A song read at another tempo. A sample that comes out was put in `delay` samples before; the library wants to
 * know `ahead` samples of what follows.
 */
class Stretch {
  /** @param {import("./vendor/signalsmith-stretch.mjs").Wasm} wasm @param {Tape} tape */
  constructor(wasm, tape) {
    this.wasm = wasm;
    this.tape = tape;
    this.channels = 2 * tape.stems;
    this.size = WINDOW + INTERVAL; // samples of a channel that fit into one call
    wasm._main();
    wasm._configure(this.channels, WINDOW, INTERVAL, true);
    this.ahead = wasm._inputLatency();
    this.delay = wasm._outputLatency();
    this.memory = wasm._setBuffers(this.channels, this.size);
    /** @type {Float32Array[]} */
    this.views = [];
    this.factor = 1; // samples of the song for one that comes out
    this.carry = 0;
    this.head = 0; // of the song, the next to put in
    this.fed = this.made = 0;
    this.separate = 0; // what was put in before is not, at least in part
    /** @type {Loop} */
    this.loop = null;
    /** @type {[number, number][]} */
    this.splices = [[0, 0]]; // [fed, position]: what is put in from there on comes from there on
    this.trail = { made: new Float64Array(TRAIL), fed: new Float64Array(TRAIL), count: 0 };
    this.position = 0;
    this.slope = 1;
  }

  /** The library's buffers: of all channels in, then of all channels out. */
  buffers() {
    const { buffer } = this.wasm.HEAP8;
    if (this.views[0]?.buffer !== buffer)
      this.views = Array.from({ length: 2 * this.channels }, (_, c) =>
        new Float32Array(buffer, this.memory + 4 * this.size * c, this.size));
    return this.views;
  }

  /**
   * Gets ready to sound from a position on: what it makes next, `delay` samples, is to be thrown away.
   * @param {number} position @param {number} factor @param {Loop} loop
   */
  cue(position, factor, loop) {
    this.wasm._reset();
    this.factor = factor;
    this.loop = loop && position < loop[1] ? loop : null;
    this.carry = this.fed = this.made = this.trail.count = 0;
    this.separate = -Infinity;
    this.head = Math.round(position) + this.ahead - this.size;
    this.splices = [[0, this.head]];
    this.#feed(this.size);
    this.wasm._seek(this.size, factor);
    this.#note();
  }

  /** @param {number} count */
  make(count) {
    this.carry += count * this.factor;
    const wanted = Math.floor(this.carry);
    this.carry -= wanted;
    this.#feed(wanted);
    this.wasm._process(wanted, count);
    this.made += count;
    this.#note();
  }

  #note() {
    const { trail } = this;
    trail.made[trail.count % TRAIL] = this.made;
    trail.fed[trail.count % TRAIL] = this.fed + this.carry;
    trail.count++;
  }

  /** @param {number} count */
  #feed(count) {
    for (let done = 0; done < count; ) {
      const left = this.loop && this.head < this.loop[1] ? this.loop[1] - this.head : Infinity;
      const part = Math.min(count - done, left);
      this.#copy(this.head, part, done);
      // Stems that would not last a block are not begun: an original goes on.
      const looked = Math.min(left, this.raw ? part + this.tape.block : part);
      if (this.tape.raw(this.head, this.head + looked)) this.separate = this.fed + part;
      done += part;
      this.head += part;
      this.fed += part;
      if (!this.loop || this.head !== this.loop[1]) continue;
      this.head = this.loop[0];
      this.splices.push([this.fed, this.head]);
    }
  }

  /** Takes samples off the tape. @param {number} start @param {number} count @param {number} to */
  #copy(start, count, to) {
    const { block, stems, blocks } = this.tape;
    const views = this.buffers();
    for (let done = 0; done < count; ) {
      const k = Math.floor((start + done) / block);
      const inside = start + done - k * block;
      const part = Math.min(count - done, block - inside);
      const samples = blocks.get(k);
      for (let s = 0; s < stems; s++) {
        const left = views[2 * s];
        const right = views[2 * s + 1];
        let from = 2 * (s * block + inside);
        for (let i = to + done; i < to + done + part; i++) {
          left[i] = samples ? samples[from++] * SCALE : 0;
          right[i] = samples ? samples[from++] * SCALE : 0;
        }
      }
      done += part;
    }
  }

  /** Whether what comes out, or soon will, is not separated yet: its stems are heard with gains of 1. */
  get raw() {
    return this.fed - this.separate < this.ahead + this.delay * this.factor + WINDOW;
  }

  /** Finds `position` and `slope`, samples of the song for one made, of a sample. @param {number} made its number */
  locate(made) {
    const { trail, splices } = this;
    const time = made - this.delay;
    let k = trail.count - 1;
    while (k > 1 && k > trail.count - TRAIL + 2 && trail.made[(k - 1) % TRAIL] > time) k--;
    const [now, before] = [k % TRAIL, Math.max(0, k - 1) % TRAIL];
    const span = trail.made[now] - trail.made[before];
    this.slope = span ? (trail.fed[now] - trail.fed[before]) / span : this.factor;
    const fed = trail.fed[before] + this.slope * (time - trail.made[before]) - this.ahead;
    while (splices.length > 1 && splices[1][0] <= fed) splices.shift();
    this.position = splices[0][1] + fed - splices[0][0];
  }
}

/** A stretch, its stems with their gains, and its key: they are read `pitch` times as fast. */
class Voice {
  /** @param {import("./vendor/signalsmith-stretch.mjs").Wasm} wasm @param {Tape} tape */
  constructor(wasm, tape) {
    this.stretch = new Stretch(wasm, tape);
    this.gains = Array.from({ length: 2 * tape.stems }, () => new Glide(1));
    this.peaks = new Float32Array(tape.stems);
    this.sounds = this.gains.map(() => new Float32Array(ROOM)); // left and right of each stem
    this.filled = this.at = this.base = 0; // [0, filled) is made, `at` is read next, the first is number `base`
    this.fade = this.goal = 0;
    this.start = 0; // frame of the context before which it waits
    this.pitch = 1;
    /** @type {[number, number][]} */
    this.pitches = []; // [number of a sample, pitch from there on]
    this.table = sincs(1);
  }

  get moving() {
    return this.fade > 0 || this.goal > 0;
  }

  /** @param {number} position @param {number} tempo @param {number} pitch @param {Loop} loop */
  cue(position, tempo, pitch, loop) {
    this.pitches = [];
    this.#tune(pitch);
    this.stretch.cue(position, tempo / pitch, loop);
    for (const gain of this.gains) gain.value = this.stretch.raw ? 1 : gain.target;
    this.filled = this.at = TAPS / 2;
    for (const sound of this.sounds) sound.fill(0, 0, this.filled);
    this.base = this.stretch.delay - this.filled;
    this.fade = this.goal = 0;
    this.start = 0;
  }

  /** Makes a part of what is thrown away; whether it is all done. */
  prepare() {
    const { stretch } = this;
    const rest = stretch.delay - stretch.made;
    if (rest > 0) stretch.make(Math.min(BURST, rest));
    return rest <= BURST;
  }

  /** The pitch follows when what is stretched for it comes out. @param {number} tempo @param {number} pitch */
  retune(tempo, pitch) {
    const { stretch } = this;
    stretch.factor = tempo / pitch;
    if (pitch !== (this.pitches.at(-1)?.[1] ?? this.pitch)) this.pitches.push([stretch.made + stretch.delay, pitch]);
  }

  /** @param {number} pitch */
  #tune(pitch) {
    if (pitch !== this.pitch) this.table = sincs(Math.min(1, 1 / pitch));
    this.pitch = pitch;
  }

  /** Stretches a quantum. */
  #more() {
    const { stretch, gains, sounds, filled } = this;
    stretch.make(QUANTUM);
    const views = stretch.buffers();
    const { raw } = stretch;
    for (let c = 0; c < stretch.channels; c++) {
      const stretched = views[stretch.channels + c];
      let peak = this.peaks[c >> 1];
      for (let i = 0; i < QUANTUM; i++) {
        const value = stretched[i] * gains[c].next(raw);
        sounds[c][filled + i] = value;
        peak = Math.max(peak, Math.abs(value));
      }
      this.peaks[c >> 1] = peak;
    }
    this.filled += QUANTUM;
  }

  /** Adds its sound from sample `from` on. @param {Float32Array[]} channels left and right of each stem @param {number} from */
  add(channels, from) {
    for (let i = from; i < channels[0].length && this.moving; i++) {
      while (this.at + TAPS / 2 + 1 >= this.filled) this.#more();
      if (this.pitches.length && this.base + this.at >= this.pitches[0][0]) this.#tune(this.pitches.splice(0, 1)[0][1]);
      this.#read(channels, i);
      this.at += this.pitch;
      if (this.fade < this.goal) this.fade = Math.min(1, this.fade + 1 / FADE);
      else if (this.fade > this.goal) this.fade = Math.max(0, this.fade - 1 / FADE);
    }
    const drop = Math.floor(this.at) - TAPS / 2;
    for (const sound of this.sounds) sound.copyWithin(0, drop, this.filled);
    this.filled -= drop;
    this.at -= drop;
    this.base += drop;
  }

  /** Adds what stands at `at`, mostly between samples, to a sample of each channel. @param {Float32Array[]} channels @param {number} i */
  #read(channels, i) {
    const { sounds, fade } = this;
    const whole = Math.floor(this.at);
    if (this.pitch === 1 && whole === this.at) {
      for (let c = 0; c < sounds.length; c++) channels[c][i] += fade * sounds[c][whole];
      return;
    }
    const row = this.table[Math.round((this.at - whole) * PHASES)];
    const first = whole - TAPS / 2 + 1;
    for (let c = 0; c < sounds.length; c++) {
      const sound = sounds[c];
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap++) sum += row[tap] * sound[first + tap];
      channels[c][i] += fade * sum;
    }
  }

  /** Brings position and tempo of what comes next up to date. */
  locate() {
    this.stretch.locate(this.base + this.at);
    return { position: this.stretch.position, tempo: this.stretch.slope * this.pitch };
  }
}

/** Plays a tape: transport, loop, tempo, key, jumps at once or at a frame, peaks, underruns. */
class DeckProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions: {stems: number, length: number, block: number}}} options */
  constructor({ processorOptions: song }) {
    super();
    this.tape = new Tape(song);
    this.tempo = this.pitch = this.bend = 1;
    this.playing = this.heard = false;
    this.starved = this.alive = true;
    this.startFrame = 0;
    this.underruns = this.seeks = 0;
    /** @type {Loop} */
    this.loop = null;
    /** @type {[number, number][]} */
    this.gains = Array.from({ length: song.stems }, () => [1, 1]);
    this.echoes = this.gains.map(() => new Echo());
    /** @type {Due[]} */
    this.due = []; // gains that are still to come
    /** @type {{position: number, at: number}} */
    this.target = { position: 0, at: 0 };
    this.turning = true; // on the way to `target`
    /** @type {Voice[]} */
    this.spare = [];
    /** @type {Voice | null} */
    this.now = null;
    /** @type {Voice | null} */
    this.next = null;
    /** @type {Voice | null} */
    this.old = null;
    this.port.onmessage = ({ data }) => this.obey(data);
    Promise.all([SignalsmithStretch(), SignalsmithStretch()]).then((both) => {
      this.spare = both.map((wasm) => new Voice(wasm, this.tape));
      this.setGains(this.gains);
    });
  }

  get voices() {
    return [this.now, this.next, this.old, ...this.spare].filter((voice) => voice !== null);
  }

  /** @param {any} order */
  obey(order) {
    if ("block" in order) this.tape.put(order.block, order.samples, order.whole);
    if ("drop" in order) for (const k of order.drop) this.tape.leaving.add(k);
    if ("gains" in order) this.setGains(order.gains);
    if ("due" in order) this.due = order.due;
    if ("echo" in order) this.echoes[order.echo].turn(order.on, order.at, order.delay);
    if ("tempo" in order) this.retune(order);
    if ("loop" in order) this.setLoop(order.loop);
    if ("seek" in order) this.seek(order.seek, order.at);
    if ("play" in order) this.setPlaying(order.play, order.at);
    if ("close" in order) this.alive = false;
  }

  /** @param {[number, number][]} gains */
  setGains(gains) {
    this.gains = gains;
    for (const voice of this.voices)
      gains.flat().forEach((gain, c) => (voice.gains[c].target = gain));
  }

  /** Gives stems the gains whose frame has come. @param {number} count */
  give(count) {
    const soon = currentFrame + count;
    if (!this.due.some(({ at }) => at < soon)) return;
    const gains = [...this.gains];
    for (const { stem, gain, at } of this.due) if (at < soon) gains[stem] = gain;
    this.due = this.due.filter(({ at }) => at >= soon);
    this.setGains(gains);
  }

  /**
   * What sounds follows smoothly; what waits is made anew, so that it has the tempo from its first sample on.
   * @param {{tempo: number, semitones: number, bend: number}} order
   */
  retune({ tempo, semitones, bend }) {
    this.tempo = tempo * bend;
    this.pitch = 2 ** (semitones / 12);
    for (const voice of this.voices) voice.retune(this.tempo, this.pitch);
    if (this.turning) this.turn(this.target.position, this.target.at);
    else if (this.now && !this.playing && !this.now.moving) this.turn(this.now.locate().position, 0);
  }

  /** @param {boolean} playing @param {number} at frame of the context's clock */
  setPlaying(playing, at) {
    this.playing = playing;
    this.startFrame = at;
    this.heard = false;
    this.starved = true;
  }

  /** @param {number} position @param {number} at */
  seek(position, at) {
    this.seeks++;
    this.turn(position, at);
  }

  /** Goes to a position, at a frame or as soon as can be. @param {number} position @param {number} at */
  turn(position, at) {
    this.target = { position, at };
    this.turning = true;
    this.heard = false;
    if (this.next) this.spare.push(this.next);
    this.next = null;
  }

  /**
   * What was put into the stretch too early for the new loop has to be put in again. It is ahead of the ear: if it
   * has just passed the end, it goes back in step.
   * @param {Loop} loop
   */
  setLoop(loop) {
    this.loop = loop;
    if (this.turning) return this.turn(this.target.position, this.target.at);
    const voice = this.now;
    if (!voice) return;
    const { position } = voice.locate();
    const { stretch } = voice;
    const inside = loop && position < loop[1] + (voice.moving ? JUST * sampleRate : 0);
    const passed = inside && stretch.head > loop[1];
    if (stretch.splices.length > 1 || passed)
      this.turn(this.wrap(position + LATE * this.tempo, inside ? loop[0] : position), currentFrame + LATE);
    else stretch.loop = inside ? loop : null;
  }

  /** Where playing on comes to with the loop. @param {number} position @param {number} from */
  wrap(position, from) {
    if (!this.loop || from >= this.loop[1] || position < this.loop[1]) return position;
    const [a, b] = this.loop;
    return a + ((position - a) % (b - a));
  }

  /** Whether samples from a position on, as they are played, are on the tape. @param {number} start @param {number} count */
  covers(start, count) {
    const stop = start + count;
    if (!this.loop || start >= this.loop[1] || stop <= this.loop[1]) return this.tape.has(Math.max(0, start), stop);
    const [a, b] = this.loop;
    return this.tape.has(Math.max(0, start), b) && this.tape.has(a, Math.min(b, a + stop - b));
  }

  /** Prepares a voice for the target, and lets it take over when it is time. @param {number} count */
  approach(count) {
    const { target } = this;
    if (!this.next) {
      if (!this.spare.length || !this.covers(Math.round(target.position) - WINDOW, 2 * WINDOW)) return;
      this.next = /** @type {Voice} */ (this.spare.pop());
      this.next.cue(target.position, this.tempo, this.pitch, this.loop);
    }
    if (!this.next.prepare() || target.at >= currentFrame + count) return;
    if (target.at && target.at < currentFrame) {
      const late = currentFrame + LATE - target.at;
      this.turn(this.wrap(target.position + late * this.tempo, target.position), target.at + late);
      return;
    }
    this.old = this.now;
    if (this.old) this.old.goal = 0;
    this.now = this.next;
    this.now.start = target.at;
    this.next = null;
    this.turning = false;
    this.starved = true;
  }

  /** Lets the voice sound or rest, according to what is on the tape. @param {Voice} voice @param {number} count */
  feed(voice, count) {
    const { stretch } = voice;
    const more = Math.ceil((2 * count + FADE) * Math.max(1, stretch.factor));
    const enough = this.covers(stretch.head, more + (this.starved && this.heard ? this.tape.block / 4 : 0));
    if (!enough && !this.starved && this.heard) this.underruns++;
    this.starved = !enough;
    const ending = !stretch.loop && voice.locate().position >= this.tape.length;
    voice.goal = enough && !ending ? 1 : 0;
    if (voice.goal) this.heard = true;
    if (ending && voice.fade === 0) this.end();
  }

  end() {
    this.playing = false;
    this.port.postMessage({ ended: true, seeks: this.seeks });
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const channels = outputs.flat();
    const count = channels[0].length;
    this.give(count);
    if (this.turning) this.approach(count);
    if (this.now) this.sound(this.now, channels);
    if (this.old) {
      this.old.add(channels, 0);
      if (!this.old.fade) this.retire(this.old);
    }
    this.echoes.forEach((echo, s) => echo.apply(outputs[s][0], outputs[s][1]));
    if (!this.old && !this.turning) this.tape.drop();
    this.report(count);
    return this.alive;
  }

  /** @param {Voice} voice @param {Float32Array[]} channels */
  sound(voice, channels) {
    const count = channels[0].length;
    const wait = Math.max(0, Math.max(voice.start, this.startFrame) - currentFrame);
    if (!this.playing) voice.goal = 0;
    else if (wait < count) this.feed(voice, count);
    if (wait < count || voice.fade) voice.add(channels, wait < count ? wait : 0);
  }

  /** @param {Voice} voice */
  retire(voice) {
    this.spare.push(voice);
    this.old = null;
  }

  /** @param {number} count samples just made */
  report(count) {
    const frame = currentFrame + count;
    if (frame % REPORT >= count) return;
    const { now } = this;
    const turning = { position: this.target.position, tempo: this.tempo, frame: this.target.at || frame };
    const going = now && !this.turning ? { ...now.locate(), frame } : turning;
    this.port.postMessage({
      ...going,
      position: Math.max(0, Math.min(this.tape.length, going.position)),
      moving: this.turning ? this.playing && this.target.at > 0 : Boolean(now?.moving),
      starved: this.playing && this.starved,
      raw: Boolean(now?.stretch.raw),
      underruns: this.underruns,
      seeks: this.seeks,
      peaks: Array.from(now?.peaks ?? []),
    });
    now?.peaks.fill(0);
  }
}

registerProcessor("stemlab-deck", DeckProcessor);
