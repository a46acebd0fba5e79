// A deck on the page: a song at any tempo and in any key, its beats, cues and loops, and its channel of the mixer.

import { Deck } from "./engine.js";
import { Player } from "./transport.js";

const SOON = 0.1; // seconds from a wish to a jump that must fall on time
const BEND = 0.04; // by which a nudge is faster or slower
const STEP = 25; // ms between two steps of a blend
const FINE = 256; // samples in a column of the close-up waveform
const TAPS_FORGOTTEN = 2; // seconds without a tap after which the next is a first one
const BANDS = [250, 2500]; // Hz between low, middle and high
const BUTTERWORTH = 20 * Math.log10(Math.SQRT1_2); // Q of low- and high-passes is in dB
const NYQUIST = 22050;
const GLIDE = 0.02; // seconds

/** What each preset makes of a stem's level. @type {Record<string, (stem: string) => number>} */
export const PRESETS = {
  All: () => 1,
  Acapella: (stem) => Number(stem === "vocals"),
  Instrumental: (stem) => Number(stem !== "vocals"),
  "Vocals 50 %": (stem) => (stem === "vocals" ? 0.5 : 1),
  "Drums only": (stem) => Number(stem === "drums"),
  "No drums": (stem) => Number(stem !== "drums"),
};

/** @param {number} value @param {number} span */
const modulo = (value, span) => ((value % span) + span) % span;

/** Moves a parameter without a click, and to the value itself. @param {AudioParam} param @param {number} value @param {BaseAudioContext} context */
export function glide(param, value, context) {
  param.cancelScheduledValues(context.currentTime);
  param.setValueAtTime(param.value, context.currentTime);
  param.linearRampToValueAtTime(value, context.currentTime + GLIDE);
}

/** The engine of a deck: tempo, key, and positions ahead of time. */
export class StretchDeck extends Deck {
  static processor = "stemlab-deck";
  /** Peaks of each stem, FINE samples a column, of the blocks that were here. @type {Map<number, Uint8Array>} */
  closeup = new Map();
  /** @type {[number, number] | null} */
  span = null;

  /** @param {number} tempo @param {number} semitones @param {number} bend */
  retune(tempo, semitones, bend) {
    this.mixer.port.postMessage({ tempo, semitones, bend });
  }

  /** @param {[number, number] | null} span */
  loop(span) {
    this.span = span;
    super.loop(span);
  }

  /** @param {number} index @param {Int16Array} samples */
  load(index, samples) {
    if (!this.closeup.has(index)) this.closeup.set(index, peaks(samples));
    super.load(index, samples);
  }

  /** Seconds of the song that are played at a frame. @param {number} frame */
  at(frame) {
    const { position, moving, tempo = 1, frame: then } = this.report;
    const { rate } = this.song;
    const seconds = (position + (moving ? (frame - then) * tempo : 0)) / rate;
    if (!this.span || position / rate >= this.span[1] || seconds < this.span[1]) return seconds;
    const [a, b] = this.span;
    return a + ((seconds - a) % (b - a));
  }

  now() {
    const seconds = super.now();
    if (!this.span || this.report.position / this.song.rate >= this.span[1] || seconds < this.span[1]) return seconds;
    return seconds - this.span[1] + this.span[0];
  }

  /** A frame that leaves time to get ready. */
  soon() {
    return Math.ceil((this.context.currentTime + SOON) * this.song.rate);
  }
}

/** @param {Int16Array} samples of a block */
function peaks(samples) {
  const columns = new Uint8Array(samples.length / 2 / FINE);
  for (let column = 0; column < columns.length; column++) {
    let most = 0;
    for (let i = 2 * FINE * column; i < 2 * FINE * (column + 1); i++) most = Math.max(most, Math.abs(samples[i]));
    columns[column] = Math.min(255, most >> 6);
  }
  return columns;
}

