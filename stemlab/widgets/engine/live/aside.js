// Beside the audio thread: where that is too slow, all of the live module runs in a Worker, which plays its part.
// Hops come through a port from `stemlab-relay`, and go back as sound; the page speaks to the Worker as to the node.

const QUANTA = 128;
const worker = /** @type {any} */ (globalThis);

/** @type {Record<string, any>} */
const PROCESSORS = {};

if (!worker.AudioWorkletProcessor) {
  worker.AudioWorkletProcessor = class {
    port = worker;
  };
  worker.registerProcessor = (/** @type {string} */ name, /** @type {any} */ kind) => (PROCESSORS[name] = kind);
  worker.onmessage = (/** @type {MessageEvent} */ { data: { processorOptions, relay } }) => {
    worker.sampleRate = processorOptions.card.sample_rate;
    worker.currentFrame = 0;
    const processor = new PROCESSORS["stemlab-separator"]({ processorOptions });
    relay.onmessage = (/** @type {MessageEvent} */ { data: [run, hop] }) => relay.postMessage([run, played(processor, hop)]);
  };
}

/** What a processor makes of a hop, quantum by quantum. @param {any} processor @param {Float32Array[]} hop */
function played(processor, hop) {
  const made = hop.map(({ length }) => new Float32Array(length));
  for (let at = 0; at < hop[0].length; at += QUANTA) {
    const part = (/** @type {Float32Array} */ side) => side.subarray(at, at + QUANTA);
    processor.process([hop.map(part)], [made.map(part)]);
    worker.currentFrame += QUANTA;
  }
  return made;
}
