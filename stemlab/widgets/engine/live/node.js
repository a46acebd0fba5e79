// The page's side of live separation: gets an audio thread of its own ready.

/**
 * @typedef {import("@anywidget/types").AnyModel<any>} Model
 * @typedef {{module: WebAssembly.Module, model: Uint8Array, card: import("./separator.js").Card}} Files
 * @typedef {Files & {text: string}} Engine `text` is the module of the audio thread
 */

// The smallest modules with an instruction of SIMD and of relaxed SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
  128, 2, 11,
];
/** @param {number[]} module */
const runs = (module) => WebAssembly.validate(new Uint8Array(module));

/** Which of the runtimes this browser can run. */
export function runtime() {
  const name = runs(RELAXED) ? "litert_wasm_internal" : "litert_wasm_compat_internal";
  if (runs(SIMD) && "DecompressionStream" in globalThis) return name;
  throw new Error("This browser is too old to separate live sound: take Chrome or Edge 91, Firefox 113, Safari 16.4 or later.");
}

/** @param {BlobPart} zipped */
const plain = (zipped) => new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip")));

/** @param {BlobPart} zipped */
export async function compile(zipped) {
  return WebAssembly.compile(await plain(zipped).arrayBuffer());
}

/** Asks the kernel for all that the audio thread needs. @param {Model} model @returns {Promise<Engine>} */
export async function fetchEngine(model) {
  const name = runtime();
  const { card, buffers: [text, wasm, network] } = await new Promise((done) => {
    const wanted = model.get("_model");
    const hear = (/** @type {any} */ message, /** @type {DataView<ArrayBuffer>[]} */ buffers) => {
      if (message.kind !== "engine" || message.model !== wanted) return;
      model.off("msg:custom", hear);
      done({ ...message, buffers });
    };
    model.on("msg:custom", hear);
    model.send({ kind: "engine", runtime: name, model: wanted });
  });
  return {
    card,
    text: await plain(text).text(),
    module: await compile(wasm),
    model: new Uint8Array(await plain(network).arrayBuffer()),
  };
}

/**
 * A context of the network's sample rate, whatever the devices have, with these modules in its thread. What another
 * context plays does not wait while this one warms up.
 * @param {number} rate @param {string[]} modules
 */
export async function listening(rate, ...modules) {
  const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  if (context.sampleRate !== rate)
    throw new Error(`This browser plays at ${context.sampleRate} Hz only, and the stems need ${rate}: take Chrome, Edge or Firefox.`);
  context.suspend(); // until somebody listens
  for (const module of modules) {
    const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url);
    URL.revokeObjectURL(url);
  }
  return context;
}

/**
 * A node that separates; warmed up, and not yet connected. It wants a context of the card's sample rate.
 * @param {BaseAudioContext} context whose thread has the processor
 * @param {Files} files
 * @param {number} outputs stereo: the mix, and then as many stems before their gains as are wanted
 */
export async function separating(context, files, outputs = 1) {
  const node = new AudioWorkletNode(context, "stemlab-separator", {
    numberOfOutputs: outputs,
    outputChannelCount: Array(outputs).fill(2),
    channelCount: 2,
    channelCountMode: "explicit",
    processorOptions: { module: files.module, model: files.model, card: files.card },
  });
  const { load } = await ready(node.port);
  return { node, port: node.port, load };
}

/**
 * The same in a Worker, for machines whose audio thread is too slow for it: it has to wait for nobody, so its stems
 * come a margin later. Orders and reports go through `port`.
 * @param {BaseAudioContext} context whose thread has the processors @param {Engine} engine
 */
export async function separatingAside(context, { text, module, model, card }) {
  const node = new AudioWorkletNode(context, "stemlab-relay", {
    outputChannelCount: [2], channelCount: 2, channelCountMode: "explicit", processorOptions: { card },
  });
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const port = new Worker(url, { type: "module" });
  const relay = new MessageChannel();
  port.postMessage({ processorOptions: { module, model, card }, relay: relay.port1 }, [relay.port1]);
  const { load } = await ready(port);
  URL.revokeObjectURL(url);
  node.port.postMessage({ relay: relay.port2 }, [relay.port2]);
  return { node, port, load };
}

/** @param {MessagePort | Worker} port @returns {Promise<{load: number}>} */
async function ready(port) {
  const answer = await new Promise((done, fail) => {
    port.onmessage = ({ data }) => done(data);
    if (port instanceof Worker) port.onerror = ({ message }) => fail(new Error(message));
  });
  if (answer.error) throw new Error(answer.error);
  return answer;
}
