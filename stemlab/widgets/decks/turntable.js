// A deck on the page: a song at any tempo and in any key, its beats, cues and loops, and its channel of the mixer.

import { Deck } from "../engine/output.js";
import { onChange } from "../parts/changes.js";
import { Player } from "../parts/transport.js";
import { Channel } from "./channel.js";
import { even, uneven } from "./grid.js";
import { nearest, shifted } from "./harmony.js";

const SOON = 0.1; // seconds from a wish to a jump that must fall on time
const BEND = 0.04; // by which a nudge is faster or slower
const STEP = 25; // ms between two steps of a blend
export const FINE = 256; // samples in a column of the close-up waveform
const TAPS_FORGOTTEN = 2; // seconds without a tap after which the next is a first one
const IN_STEP = 0.002; // seconds off the beat that are not worth a jump
const LOST = 0.025; // seconds off the beat that one hears,
const LOST_FOR = 500; // once they last as many ms
export const REACH = { min: 0.84, max: 1.16 }; // what the fader reaches
const MOST = 18; // dB of gain by itself
const CENTS = 100; // by which a song may be tuned higher or lower
const INAUDIBLE = 5; // cents
const EARLY = 256; // samples ahead of a bar at which stems begin to be swapped: the first stroke of the new one is whole
const ECHOES = 0.05; // seconds after which an echo has surely taken over
const SHORTEST = 0.02; // seconds of a loop
const NEAR = 1e-6; // seconds that are but rounding
const RETAKEN = 500; // ms between two looks at the tempo of a partner that breathes
const SETTLED = 300; // ms after a jump in which the reports of what was before have come

/** What each preset makes of a stem's level. @type {Record<string, (stem: string) => number>} */
export const PRESETS = {
  All: () => 1,
  Acapella: (stem) => Number(stem === "vocals"),
  Instrumental: (stem) => Number(stem !== "vocals"),
  "Vocals 50 %": (stem) => (stem === "vocals" ? 0.5 : 1),
  "Drums only": (stem) => Number(stem === "drums"),
  "No drums": (stem) => Number(stem !== "drums"),
};

/** @typedef {{stem: number, gain: [number, number], at: number}} Due what a stem is to have from a frame on */
/** @typedef {{at: number, end?: number, name?: string, hue?: string, levels?: number[], mutes?: boolean[]}} Cue */

/** Beats in a bar of each metre: 3/4, 4/4, 6/8 and 12/8. @type {Record<number, number>} */
const BEATS = { 3: 3, 4: 4, 6: 2, 12: 4 };

/** @param {number} value @param {number} span */
const modulo = (value, span) => ((value % span) + span) % span;

/** The engine of a deck: tempo, key, and positions ahead of time. */
export class StretchDeck extends Deck {
  static processor = "stemlab-deck";
  /** @param {import("../engine/output.js").Song} song */
  static outputs({ stems }) {
    return stems;
  }
  static lead = 8192; // WINDOW of stretch.js, and some
  /** Peaks of each stem or of the original, FINE samples a column, of the blocks that were here. @type {Map<number, Uint8Array>} */
  closeup = new Map();
  drawn = 0; // how many of them came
  /** @type {[number, number] | null} */
  span = null;

  /** @param {number} tempo @param {number} semitones @param {number} bend */
  retune(tempo, semitones, bend) {
    this.mixer.port.postMessage({ tempo, semitones, bend });
  }

  /**
   * Has a stem's echo take its place at a frame, or leave it.
   * @param {number} stem @param {boolean} on @param {number} at @param {number} delay samples from one echo to the next
   */
  echo(stem, on, at, delay = 0) {
    this.mixer.port.postMessage({ echo: stem, on, at, delay });
  }

  /** @param {[number, number][]} pairs @param {Due[]} due all that is still to come */
  setGains(pairs, due = []) {
    this.mixer.port.postMessage({ gains: pairs, due });
  }

  /** @param {[number, number] | null} span */
  loop(span) {
    this.span = span;
    super.loop(span);
  }

  replace() {
    this.closeup.clear();
    super.replace();
  }

