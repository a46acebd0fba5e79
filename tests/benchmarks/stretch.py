"""The decks' time-stretch: cost in the browser and in the kernel, pitch, and where clicks land.

    python tests/benchmarks/stretch.py

Why the decks stretch all stems in one instance in the AudioWorklet, before the faders, and shift
the key by resampling. Prints one JSON object. Speeds are × real time on one core, best of three;
pitch errors in cents, times in milliseconds. Needs ``pip install python-stretch`` to compare.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import python_stretch
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from chromium import chromium

if TYPE_CHECKING:
    from collections.abc import Callable

    Sound = np.ndarray[Any, np.dtype[np.float32]]

RATE = 44_100
VENDOR = Path(__file__).parents[2] / "stemlab/widgets/engine/vendor/signalsmith-stretch.mjs"
FACTORS = (0.84, 1.08, 1.16)
SEMITONES = (-6, -1, 3)
# stretch(samples of one channel, channels, factor, semitones, split) -> sound and milliseconds of
# each quantum; the same sound goes to all channels. The latency is swallowed first, as decks do.
PAGE = """async (source) => {
  const factory = new Function(source + "; return SignalsmithStretch")();
  globalThis.stretch = async (text, channels, factor, semitones, split) => {
    const song = new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const wasm = await factory();
    wasm._main();
    wasm._configure(channels, 5292, 1323, split);
    wasm._setTransposeSemitones(semitones, 8000 / 44100);
    const memory = wasm._setBuffers(channels, 6615);
    const view = (c, n) => new Float32Array(wasm.HEAP8.buffer, memory + 4 * 6615 * c, n);
    const times = [];
    const sound = new Float32Array(128 * Math.floor(song.length / factor / 128 - 100));
    let head = wasm._inputLatency(), carry = 0;
    for (let c = 0; c < channels; c++) view(c, head).set(song.subarray(0, head));
    wasm._seek(head, factor);
    const make = (n) => {
      carry += n * factor;
      const k = Math.floor(carry);
      carry -= k;
      for (let c = 0; c < channels; c++) view(c, k).set(song.subarray(head, head + k));
      head += k;
      const begin = performance.now();
      wasm._process(k, n);
      times.push(performance.now() - begin);
    };
    for (let left = wasm._outputLatency(); left > 0; left -= 128) make(Math.min(left, 128));
    for (let at = 0; at < sound.length; at += 128) {
      make(128);
      sound.set(view(channels, 128), at);
    }
    let bytes = "";
    for (const byte of new Uint8Array(sound.buffer)) bytes += String.fromCharCode(byte);
    return [btoa(bytes), times];
  };
}"""


def stretched(
    page: Page,
    song: Sound,
    factor: float,
    *,
    semitones: int = 0,
    channels: int = 1,
    split: bool = True,
) -> tuple[Sound, Sound]:
    """Return the sound of the first channel, and the milliseconds of each quantum."""
    text = base64.b64encode(song.astype(np.float32).tobytes()).decode()
    sound, times = page.evaluate(
        "(args) => stretch(...args)", [text, channels, factor, semitones, split]
    )
    return np.frombuffer(base64.b64decode(sound), np.float32), np.array(times, np.float32)


def sine(pitch: float, seconds: float = 8) -> Sound:
    """Return a sine of half of full scale."""
    turns = pitch * np.arange(seconds * RATE) / RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * turns), np.float32)


def cents(sound: Sound, pitch: float) -> float:
    """Return how far a steady tone is off its pitch, by the slope of its phase."""
    middle = sound[RATE : 5 * RATE].astype(np.float64)
    turns = np.exp(-2j * np.pi * pitch * np.arange(len(middle)) / RATE)
    parts = np.lib.stride_tricks.sliding_window_view(middle * turns, 8192)[::1024]
    phase = np.unwrap(np.angle(parts @ np.hanning(8192)))
    slope = np.polyfit(np.arange(len(phase)) * 1024 / RATE, phase, 1)[0] / (2 * np.pi)
    return round(1200 * float(np.log2((pitch + slope) / pitch)), 2)


def click_errors(page: Page, factor: float) -> list[float]:
    """Return the least, median and greatest delay of clicks half a second apart."""
    song = np.zeros(12 * RATE, np.float32)
    for at in range(RATE // 2, len(song) - 200, RATE // 2):
        song[at : at + 200] = 0.6 * np.exp(-np.arange(200) / 25) * (-1.0) ** np.arange(200)
    sound, _ = stretched(page, song, factor)
    due = np.arange(RATE // 2, factor * (len(sound) - 3000), RATE // 2) / factor
    near = [round(at) + np.arange(-2000, 2000) for at in due]
    delays = [
        1000 / RATE * (n[np.abs(sound[n]).argmax()] - at) for n, at in zip(near, due, strict=True)
    ]
    return [round(float(f(delays)), 2) for f in (np.min, np.median, np.max)]


def speed(page: Page, channels: int, *, split: bool = True) -> dict[str, float]:
    """Return × real time in the browser, and the quantum that one in a hundred exceeds."""
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    runs = [stretched(page, noise, 1.08, channels=channels, split=split)[1] for _ in range(3)]
    best = min(runs, key=np.sum)
    return {
        "× real time": round(1000 * len(best) * 128 / RATE / float(best.sum()), 1),
        "quantum, 99 % (ms of 2.9)": round(float(np.percentile(best, 99)), 2),
    }


def kernel_speed(channels: int) -> float:
    """Return × real time of python-stretch."""
    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(channels, RATE)
    stretch.timeFactor = 1.08
    noise = np.random.default_rng(0).normal(0, 0.1, (channels, 10 * RATE)).astype(np.float32)
    return round(10 / min(_seconds(lambda: stretch.process(noise)) for _ in range(3)), 1)


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main(page: Page) -> dict[str, Any]:
    """Measure all."""
    page.evaluate(PAGE, VENDOR.read_text().split("function registerWorkletProcessor(")[0])
    tones = (41.2, 55.0, 110.0, 440.0)
    shifts = {semitones: 2 ** (semitones / 12) for semitones in SEMITONES}
    return {
        "speed in the browser, stereo mix": speed(page, 2),
        "speed in the browser, four stereo stems": speed(page, 8),
        "the same, each hop at once": speed(page, 8, split=False),
        "speed of python-stretch, stereo mix": kernel_speed(2),
        "speed of python-stretch, four stereo stems": kernel_speed(8),
        "cents off, other tempo": {
            tone: [cents(stretched(page, sine(tone), f)[0], tone) for f in FACTORS]
            for tone in tones
        },
        "cents off, key by the library": {
            tone: [
                cents(stretched(page, sine(tone), 1, semitones=s)[0], tone * p)
                for s, p in shifts.items()
            ]
            for tone in tones
        },
        # Read `p` times as fast: a tone that was `tone` in the stretched sound becomes tone · p.
        "cents off, key by reading a stretch faster": {
            tone: [cents(stretched(page, sine(tone), 1 / p)[0], tone) for p in shifts.values()]
            for tone in tones
        },
        "clicks late by ms (least, median, most)": {f: click_errors(page, f) for f in FACTORS},
    }


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        sys.stdout.write(json.dumps(main(browser.new_page()), indent=1, ensure_ascii=False) + "\n")
        browser.close()
