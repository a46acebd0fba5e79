// A deck's way to the mixer: a filter for each stem, then three bands, a filter and a level for all.

const BANDS = [250, 2500]; // Hz between low, middle and high
const BUTTERWORTH = 20 * Math.log10(Math.SQRT1_2); // Q of low- and high-passes is in dB
const NYQUIST = 22050;
const GLIDE = 0.02; // seconds

/** Moves a parameter without a click, and to the value itself. @param {AudioParam} param @param {number} value @param {BaseAudioContext} context */
export function glide(param, value, context) {
  param.cancelScheduledValues(context.currentTime);
  param.setValueAtTime(param.value, context.currentTime);
  param.linearRampToValueAtTime(value, context.currentTime + GLIDE);
}

/** @param {BaseAudioContext} context @param {BiquadFilterType} type @param {number} frequency */
const filter = (context, type, frequency) =>
  new BiquadFilterNode(context, { type, frequency, Q: type === "allpass" ? Math.SQRT1_2 : BUTTERWORTH });

/**
 * The sum of nodes, two by two: a node adds more of them in an order that is not the same each time, and two decks with
 * one song would differ by rounding.
 * @param {AudioNode[]} nodes @param {BaseAudioContext} context
 */
const sum = (nodes, context) => nodes.reduce((total, node) => {
  const both = new GainNode(context);
  for (const one of [total, node]) one.connect(both);
  return both;
});

/** A low-pass and a high-pass in a row, both open at rest. */
class Sweep {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    this.input = filter(context, "lowpass", NYQUIST);
    this.output = filter(context, "highpass", 0);
    this.input.connect(this.output);
  }

  /** Below 0 the highs go, above the lows, at 0 nothing. @param {number} value -1 to 1 */
  set(value) {
    glide(this.input.frequency, value < -0.01 ? 20000 * (80 / 20000) ** -value : NYQUIST, this.context);
    glide(this.output.frequency, value > 0.01 ? 20 * (8000 / 20) ** value : 0, this.context);
  }
}

/** A stem's own filter, and its share of the crossfader. */
class Way {
  /** @param {AudioContext} context */
  constructor(context) {
    this.sweep = new Sweep(context);
    this.output = this.sweep.output; // ahead of the crossfader
    this.fade = context.createGain();
    this.output.connect(this.fade);
  }

  close() {
    this.output.disconnect();
    this.fade.disconnect();
  }
}

/** A gain, three bands that sum to a flat whole and can be killed, a filter. */
class Strip {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    const [low, high] = BANDS;
    this.input = context.createGain();
    this.bands = [0, 1, 2].map(() => context.createGain());
    // Linkwitz and Riley: two Butterworth filters in a row, so that what is parted sums to an all-pass.
    const upper = this.#chain(this.input, ["highpass", low], ["highpass", low]);
    this.#chain(this.input, ["lowpass", low], ["lowpass", low], ["allpass", high]).connect(this.bands[0]);
    this.#chain(upper, ["lowpass", high], ["lowpass", high]).connect(this.bands[1]);
    this.#chain(upper, ["highpass", high], ["highpass", high]).connect(this.bands[2]);
    this.sweep = new Sweep(context);
    for (const band of this.bands) band.connect(this.sweep.input);
    this.output = this.sweep.output;
  }

  /** @param {AudioNode} from @param {[BiquadFilterType, number][]} filters */
  #chain(from, ...filters) {
    return filters.reduce((node, [type, frequency]) => node.connect(filter(this.context, type, frequency)), from);
  }

  /** @param {number[]} decibels @param {boolean[]} kills */
  equalise(decibels, kills) {
    this.bands.forEach((band, i) => glide(band.gain, kills[i] ? 0 : 10 ** (decibels[i] / 20), this.context));
  }
}

/** A channel of the mixer. The headphones hear it by a strip of their own, ahead of level and crossfader. */
export class Channel {
  /** @param {AudioContext} context @param {number} stems */
  constructor(context, stems) {
    this.context = context;
    this.ways = Array.from({ length: stems }, () => new Way(context));
    this.room = new Strip(context);
    this.phones = new Strip(context);
    this.strips = [this.room, this.phones];
    this.listen = new GainNode(context, { gain: 0 });
    this.phones.output.connect(this.listen);
    sum(this.ways.map(({ output }) => output), context).connect(this.phones.input);
    sum(this.ways.map(({ fade }) => fade), context).connect(this.room.input);
    this.level = context.createGain();
    this.room.output.connect(this.level);
    this.ear = new AnalyserNode(context, { fftSize: 2048 });
    this.level.connect(this.ear);
    this.sound = new Float32Array(2048);
    this.output = /** @type {AudioNode} */ (this.level);
  }

  /** What it is to sound, an output for each stem. @param {AudioNode} node */
  take(node) {
    this.ways.forEach((way, s) => node.connect(way.sweep.input, s));
  }

  /** Each stem's share of the crossfader. @param {number[]} gains */
  cross(gains) {
    this.ways.forEach((way, s) => glide(way.fade.gain, gains[s], this.context));
  }

  /** @param {number[]} decibels @param {boolean[]} kills */
  equalise(decibels, kills) {
    for (const strip of this.strips) strip.equalise(decibels, kills);
  }

  /** @param {number} value as of `Sweep` */
  sweep(value) {
    for (const strip of this.strips) strip.sweep.set(value);
  }

  /** @param {number} level */
  setLevel(level) {
    glide(this.level.gain, level, this.context);
  }

  /** Makes it louder ahead of everything else. @param {number} decibels */
  setTrim(decibels) {
    for (const { input } of this.strips) glide(input.gain, 10 ** (decibels / 20), this.context);
  }

  /** The peak of late, ahead of the crossfader. */
  get peak() {
    this.ear.getFloatTimeDomainData(this.sound);
    return this.sound.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  }

  /** Lets the headphones hear it. @param {boolean} on */
  setListen(on) {
    glide(this.listen.gain, Number(on), this.context);
  }

  close() {
    this.level.disconnect();
    this.listen.disconnect();
    for (const way of this.ways) way.close();
  }
}
