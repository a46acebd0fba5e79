// The headphones: what the DJ alone hears, ahead of the faders' crossing, on an output of its own.

const ONE_OUTPUT =
  "This browser has no second output for headphones here: open the page at localhost or https, in Chrome, Edge or Firefox.";
const REFUSED = "The browser has no permission to list the outputs: allow it (it asks for the microphone, which is not used).";

/** @typedef {{id: string, name: string}} Output */

export class Phones {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    this.input = context.createGain();
    /** @type {Output[]} */
    this.outputs = [];
    this.chosen = ""; // the output's id; nothing sounds without one
    this.speaker = new Audio();
  }

  /** Finds the outputs there are; what went wrong, in one sentence, or "". */
  async find() {
    const { mediaDevices } = navigator;
    if (!mediaDevices || !("setSinkId" in this.speaker)) return ONE_OUTPUT;
    try {
      this.outputs = "selectAudioOutput" in mediaDevices ? await asked(mediaDevices) : await listed(mediaDevices);
    } catch {
      return REFUSED;
    }
    return this.outputs.length ? "" : ONE_OUTPUT;
  }

  /** Sounds on one of the outputs, or with "" no more; what went wrong, or "". @param {string} id */
  async choose(id) {
    this.speaker.pause();
    this.chosen = "";
    if (!id) return "";
    try {
      this.speaker.srcObject ??= this.#stream();
      await this.speaker.setSinkId(id);
      await this.speaker.play();
    } catch (error) {
      return `The headphones' output cannot be opened (${error instanceof Error ? error.message : error}): choose another.`;
    }
    this.chosen = id;
    return "";
  }

  #stream() {
    const node = this.context.createMediaStreamDestination();
    this.input.connect(node);
    return node.stream;
  }

  close() {
    this.speaker.pause();
    this.speaker.srcObject = null;
    this.input.disconnect();
  }
}

/** The output that the browser's own dialogue lets choose. @param {MediaDevices} devices @returns {Promise<Output[]>} */
async function asked(devices) {
  const device = await /** @type {any} */ (devices).selectAudioOutput();
  return [{ id: device.deviceId, name: device.label }];
}

/** All outputs; their names are told to pages that may use the microphone. @param {MediaDevices} devices @returns {Promise<Output[]>} */
async function listed(devices) {
  const microphone = await devices.getUserMedia({ audio: true });
  for (const track of microphone.getTracks()) track.stop();
  const found = await devices.enumerateDevices();
  return found.filter(({ kind, deviceId }) => kind === "audiooutput" && deviceId)
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}
