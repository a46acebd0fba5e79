// The page's side of the sound: one AudioContext for each sample rate, one Deck for each song, blocks asked for in playing order.

const AHEAD = 30; // seconds asked for ahead of the playhead
const BEHIND = 10; // seconds kept behind it
const CREDIT = 4; // blocks under way from the kernel at once: a jump waits for them
const PAUSE = 50; // ms between two wishes while the playhead is dragged about
const PATIENCE = 4; // seconds without a block after which the deck asks anew
export const LOOKAHEAD = 95; // samples by which the limiter delays

/**
 * @typedef {{stems: number, length: number, block: number, rate: number}} Song
 * @typedef {{line: string, epoch: number, blocks: number[], stems: number[], received: number, credit: number,
 *   ahead: number | null}} Wish on a line of its own; a new epoch forgets older wishes; `blocks` of which nothing is here,
 *   `stems` of which the original is; no more than `credit` may be under way; seconds that can be heard without the stems
 *   of the first that has none, null if that is no hurry
 * @typedef {{position: number, moving: boolean, starved: boolean, raw: boolean, underruns: number, peaks: number[],
 *   frame: number, seeks: number, tempo?: number}} Report `raw`: the original is heard, in place of stems; `seeks` obeyed
 *   so far; `tempo` seconds of the song a second, 1 if it is not named
 * @typedef {{now: () => number, gains: () => Float32Array, playing: boolean, seek: (seconds: number) => void,
 *   output: AudioNode, manager: any, context: AudioContext}} Live
 * @typedef {{players: Map<string, any>, audio: Record<number, Promise<AudioContext>>, stretch?: Promise<void>,
 *   engines: Record<string, import("./live/node.js").Engine>, page: string}} Page `audio` by its rate; `engines` of live
 *   sound, by their models
 */

/** What all stemlab widgets of this page share. @returns {Page} */
export function page() {
  const shared = /** @type {{stemlab?: Page}} */ (globalThis);
  shared.stemlab ??= { players: new Map(), audio: {}, engines: {}, page: pageName() };
  return shared.stemlab;
}

/**
 * A name of this browser tab that outlives a reload. Frames share their tab's storage, but not its sound: Colab shows each
 * cell's output in one.
 */
function pageName() {
  if (globalThis.top !== globalThis.self) return unique();
  const name = sessionStorage.getItem("stemlab") ?? unique();
  sessionStorage.setItem("stemlab", name);
  return name;
}

export function unique() {
  return Math.random().toString(36).slice(2);
}

/**
 * The page's AudioContext of a sample rate, with the processors of worklet.js loaded. It stays open for the next player.
 * @param {string} worklet source text @param {number} rate
 */
