// Where live sound comes from: an input of this machine, another tab of the browser, a stream of the notebook.

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {{stream: MediaStream, own: boolean}} Opened `own` streams end with us */

export const MICROPHONE = "microphone"; // whatever input the browser takes by default
export const TAB = "tab";
export const HEARD = "heard"; // the model's own stream

const ALIASES = ["default", "communications"]; // ids under which the browser lists an input once more
// The sound as it is, and no longer from the tab itself, whose stems would come on top of it. What the whole machine
// plays cannot be chosen: it holds the stems.
const SHARED = {
  video: true,
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, suppressLocalAudioPlayback: true },
  selfBrowserSurface: "exclude",
  systemAudio: "exclude",
};
const REASONS = /** @type {Record<string, string>} */ ({
  NotAllowedError: "The browser has no permission to listen to this source: allow it in the address bar, then press Start.",
  NotFoundError: "There is no microphone or line-in here: plug one in, then press Start.",
  NotReadableError: "Another program uses the input, or it was unplugged: make it available, then press Start.",
  OverconstrainedError: "This input does not support the settings needed: choose another one.",
  NotSupportedError: "This browser cannot convert the input's sample rate: set the input to 44.1 kHz, or use Chrome or Edge.",
});
const TAB_REASONS = /** @type {Record<string, string>} */ ({
  ...REASONS,
  NotAllowedError: "No tab was shared: press Start and choose one, with its sound.",
  InvalidStateError: "The browser needs a click before it shares a tab: press Start.",
});

/** What is wrong, in a sentence. */
class Trouble extends Error {}

/** The sentence for what went wrong. @param {any} error @param {string} source */
export function reason(error, source) {
  if (error instanceof Trouble) return error.message;
  return (source === TAB ? TAB_REASONS : REASONS)[error.name] ?? `The source cannot be heard: ${error.message}`;
}

/** @param {Model} model @returns {Promise<Opened>} */
export async function open(model) {
  const source = model.get("source");
  if (source === HEARD) return { stream: await (await widget(model, "heard")).captureStream(), own: false };
  if (!navigator.mediaDevices)
    throw new Trouble("Browsers allow only pages at localhost or https to listen: open the lab at such an address.");
  return { stream: source === TAB ? await share() : await input(model, source), own: true };
}

/** Another tab's sound. */
async function share() {
  if (!navigator.mediaDevices.getDisplayMedia) throw new Trouble("This browser cannot share a tab: use Chrome or Edge.");
  const stream = await navigator.mediaDevices.getDisplayMedia(/** @type {any} */ (SHARED));
  for (const picture of stream.getVideoTracks()) picture.stop();
  if (!stream.getAudioTracks().length)
    throw new Trouble("The tab came without its sound: press Start, choose it again and leave “Also share tab audio” on.");
  return stream;
}

/** An input through ipywebrtc's CameraStream, which keeps what it once got. @param {Model} model @param {string} name */
async function input(model, name) {
  const camera = await widget(model, "_microphone");
  const { audio, ...rest } = camera.get("constraints");
  const capture = (/** @type {{exact: string} | undefined} */ deviceId) => {
    camera.set("constraints", { ...rest, audio: { ...audio, deviceId } });
    camera.cameraStream = undefined;
    return /** @type {Promise<MediaStream>} */ (camera.captureStream());
  };
  if (name === MICROPHONE) return capture(undefined);
  if (!(await inputs()).length) for (const track of (await capture(undefined)).getTracks()) track.stop();
  const device = (await inputs()).find(({ label }) => label === name);
  if (!device) throw new Trouble(`${name} is not here: plug it in, or choose another source.`);
  return capture({ exact: device.deviceId });
}

/** The inputs by name, none before the browser may listen. */
export async function inputs() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, label, deviceId }) => kind === "audioinput" && label && !ALIASES.includes(deviceId));
}

/** The widget model that a trait names. @param {Model} model @param {string} trait @returns {Promise<any>} */
async function widget(model, trait) {
  if (!model.get(trait)) throw new Trouble("The notebook has given it no stream: choose another source.");
  return model.widget_manager.get_model(model.get(trait).replace("IPY_MODEL_", ""));
}