/** A channel of the mixer: three bands that sum to a flat whole and can be killed, a filter, a level. */
export class Channel {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    this.peaks = [0, 0];
    this.gain = 1;
    const [low, high] = BANDS;
    const input = context.createGain();
    this.bands = [0, 1, 2].map(() => context.createGain());
    // Linkwitz and Riley: two Butterworth filters in a row, so that what is parted sums to an all-pass.
    const upper = this.#chain(input, ["highpass", low], ["highpass", low]);
    this.#chain(input, ["lowpass", low], ["lowpass", low], ["allpass", high]).connect(this.bands[0]);
    this.#chain(upper, ["lowpass", high], ["lowpass", high]).connect(this.bands[1]);
    this.#chain(upper, ["highpass", high], ["highpass", high]).connect(this.bands[2]);
    this.filters = [this.#filter("lowpass", NYQUIST), this.#filter("highpass", 0)];
    this.level = context.createGain();
    for (const band of this.bands) band.connect(this.filters[0]);
    this.filters[0].connect(this.filters[1]).connect(this.level);
    this.input = /** @type {AudioNode} */ (input);
    this.output = /** @type {AudioNode} */ (this.level);
  }

  /** @param {BiquadFilterType} type @param {number} frequency */
  #filter(type, frequency) {
    return new BiquadFilterNode(this.context, { type, frequency, Q: type === "allpass" ? Math.SQRT1_2 : BUTTERWORTH });
  }

  /** @param {AudioNode} from @param {[BiquadFilterType, number][]} filters */
  #chain(from, ...filters) {
    return filters.reduce((node, [type, frequency]) => node.connect(this.#filter(type, frequency)), from);
  }

  /** @param {number[]} decibels @param {boolean[]} kills */
  equalise(decibels, kills) {
    this.bands.forEach((band, i) => glide(band.gain, kills[i] ? 0 : 10 ** (decibels[i] / 20), this.context));
  }

  /** Below 0 the highs go, above the lows, at 0 nothing. @param {number} value -1 to 1 */
  sweep(value) {
    const [low, high] = this.filters;
    glide(low.frequency, value < -0.01 ? 20000 * (80 / 20000) ** -value : NYQUIST, this.context);
    glide(high.frequency, value > 0.01 ? 20 * (8000 / 20) ** value : 0, this.context);
  }

  /** @param {number} level */
  setLevel(level) {
    glide(this.level.gain, level, this.context);
  }

  close() {
    this.level.disconnect();
    this.input.disconnect();
  }
}

/** A player with beats. */
export class Turntable extends Player {
  /** @param {import("./transport.js").Model} model @param {AudioContext} context @param {AudioNode} outlet */
  constructor(model, context, outlet) {
    const channel = new Channel(context);
    super(model, context, StretchDeck, /** @type {any} */ (channel), outlet);
    this.channel = channel;
    this.stretch = /** @type {StretchDeck} */ (this.deck);
    /** @type {Turntable | null} */
    this.partner = null;
    this.bend = 1;
    this.blending = 0;
    /** @type {number[]} */
    this.taps = [];
  }

  start() {
    const { model } = this;
    model.on("change:tempo change:semitones change:synced", () => this.retune());
    model.on("change:bpm change:first_beat", () => this.retune());
    model.on("change:eq change:kills", () => this.equalise());
    model.on("change:filter", () => this.channel.sweep(model.get("filter")));
    this.retune();
    this.equalise();
    this.channel.sweep(model.get("filter"));
    super.start();
  }

  equalise() {
    this.channel.equalise(this.model.get("eq"), this.model.get("kills"));
  }

  retune() {
    this.stretch.retune(this.model.get("tempo"), this.model.get("semitones"), this.bend);
    if (this.partner?.model.get("synced")) this.partner.match();
  }

  /** @param {any} message @param {DataView[]} buffers */
  hear(message, buffers) {
    super.hear(message, buffers);
    if (message.kind === "blend") this.blend(message.preset, message.beats);
  }

