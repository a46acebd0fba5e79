// The recorder: ipywebrtc's AudioRecorder on the master, whose sound goes to the kernel as it comes. In one piece, after
// half a minute, it would be more than Jupyter lets through.

const PIECE = 1000; // ms of sound in a message
const FORMATS = ["pcm", "opus"]; // the first that the browser knows: exact samples, or 128 kbit/s

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

export class Recorder {
  /** @type {MediaRecorder | null} */
  #running = null;
  /** @type {any} */
  #recorder = null;
  /** @type {Promise<void>} */
  #turn = Promise.resolve();

  /** @param {Model} model of the decks @param {string} page its name @param {() => Promise<void>} lend readies the stream */
  constructor(model, page, lend) {
    this.model = model;
    this.page = page;
    this.lend = lend;
  }

  /** Begins or ends as the model says, one after the other. */
  obey() {
    this.#turn = this.#turn.then(() => this.#follow()).catch((error) => this.#fail(error));
  }

  async #follow() {
    const { model } = this;
    if (model.get("_recordist") !== this.page) return;
    const name = model.get("_recorder");
    if (!model.get("recording")) this.#end();
    else if (name && !this.#running) await this.#begin(await model.widget_manager.get_model(name.replace("IPY_MODEL_", "")));
  }

  #end() {
    if (this.#running) this.#recorder.set("recording", false);
    else this.model.send({ kind: "recorded", last: true });
  }

  /** @param {any} recorder model of ipywebrtc's AudioRecorder */
  async #begin(recorder) {
    const codecs = FORMATS.find((codec) => MediaRecorder.isTypeSupported(`audio/webm; codecs="${codec}"`));
    if (!codecs) throw new Error("this browser cannot record; take Chrome, Edge or Firefox");
    this.#recorder = recorder;
    await this.lend();
    recorder.mediaRecorder = null;
    recorder.set("codecs", codecs);
    recorder.set("recording", true);
    while (recorder.mediaRecorder?.state !== "recording") await new Promise((done) => setTimeout(done, 10));
    const running = (this.#running = /** @type {MediaRecorder} */ (recorder.mediaRecorder));
    const beat = setInterval(() => running.requestData(), PIECE);
    let sent = Promise.resolve();
    running.addEventListener("dataavailable", ({ data }) => {
      recorder.chunks.length = 0; // it would keep them all
      sent = sent.then(async () => this.#send(await data.arrayBuffer()));
    });
    running.addEventListener("stop", () => {
      clearInterval(beat);
      this.#running = null;
      sent.then(() => this.model.send({ kind: "recorded", last: true }));
    });
  }

  /** @param {ArrayBuffer} piece */
  #send(piece) {
    if (piece.byteLength) this.model.send({ kind: "recorded", last: false }, undefined, [piece]);
  }

  /** @param {Error} error */
  #fail(error) {
    this.model.set("recording", false);
    this.model.set("note", `Not recorded: ${error.message}.`);
    this.model.save_changes();
  }

  /** A page that was loaded anew has lost what recorded: what came before is kept. */
  resume() {
    if (!this.model.get("recording") || this.model.get("_recordist") !== this.page) return;
    this.model.set("recording", false);
    this.model.save_changes();
  }

  close() {
    if (this.#running?.state === "recording") this.#running.stop();
  }
}