export function audio(worklet, rate) {
  const open = async () => {
    const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    const url = URL.createObjectURL(new Blob([worklet], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url);
    URL.revokeObjectURL(url);
    return context;
  };
  return (page().audio[rate] ??= open());
}

/** The end of the way: a level, a limiter, meters. */
export class Master {
  /** @param {AudioContext} context */
  constructor(context) {
    this.node = new AudioWorkletNode(context, "stemlab-limiter", { outputChannelCount: [2] });
    this.peaks = [0, 0];
    this.gain = 1; // the least of late by which the limiter held back
    this.node.port.onmessage = ({ data }) => Object.assign(this, data);
    this.input = this.output = /** @type {AudioNode} */ (this.node);
  }

  /** What it is to sound. @param {AudioNode} node */
  take(node) {
    node.connect(this.input);
  }

  /** @param {number} level */
  setLevel(level) {
    this.node.port.postMessage({ level });
  }

  close() {
    this.node.disconnect();
    this.node.port.postMessage({ close: true });
  }
}

/** A song on the page: its blocks, its transport, the node that mixes its stems. */
export class Deck {
  static processor = "stemlab-mixer";
  /** How many outputs the processor has. @param {Song} _song */
  static outputs(_song) {
    return 1;
  }
  static lead = 0; // samples before the playhead that the processor needs
  /** Whether the stems of a block are here, or only its original. @type {Map<number, boolean>} */
  #here = new Map();
  /** Blocks whose stems are on their way. @type {Set<number>} */
  #asked = new Set();
  #epoch = 0;
  #seeks = 0;
  #received = 0;
  #reported = 0;
  #lastWish = 0;
  #unanswered = 0;
  #timer = 0;
  #lastNews = performance.now();
  /** @type {[number, number] | null} */
  #loop = null;
  /** Whether the playhead has come round in the loop. */
  #round = false;

  /**
   * @param {AudioContext} context @param {Song} song
   * @param {(wish: Wish) => void} ask sends for blocks @param {(line: string) => void} hangUp gives a line up
   */
  constructor(context, song, ask, hangUp) {
    this.context = context;
    this.song = song;
    this.ask = ask;
    this.hangUp = hangUp;
    this.line = unique();
    this.playing = false;
    /** @type {Report} */
    this.report = { position: 0, moving: false, starved: false, raw: false, underruns: 0, peaks: [], frame: 0, seeks: 0 };
    this.onreport = () => {};
    this.onend = () => {};
    const kind = /** @type {typeof Deck} */ (this.constructor);
    const count = kind.outputs(song);
    const shape = { numberOfInputs: 0, numberOfOutputs: count, outputChannelCount: Array(count).fill(2) };
    this.mixer = new AudioWorkletNode(context, kind.processor, { ...shape, processorOptions: song });
    this.mixer.port.onmessage = ({ data }) => this.#hear(data);
  }

  /** @param {any} news from the mixer */
  #hear(news) {
    // What the mixer said before it heard of the last seek is of a place that was left.
    const late = news.seeks < this.#seeks;
    if (news.ended) return this.#end(late);
    if (!late && news.position < this.report.position) this.#round = true;
    this.report = late ? { ...news, position: this.report.position, moving: false } : news;
    this.#fill();
    this.onreport();
  }

  /** @param {boolean} late the end was reached, but a seek had left it */
  #end(late) {
    if (late) return this.mixer.port.postMessage({ play: this.playing, at: 0 });
    this.playing = false;
    this.onend();
  }

  /** @param {number} index @param {Int16Array} sound interleaved [stems, block, 2], or the original, [block, 2] @param {boolean} whole */
  load(index, sound, whole) {
    if (whole) this.#asked.delete(index);
    this.#received++;
    this.#lastNews = performance.now();
    this.#here.set(index, whole);
    const samples = whole ? sound : spread(sound, this.song.stems);
    this.mixer.port.postMessage({ block: index, samples, whole }, [samples.buffer]);
    this.#fill();
  }

  /** Starts at once or, sample by sample, at a time of the context. @param {number} at seconds */
  play(at = 0) {
    if (this.report.position >= this.song.length) this.seek(0);
    this.playing = true;
    this.mixer.port.postMessage({ play: true, at: Math.round(at * this.song.rate) });
    this.#fill();
  }

  pause() {
    this.playing = false;
    this.mixer.port.postMessage({ play: false, at: 0 });
  }

  /** @param {number} seconds @param {number} at frame of the context; a deck of its own tempo waits for it */
  seek(seconds, at = 0) {
    const { length, rate } = this.song;
    const position = Math.round(Math.min(Math.max(seconds * rate, 0), length));
    this.report = { ...this.report, position, moving: false };
    this.#round = false;
    this.#seeks++;
    this.mixer.port.postMessage({ seek: position, at });
    this.renew();
  }

  /** Repeats [a, b) seconds, or with null plays on. @param {[number, number] | null} span */
  loop(span) {
    const { rate } = this.song;
    this.#loop = span && [Math.round(span[0] * rate), Math.round(span[1] * rate)];
    this.#round = false;
    this.mixer.port.postMessage({ loop: this.#loop });
    this.renew();
  }

  /** @param {[number, number][]} pairs gain left and right of each stem */
  setGains(pairs) {
    this.mixer.port.postMessage({ gains: pairs });
  }

  /** Seconds of the song that leave the loudspeaker now. */
  now() {
    const { rate } = this.song;
    const { position, moving, frame } = this.report;
    if (!moving) return position / rate;
    const latency = (this.context.outputLatency || this.context.baseLatency) + LOOKAHEAD / rate;
    const passed = this.context.currentTime - frame / this.context.sampleRate - latency;
    const heard = position + Math.min(passed, 0.3) * rate * (this.report.tempo ?? 1);
    return Math.max(0, this.#folded(heard)) / rate;
  }

  /** Where it is in the loop: the last report may be on the other side of a turn. @param {number} heard sample */
  #folded(heard) {
    const { position } = this.report;
    if (!this.#loop || position >= this.#loop[1]) return heard;
    const [a, b] = this.#loop;
    const before = this.#round && position >= a && heard < a;
    if (heard < b && !before) return heard;
    return a + ((((heard - a) % (b - a)) + (b - a)) % (b - a));
  }

  /** Seconds that can be played without another block. @param {boolean} whole as stems */
  buffered(whole = false) {
    const { block, rate, length } = this.song;
    const order = this.#upcoming();
    const gap = order.findIndex((k) => !(whole ? this.#here.get(k) : this.#here.has(k)));
    const blocks = gap < 0 ? order.length : gap;
    const inside = this.report.position % block;
    return Math.max(0, Math.min(blocks * block - inside, this.#loop ? Infinity : length - this.report.position)) / rate;
  }

  /** Seconds for which the kernel has not answered a wish. */
  silence() {
    return this.#unanswered && (performance.now() - this.#unanswered) / 1000;
  }

  /** The kernel has answered. */
  acknowledge() {
    this.#unanswered = 0;
  }

  /** The kernel has put other sound in this one's place: it takes over where the playhead is. */
  replace() {
    this.#here.clear();
    this.mixer.port.postMessage({ replace: true });
    this.redial();
  }

  /** Asks on a new line, since what was under way on the old one may be lost. */
  redial() {
    this.hangUp(this.line);
    this.line = unique();
    this.#received = this.#reported = 0;
    this.renew();
  }

  /** Forgets what is under way and asks from the playhead. */
  renew() {
    this.#epoch++;
    this.#asked.clear();
    this.#lastNews = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fill(), this.#lastWish + PAUSE - performance.now());
  }

  /** Blocks in the order in which they will be played. */
  #upcoming() {
    const { block, rate, length } = this.song;
    const order = /** @type {Set<number>} */ (new Set());
    let at = Math.min(this.report.position, length - 1);
    for (let n = Math.ceil((AHEAD * rate) / block); n > 0 && at < length; n--) {
      order.add(Math.floor(at / block));
      const next = (Math.floor(at / block) + 1) * block;
      at = this.#loop && at < this.#loop[1] && next >= this.#loop[1] ? this.#loop[0] : next;
    }
    return [...order];
  }

  /** The block in which what the processor needs begins. */
  #before() {
    const { lead } = /** @type {typeof Deck} */ (this.constructor);
    return Math.floor(Math.max(0, this.report.position - lead) / this.song.block);
  }

  #fill() {
    const order = this.#upcoming();
    this.#drop(order);
    const awaited = [...this.#asked].filter((k) => !this.#here.has(k)).length;
    if (awaited && performance.now() - this.#lastNews > 1000 * PATIENCE) return this.redial();
    const room = 2 * CREDIT - awaited;
    const missing = [...new Set([this.#before(), ...order])].filter((k) => !this.#here.get(k) && !this.#asked.has(k));
    const blocks = room < CREDIT ? [] : missing.filter((k) => !this.#here.has(k)).slice(0, room);
    const stems = missing.filter((k) => this.#here.has(k));
    if (!blocks.length && !stems.length && this.#received - this.#reported < CREDIT / 2) return;
    if (!awaited) this.#lastNews = performance.now();
    for (const k of [...blocks, ...stems]) this.#asked.add(k);
    this.#reported = this.#received;
    this.#lastWish = performance.now();
    this.#unanswered ||= performance.now();
    const buffered = this.buffered(true);
    const ahead = this.playing || !buffered ? buffered : null;
    this.ask({ line: this.line, epoch: this.#epoch, blocks, stems, received: this.#received, credit: CREDIT, ahead });
  }

  /** @param {number[]} order blocks to keep, besides the few behind the playhead */
  #drop(order) {
    const keep = new Set(order);
    const { position } = this.report;
    const { block, rate } = this.song;
    const drop = [...this.#here.keys()].filter(
      (k) => !keep.has(k) && (k * block > position || (k + 1) * block < position - BEHIND * rate),
    );
    if (!drop.length) return;
    for (const k of drop) {
      this.#here.delete(k);
      this.#asked.delete(k);
    }
    this.mixer.port.postMessage({ drop });
  }

  close() {
    clearTimeout(this.#timer);
    this.mixer.disconnect();
    this.mixer.port.postMessage({ close: true });
  }
}

/**
 * The original in as many parts as there are stems: each is a step more than the one before where it does not divide, so
 * that they sum to it exactly.
 * @param {Int16Array} sound @param {number} stems
 */
export function spread(sound, stems) {
  const parts = new Int16Array(stems * sound.length);
  for (let s = 0, at = 0; s < stems; s++) for (let i = 0; i < sound.length; i++) parts[at++] = Math.floor((sound[i] + s) / stems);
  return parts;
}