  /** Seconds of a beat of the song as it was recorded, 0 if there is none. */
  get beat() {
    const bpm = this.model.get("bpm");
    return bpm ? 60 / bpm : 0;
  }

  /** Beats a minute as they are heard. */
  get bpm() {
    return this.model.get("bpm") * this.model.get("tempo");
  }

  /** Where in a beat a second of the song lies, 0 to 1. @param {number} seconds */
  phase(seconds) {
    return modulo((seconds - this.model.get("first_beat")) / this.beat, 1);
  }

  /** The beat nearest to a second of the song. @param {number} seconds */
  snap(seconds) {
    if (!this.beat) return seconds;
    const first = this.model.get("first_beat");
    const beat = Math.max(Math.round((seconds - first) / this.beat), Math.ceil(-first / this.beat));
    return Math.min(first + beat * this.beat, this.model.get("duration"));
  }

  /** @param {number} seconds @param {number} at frame */
  jump(seconds, at) {
    this.deck.seek(seconds, at);
    this.set({ position: Math.max(0, seconds) });
  }

  /** The partner, if this deck keeps to its beat now. @returns {Turntable | null} */
  get lead() {
    const { partner } = this;
    return this.model.get("synced") && this.beat && partner?.beat && partner.deck.playing ? partner : null;
  }

  /** The frame, soon, at which the lead's beat stands as a second of this song does. @param {number} seconds */
  meeting(seconds) {
    const soon = this.stretch.soon();
    const { lead } = this;
    if (!lead) return soon;
    const wait = modulo(this.phase(seconds) - lead.phase(lead.stretch.at(soon)), 1);
    return Math.round(soon + ((wait * 60) / lead.bpm) * this.deck.song.rate);
  }

  entry() {
    const { position } = this.deck.report;
    return this.lead ? this.meeting(position / this.deck.song.rate) / this.deck.song.rate : 0;
  }

  /** Follows the partner's tempo from now on and falls in on its beat; or no longer. */
  sync() {
    const synced = !this.model.get("synced");
    this.set({ synced });
    if (!synced || !this.partner) return;
    this.partner.set({ synced: false });
    this.match();
    const { lead } = this;
    if (!lead || !this.deck.playing) return;
    const soon = this.stretch.soon();
    const here = this.stretch.at(soon);
    const away = modulo(lead.phase(lead.stretch.at(soon)) - this.phase(here) + 0.5, 1) - 0.5;
    this.jump(here + (away + Number(here + away * this.beat < 0)) * this.beat, soon);
  }

  /** Takes the partner's tempo, or half or twice that where it is nearer. */
  match() {
    if (!this.partner?.beat || !this.beat) return;
    const ratio = this.partner.bpm / this.model.get("bpm");
    const tempo = ratio * 2 ** -Math.round(Math.log2(ratio));
    if (tempo !== this.model.get("tempo")) this.set({ tempo });
  }

  /** A nudge while it lasts: -1 slower, 1 faster, 0 no more. @param {number} way */
  nudge(way) {
    this.bend = 1 + way * BEND;
    this.retune();
  }

  /** As on a CD player: stopped, it marks the place; playing, it goes back there and stops. */
  cue() {
    if (!this.model.get("playing")) return this.set({ cue: this.deck.now() });
    this.set({ playing: false });
    this.seek(this.model.get("cue"));
  }

  /** Marks a beat, or plays from the one that is marked. @param {number} i */
  hotCue(i) {
    const cues = [...this.model.get("cues")];
    if (cues[i] < 0) {
      cues[i] = this.snap(this.deck.now());
      this.set({ cues });
    } else this.leap(cues[i]);
  }

  /** Plays from a place on: with a lead at its beat, else at once. @param {number} seconds */
  leap(seconds) {
    this.jump(seconds, this.lead && this.deck.playing ? this.meeting(seconds) : 0);
    if (!this.deck.playing) this.toggle();
  }

