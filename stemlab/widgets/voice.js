// Voice: records the microphone for some seconds; the page decodes what it recorded, and the kernel gets samples.

import { open, reason } from "./engine/inputs.js";
import { button, element, say } from "./parts/controls.js";
import { keepKeys } from "./parts/keys.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

const SECOND = 1000; // ms

/** Record a stream for so many seconds. @param {MediaStream} stream @param {number} seconds @param {(left: number) => void} tell */
async function record(stream, seconds, tell) {
  const recorder = new MediaRecorder(stream, { audioBitsPerSecond: 256_000 });
  /** @type {Blob[]} */
  const pieces = [];
  recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
  const stopped = new Promise((done) => recorder.addEventListener("stop", done));
  recorder.start();
  for (let left = seconds; left > 0; left--) {
    tell(left);
    await new Promise((done) => setTimeout(done, Math.min(left, 1) * SECOND));
  }
  recorder.stop();
  await stopped;
  return new Blob(pieces).arrayBuffer();
}

/** The mean of all channels at a rate. @param {ArrayBuffer} recorded @param {number} rate */
async function decode(recorded, rate) {
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(recorded);
  const mean = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++)
    sound.getChannelData(channel).forEach((sample, i) => (mean[i] += sample / sound.numberOfChannels));
  return mean;
}

/** Record into the model. @param {Model} model @param {(words: string) => void} tell */
async function take(model, tell) {
  const { stream } = await open(model);
  try {
    const recorded = await record(stream, model.get("seconds"), (left) => tell(`Sing! ${left} s`));
    const samples = await decode(recorded, model.get("rate"));
    model.set("value", new DataView(samples.buffer));
    model.save_changes();
    tell(samples.some((sample) => Math.abs(sample) > 0.001) ? "Recorded." : "Recorded, but it is silent: is the right microphone on?");
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

export default {
  /** @param {{model: Model, el: HTMLElement}} context */
  render({ model, el }) {
    keepKeys();
    const words = element("span", { role: "status" });
    const tell = (/** @type {string} */ text) => say(words, text);
    const press = button(`Record ${model.get("seconds")} seconds of your voice`, `Record ${model.get("seconds")} s`, async () => {
      press.disabled = true;
      try {
        tell("Asking for the microphone…");
        await take(model, tell);
      } catch (error) {
        // The sentences are the live player's, whose button has another name.
        tell(reason(error, model.get("source")).replace("press Start", "press Record"));
      }
      press.disabled = false;
    });
    el.append(element("div", { class: "stemlab-voice" }, press, words));
    tell(model.get("error"));
    press.disabled = Boolean(model.get("error"));
  },
};
