// The delay of the chain as it is: a hiss is played into it and found again by correlation.

const LENGTH = 16384; // samples listened to: a third of a second
const HISS = 4096; // samples
const LOUD = 0.25;
const ALIKE = 0.1; // correlation below which the hiss has not been found

/**
 * @param {AudioContext} context @param {AudioNode} start of the chain @param {AudioNode} end of it
 * @returns {Promise<number | null>} seconds; null where the hiss does not come out
 */
export async function measure(context, start, end) {
  const hiss = Float32Array.from({ length: HISS }, () => LOUD * (2 * Math.random() - 1));
  const buffer = new AudioBuffer({ length: HISS, sampleRate: context.sampleRate });
  buffer.copyToChannel(hiss, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  const ear = new AudioWorkletNode(context, "stemlab-ear", {
    numberOfInputs: 2, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit", processorOptions: { length: LENGTH },
  });
  source.connect(start);
  source.connect(ear, 0, 0);
  end.connect(ear, 0, 1);
  source.start();
  const [sent, heard] = await new Promise((done) => (ear.port.onmessage = ({ data }) => done(data)));
  end.disconnect(ear);
  const late = lag(sent, heard);
  return late === null ? null : late / context.sampleRate;
}

/** By how many samples one sound comes after another, or null if it does not. @param {Float32Array} sent @param {Float32Array} heard */
function lag(sent, heard) {
  const first = sent.findIndex((value) => value !== 0);
  if (first < 0) return null;
  const hiss = sent.subarray(first, first + HISS);
  const power = (/** @type {Float32Array} */ sound) => Math.sqrt(sound.reduce((sum, value) => sum + value * value, 0));
  let [best, most] = [0, 0];
  for (let late = 0; first + late + HISS <= heard.length; late++) {
    let sum = 0;
    for (let i = 0; i < hiss.length; i++) sum += hiss[i] * heard[first + late + i];
    if (sum > most) [best, most] = [late, sum];
  }
  const found = heard.subarray(first + best, first + best + HISS);
  return most > ALIKE * power(hiss) * power(found) ? best : null;
}