  /** @param {number} i */
  forget(i) {
    const cues = [...this.model.get("cues")];
    cues[i] = -1;
    this.set({ cues });
  }

  /** @param {number} beats forward, or backward where negative */
  beatJump(beats) {
    const soon = this.deck.playing ? this.stretch.soon() : 0;
    let way = beats * (this.beat || 0.5);
    const here = this.stretch.at(soon);
    while (here + way < 0) way += this.beat || 0.5;
    const loop = this.model.get("loop");
    if (loop.length === 2) this.set({ loop: loop.map((/** @type {number} */ edge) => edge + way) });
    this.jump(here + way, soon);
  }

  /** Beats of the loop, 0 without one. */
  get looped() {
    const [a, b] = this.model.get("loop");
    return b > a && this.beat ? (b - a) / this.beat : 0;
  }

  /** Loops a number of beats, from the one that is heard on; the same number again ends it. @param {number} beats */
  beatLoop(beats) {
    if (!this.beat) return;
    if (Math.abs(this.looped - beats) < 0.01) return this.set({ loop: [] });
    const first = this.model.get("first_beat");
    const now = this.deck.now();
    const inside = this.looped && now < this.model.get("loop")[1];
    const a = inside ? this.model.get("loop")[0] : Math.max(0, first + Math.floor((now - first) / this.beat + 0.05) * this.beat);
    const b = a + beats * this.beat;
    this.set({ loop: [a, b] });
    const soon = this.deck.playing ? this.stretch.soon() : 0;
    const then = this.stretch.at(soon);
    if (now >= b) this.jump(a + modulo(then - a, b - a), soon);
  }

  /** A tap on the beat: two or more tell tempo and grid. */
  tap() {
    const now = this.deck.now();
    const last = this.taps.at(-1) ?? -Infinity;
    if (now <= last || now - last > TAPS_FORGOTTEN) this.taps = [];
    this.taps.push(now);
    const count = this.taps.length - 1;
    if (!count) return;
    const [beat, start] = line(this.taps);
    this.set({ bpm: 60 / beat, first_beat: modulo(start, 4 * beat) });
  }

  /** @param {number} factor */
  count(factor) {
    this.set({ bpm: this.model.get("bpm") * factor });
  }

  /** Moves the grid. @param {number} seconds */
  shift(seconds) {
    this.set({ first_beat: this.model.get("first_beat") + seconds });
  }

  /** Says that what is heard is the first beat of a bar. */
  downbeat() {
    this.set({ first_beat: this.beat ? modulo(this.deck.now(), 4 * this.beat) : this.deck.now() });
  }

  /** Goes over to a preset in some beats. @param {string} preset @param {number} beats */
  blend(preset, beats) {
    const from = this.gains();
    const goal = this.stems.map(PRESETS[preset]);
    const none = this.stems.map(() => false);
    const begin = performance.now();
    const span = 1000 * beats * ((this.beat || 0.5) / this.model.get("tempo"));
    this.set({ levels: [...from], mutes: none, solos: none });
    clearInterval(this.blending);
    const step = () => {
      const share = span ? Math.min(1, (performance.now() - begin) / span) : 1;
      this.set({ levels: goal.map((level, s) => from[s] + share * (level - from[s])) });
      if (share === 1) clearInterval(this.blending);
    };
    this.blending = setInterval(step, STEP);
    step();
  }

  close() {
    clearInterval(this.blending);
    super.close();
  }
}

/** Seconds a beat and time of the first of taps, by least squares. @param {number[]} taps */
function line(taps) {
  const count = taps.length;
  const middle = (count - 1) / 2;
  const mean = taps.reduce((sum, time) => sum + time, 0) / count;
  const cross = taps.reduce((sum, time, k) => sum + (k - middle) * (time - mean), 0);
  const beat = cross / ((count * (count * count - 1)) / 12);
  return [beat, mean - middle * beat];
}