  /** @param {number} index @param {Int16Array} sound @param {boolean} whole */
  load(index, sound, whole) {
    const columns = sound.length / 2 / FINE;
    if (this.closeup.get(index)?.length !== columns) {
      this.closeup.set(index, peaks(sound));
      this.drawn++;
    }
    super.load(index, sound, whole);
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

/** A player with beats. */
export class Turntable extends Player {
  /**
   * @param {import("../parts/transport.js").Model} model @param {AudioContext} context
   * @param {AudioNode} outlet @param {AudioNode} phones
   */
  constructor(model, context, outlet, phones) {
    const channel = new Channel(context, model.get("stems").length);
    channel.listen.connect(phones);
    super(model, context, StretchDeck, /** @type {any} */ (channel), outlet);
    this.channel = channel;
    this.stretch = /** @type {StretchDeck} */ (this.deck);
    /** @type {Turntable | null} */
    this.partner = null;
    this.bend = 1;
    this.target = 0; // LUFS that songs are to have, 0 as they are
    this.told = ""; // why it is not synced
    this.blending = 0;
    this.raw = false; // the original is heard in place of stems
    /** Stems that left by an echo. @type {Set<number>} */
    this.echoing = new Set();
    /** Stems that come or go soon, and the timers of that. @type {Map<number, number>} */
    this.turning = new Map();
    /** Levels that stems of a swap will have from a frame on. @type {Map<number, {level: number, at: number}>} */
    this.coming = new Map();
    this.opened = -1; // where a loop is to begin
    /** Where it was at a frame, when the loop began. @type {{seconds: number, frame: number} | null} */
    this.slipped = null;
    this.pulled = 0; // when to fall in with the partner, which went elsewhere; 0 is not at all
    this.matched = 0; // when it last took the tempo of a partner whose own is not the same throughout
    this.inStep = 0; // when it was last on the partner's beat
    /** @type {number[]} */
    this.taps = [];
  }

  start() {
    const { model } = this;
    onChange(model, ["tempo", "semitones", "cents", "synced"], () => this.retune());
    onChange(model, ["bpm", "first_beat", "metre", "knots"], () => this.regrid());
    onChange(model, ["eq", "kills"], () => this.equalise());
    model.on("change:filter", () => this.channel.sweep(model.get("filter")));
    model.on("change:stem_filters", () => this.shape());
    onChange(model, ["trim", "loudness"], () => this.level());
    model.on("change:pfl", () => this.channel.setListen(model.get("pfl")));
    this.retune();
    this.equalise();
    this.shape();
    this.channel.sweep(model.get("filter"));
    this.channel.setListen(model.get("pfl"));
    this.level();
    super.start();
  }

  /** Filters of the stems; an original has none. */
  shape() {
    const filters = this.model.get("stem_filters");
    this.channel.ways.forEach((way, s) => way.sweep.set(this.raw ? 0 : filters[s]));
  }

  /** With what a swap has still to change. A stem that left by an echo is back as soon as it is let through. */
  applyGains() {
    const then = this.pairs(this.stems.map((_, s) => this.coming.get(s)?.level ?? 0));
    this.stretch.setGains(this.pairs(), Array.from(this.coming, ([stem, { at }]) => ({ stem, gain: then[stem], at })));
    this.gains().forEach((gain, s) => {
      if (gain && this.echoing.delete(s)) this.stretch.echo(s, false, 0);
    });
  }

  /** The frame, soon, at which a beat begins, or with the beats of a bar the next bar. @param {number} beats */
  next(beats) {
    const soon = this.stretch.soon();
    if (!this.beat || !this.deck.playing) return soon;
    const here = this.stretch.at(soon);
    const wait = this.second(Math.ceil(this.beats(here) / beats - 1e-6) * beats) - here;
    return Math.round(soon + (wait / this.model.get("tempo")) * this.deck.song.rate);
  }

  /** Does something to a stem when a frame has come. @param {number} s @param {number} at @param {() => void} act */
  then(s, at, act) {
    const wait = 1000 * (at / this.deck.song.rate - this.context.currentTime);
    this.turning.set(s, setTimeout(() => {
      this.turning.delete(s);
      act();
    }, wait));
  }

  /** Mutes a stem at the next beat; the beat before it sounds on as an echo. @param {number} s */
  echoOut(s) {
    this.told = this.raw ? "a stem can echo once this part is separated." : "";
    if (this.raw || this.turning.has(s) || !this.gains()[s]) return;
    const { rate } = this.deck.song;
    const at = this.next(1);
    this.stretch.echo(s, true, at, Math.round((rate * (this.beat || 0.5)) / this.model.get("tempo")));
    this.then(s, at + rate * ECHOES, () => {
      this.change("mutes", s, true);
      this.echoing.add(s);
    });
  }

  /** At the next bar a stem comes here and goes on the other deck, or the other way round. @param {string} stem */
  swap(stem) {
    const { partner } = this;
    const here = this.stems.indexOf(stem);
    const there = partner ? partner.stems.indexOf(stem) : -1;
    this.told = there < 0 ? `the other deck has no ${stem} to swap.` : "";
    if (!partner || there < 0 || this.turning.has(here) || partner.turning.has(there)) return;
    const clock = this.deck.playing ? this : partner;
    const at = clock.next(clock.bar) - EARLY;
    const comes = !this.gains()[here];
    this.hand(here, comes, at);
    partner.hand(there, !comes, at);
  }

  /** Has a stem come or go at a frame. @param {number} s @param {boolean} comes @param {number} at */
  hand(s, comes, at) {
    const level = this.model.get("levels")[s];
    this.coming.set(s, { level: comes ? level || 1 : 0, at });
    this.applyGains();
    if (comes && this.echoing.delete(s)) this.stretch.echo(s, false, at);
    this.then(s, at, () => {
      this.set(this.faders(s, comes));
      this.coming.delete(s); // not before all faders have followed
    });
  }

  /** The faders once a stem has come or gone; what was not heard for a solo of others is mute. @param {number} s @param {boolean} comes */
  faders(s, comes) {
    const level = this.model.get("levels")[s];
    return {
      levels: this.with("levels", s, comes ? level || 1 : level),
      mutes: Array.from(this.gains(), (gain, k) => (k === s ? !comes : !gain)),
      solos: this.stems.map(() => false),
    };
  }

  equalise() {
    this.channel.equalise(this.model.get("eq"), this.model.get("kills"));
  }

  /** Decibels that make it as loud as others, 0 where that is not wanted or its loudness not known. */
  get autogain() {
    const loudness = this.model.get("loudness");
    return loudness && this.target ? Math.max(-MOST, Math.min(MOST, this.target - loudness)) : 0;
  }

  level() {
    this.channel.setTrim(this.autogain + this.model.get("trim"));
  }

  retune() {
    this.stretch.retune(this.model.get("tempo"), this.model.get("semitones") + this.model.get("cents") / 100, this.bend);
    if (this.partner?.model.get("synced")) this.partner.match();
  }

  regrid() {
    this.retune();
    if (this.model.get("synced")) this.match();
    this.pull();
    this.partner?.pull();
  }

  /** @param {any} message @param {DataView[]} buffers */
  hear(message, buffers) {
    super.hear(message, buffers);
    if (message.kind === "blend") this.blend(message.preset, message.beats);
    if (message.kind === "seek") this.moved();
  }

  obey() {
    const before = this.deck.playing;
    super.obey();
    if (this.deck.playing && !before) this.partner?.pull();
  }

  tick() {
    super.tick();
    if (this.deck.report.raw !== this.raw) {
      this.raw = this.deck.report.raw;
      this.shape();
    }
    const time = performance.now();
    const { lead, deck } = this;
    if (!lead || !deck.playing || Math.abs(this.drift) < LOST) this.inStep = time;
    if (lead && time - this.matched > RETAKEN && (this.hurry !== 1 || lead.hurry !== 1)) {
      this.matched = time;
      this.match();
    }
    if (!this.pulled || time < this.pulled || !lead?.deck.report.moving || !deck.report.moving) return;
    this.pulled = 0;
    this.fallIn();
  }

  /** Seconds, even, of a beat of the song as it was recorded, 0 if there is none. */
  get beat() {
    const bpm = this.model.get("bpm");
    return bpm ? 60 / bpm : 0;
  }

  /** Beats a minute as they are heard. */
  get bpm() {
    return this.model.get("bpm") * this.model.get("tempo");
  }

  /** Beats in a bar. */
  get bar() {
    return BEATS[this.model.get("metre")] ?? 4;
  }

  /** By how much it is faster here than on the whole, where its tempo is not the same throughout. */
  get hurry() {
    const knots = this.model.get("knots");
    const now = this.deck.now();
    return knots.length ? (even(knots, now + 1) - even(knots, now - 1)) / 2 : 1;
  }

  /** Beats, with their fraction, from the first to a second of the song. @param {number} seconds */
  beats(seconds) {
    return (even(this.model.get("knots"), seconds) - this.model.get("first_beat")) / this.beat;
  }

  /** The second of the song at which a beat is played. @param {number} beat */
  second(beat) {
    return uneven(this.model.get("knots"), this.model.get("first_beat") + beat * this.beat);
  }

  /** The second of the song some beats, of half a second without a grid, after another. @param {number} seconds @param {number} beats */
  later(seconds, beats) {
    return this.beat ? this.second(this.beats(seconds) + beats) : seconds + beats / 2;
  }

  /** The beat nearest to a second of the song. @param {number} seconds */
  snap(seconds) {
    if (!this.beat) return seconds;
    const beat = Math.max(Math.round(this.beats(seconds)), Math.ceil(this.beats(0)));
    return Math.min(this.second(beat), this.model.get("duration"));
  }

  /** @param {number} seconds */
  seek(seconds) {
    if (this.lead && this.deck.playing) return this.jump(seconds, this.meeting(seconds));
    super.seek(seconds);
    this.moved();
  }

  /** @param {number} seconds @param {number} at frame */
  jump(seconds, at) {
    this.deck.seek(seconds, at);
    this.set({ position: Math.max(0, seconds) });
    this.partner?.pull();
  }

  /** It plays from elsewhere: who follows falls in again. */
  moved() {
    this.pull();
    this.partner?.pull();
  }

  /** Falls in with the partner, if it is synced, when both sound again. */
  pull() {
    if (this.model.get("synced")) this.pulled = performance.now() + SETTLED;
  }

  /** The partner, if this deck keeps to its beat now. @returns {Turntable | null} */
  get lead() {
    const { partner } = this;
    return this.model.get("synced") && this.beat && partner?.beat && partner.deck.playing ? partner : null;
  }

  /**
   * Beats of the faster of two decks, by which a second of this song is behind the lead at a frame. One may count
   * half as many beats as the other.
   * @param {Turntable} lead @param {number} seconds @param {number} frame
   */
  behind(lead, seconds, frame) {
    const ratio = 2 ** Math.round(Math.log2(this.bpm / lead.bpm));
    const pace = Math.max(1, 1 / ratio); // beats of the faster for one of this deck
    const at = lead.stretch.at(frame);
    return { beats: lead.beats(at) * ratio * pace - this.beats(seconds) * pace, pace, ratio, at };
  }

  /** The frame, soon, at which the lead's beat stands as a second of this song does. @param {number} seconds */
  meeting(seconds) {
    const soon = this.stretch.soon();
    const { lead } = this;
    if (!lead) return soon;
    const { beats, pace, ratio, at } = this.behind(lead, seconds, soon);
    const wait = (lead.later(at, modulo(-beats, 1) / pace / ratio) - at) / lead.model.get("tempo");
    return Math.round(soon + wait * this.deck.song.rate);
  }

  /** Seconds of this song that bring it, where it is at a frame, onto the beat. @param {Turntable} lead @param {number} frame */
  gap(lead, frame) {
    const here = this.stretch.at(frame);
    const { beats, pace } = this.behind(lead, here, frame);
    return this.later(here, (modulo(beats + 0.5, 1) - 0.5) / pace) - here;
  }

  /** Seconds of this song by which it is off the lead's beat; 0 without a lead, and while one of them jumps. */
  get drift() {
    const { lead } = this;
    if (!lead || !this.deck.report.moving || !lead.deck.report.moving) return 0;
    return this.gap(lead, this.context.currentTime * this.deck.song.rate);
  }

  /** Whether it should be on the lead's beat and is not. */
  get lost() {
    return Boolean(this.lead && this.deck.playing) && performance.now() - this.inStep > LOST_FOR;
  }

  entry() {
    const { position } = this.deck.report;
    return this.lead ? this.meeting(position / this.deck.song.rate) / this.deck.song.rate : 0;
  }

  /** Follows the partner's tempo from now on and falls in on its beat, again where it was lost; or no longer. */
  sync() {
    if (this.lost) return this.fallIn();
    this.told = "";
    const synced = !this.model.get("synced");
    this.set({ synced });
    if (!synced || !this.partner) return;
    this.partner.set({ synced: false });
    this.match();
    this.fallIn();
  }

  /** Whether it should be synced and cannot be: one of both has no beats yet. */
  get waiting() {
    return this.model.get("synced") && !this.matching;
  }

  /** The tempo for the partner's beats, or for half or twice as many where that is nearer; 0 if one of both has none. */
  get matching() {
    if (!this.partner?.beat || !this.beat) return 0;
    const ratio = (this.partner.bpm * this.partner.hurry) / (this.model.get("bpm") * this.hurry);
    return ratio * 2 ** -Math.round(Math.log2(ratio));
  }

  complaint() {
    return super.complaint() || this.told;
  }

  fallIn() {
    const { lead } = this;
    if (!lead || !this.deck.playing) return;
    const soon = this.stretch.soon();
    const here = this.stretch.at(soon);
    const gap = this.gap(lead, soon);
    if (Math.abs(gap) > IN_STEP) this.jump(here + gap + (here + gap < 0 ? this.beat : 0), soon);
  }

  /** Takes the partner's tempo, unless that is out of the fader's reach. */
  match() {
    const tempo = this.matching;
    if (!tempo || !this.partner) return;
    if (tempo < REACH.min || tempo > REACH.max) {
      const [own, other] = [this.model.get("bpm"), this.partner.bpm].map((bpm) => bpm.toFixed(0));
      this.told = `too far apart to sync: ${own} against ${other} BPM.`;
      this.set({ synced: false });
    } else if (tempo !== this.model.get("tempo")) this.set({ tempo });
  }

  /** The key that is heard, "" if there is none. */
  get heard() {
    const key = this.model.get("key");
    return key && shifted(key, this.model.get("semitones"));
  }

  /** Cents above 440 Hz of what is heard, besides whole semitones. */
  get tuned() {
    return this.model.get("tuning") + this.model.get("cents");
  }

  /** Moves the song, by three semitones at most, to a key that goes together with the partner's, and to its tuning. */
  matchKey() {
    const { partner, model } = this;
    const [key, other] = [model.get("key"), partner?.heard];
    this.told = key && other ? "" : "the keys of both songs are not known yet.";
    if (!partner || !key || !other) return;
    const off = Math.max(-CENTS, Math.min(CENTS, partner.tuned - model.get("tuning")));
    this.set({ semitones: nearest(key, other), cents: Math.abs(off) < INAUDIBLE ? 0 : off });
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

  /** Marks a place, with the loop that is on, or plays from the one that is marked. @param {number} i */
  hotCue(i) {
    const cue = this.model.get("cues")[i];
    if ("at" in cue) return this.recall(cue);
    const [at, end] = this.looped ? this.model.get("loop") : [this.placed(this.deck.now())];
    this.setCue(i, end ? { at, end } : { at });
  }

  /** @param {number} i @param {Cue | {}} cue */
  setCue(i, cue) {
    const cues = [...this.model.get("cues")];
    cues[i] = cue;
    this.set({ cues });
  }

  /** Plays from a hot cue on, in its loop, with its stems. @param {Cue} cue */
  recall({ at, end, levels, mutes }) {
    const layout = levels?.length === this.stems.length ? { levels, mutes, solos: this.stems.map(() => false) } : {};
    clearInterval(this.blending);
    this.set({ ...layout, loop: end ? [at, end] : [] });
    this.leap(at);
  }

  /** Plays from a place on: with a lead at its beat, else at once. @param {number} seconds */
  leap(seconds) {
    this.jump(seconds, this.lead && this.deck.playing ? this.meeting(seconds) : 0);
    if (!this.deck.playing) this.toggle();
  }

  /** @param {number} i */
  forget(i) {
    this.setCue(i, {});
  }

  /** Where a mark at a second falls: on the nearest beat, unless it should not. @param {number} seconds */
  placed(seconds) {
    return this.model.get("quantise") ? this.snap(seconds) : seconds;
  }

  /** Jumps, with the loop it is in; neither leaves the song. @param {number} beats forward, or backward where negative */
  beatJump(beats) {
    const soon = this.deck.playing ? this.stretch.soon() : 0;
    const here = this.stretch.at(soon);
    const [a, b] = this.model.get("loop");
    const loop = here < b ? [a, b] : [];
    const way = this.room(Math.min(here, ...loop), Math.max(here, ...loop), beats);
    if (!way) return;
    if (loop.length) this.set({ loop: loop.map((edge) => this.later(edge, way)) });
    this.jump(this.later(here, way), soon);
  }

  /** As many of some beats as there is room for a part of the song to move by. @param {number} first @param {number} last seconds @param {number} beats */
  room(first, last, beats) {
    const end = this.model.get("duration");
    let way = beats;
    while (way < 0 && this.later(first, way) < -NEAR) way++;
    while (way > 0 && this.later(last, way) > end + NEAR) way--;
    return way;
  }

  /** Beats of the loop, 0 without one. */
  get looped() {
    const [a, b] = this.model.get("loop");
    return b > a && this.beat ? this.beats(b) - this.beats(a) : 0;
  }

  /** Begins a loop at what is heard; `loopOut` closes it. */
  loopIn() {
    this.opened = this.placed(this.deck.now());
  }

  loopOut() {
    const end = this.placed(this.deck.now());
    if (this.opened < 0 || end <= this.opened) return;
    this.setLoop(this.opened, end);
    this.opened = -1;
  }

  /** Ends the loop, or begins the last one again. */
  reloop() {
    if (this.model.get("loop").length) return this.endLoop();
    const [a, b] = this.model.get("last_loop");
    if (!(b > a)) return;
    this.setLoop(a, b);
    this.leap(a);
  }

  /** Halves or doubles the loop. @param {number} factor */
  scaleLoop(factor) {
    const [a, b] = this.model.get("loop");
    if (b > a) this.setLoop(a, Math.max(a + SHORTEST, Math.min(a + factor * (b - a), this.model.get("duration"))));
  }

  /** Plays on; with slip, where it would have come to without the loop. */
  endLoop() {
    this.set({ loop: [] });
    const { slipped } = this;
    this.slipped = null;
    if (!slipped || !this.model.get("slip") || !this.deck.playing) return;
    const soon = this.stretch.soon();
    this.jump(slipped.seconds + ((soon - slipped.frame) / this.deck.song.rate) * this.model.get("tempo"), soon);
  }

  /** Repeats from a to b; a playhead beyond b comes back in step. @param {number} a @param {number} b seconds */
  setLoop(a, b) {
    const now = this.deck.now();
    if (!this.model.get("loop").length) this.slipped = { seconds: now, frame: this.context.currentTime * this.deck.song.rate };
    this.set({ loop: [a, b] });
    const soon = this.deck.playing ? this.stretch.soon() : 0;
    const then = this.stretch.at(soon);
    if (now >= b) this.jump(a + modulo(then - a, b - a), soon);
  }

  /** Loops a number of beats, from the one that is heard on; the same number again ends it. @param {number} beats */
  beatLoop(beats) {
    if (!this.beat) return;
    if (Math.abs(this.looped - beats) < 0.01) return this.endLoop();
    const now = this.deck.now();
    const inside = this.looped && now < this.model.get("loop")[1];
    const a = inside ? this.model.get("loop")[0] : Math.max(0, this.second(Math.floor(this.beats(now) + 0.05)));
    this.setLoop(a, this.later(a, beats));
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
    this.set({ bpm: 60 / beat, first_beat: modulo(start, this.bar * beat), knots: [] });
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
    const now = even(this.model.get("knots"), this.deck.now());
    this.set({ first_beat: this.beat ? modulo(now, this.bar * this.beat) : now });
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
    for (const timer of this.turning.values()) clearTimeout(timer);
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
