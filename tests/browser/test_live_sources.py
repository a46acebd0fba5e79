"""What live separation listens to: inputs by name, other rates, mono, tabs, media elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from chromium import chromium
from conftest import FLAGS, MICROPHONE, PATIENCE, Lab, Notebook
from test_live_page import RATE, delay

from stemlab import demo
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SHOW = """
from stemlab.widgets.live import LivePlayer
live = LivePlayer()
display(live)
"""
TONE = 440
TAB = f"""<title>Song of another tab</title><script>
const context = new AudioContext();
const tone = new OscillatorNode(context, {{ frequency: {TONE} }});
tone.connect(new GainNode(context, {{ gain: 0.3 }})).connect(context.destination);
tone.start();
</script>"""
# A stream of another rate, as from a sound card that is set so.
AT_48_KHZ = """async (name) => {
  const live = stemlab.players.get(name).live;
  const context = new AudioContext({ sampleRate: 48000 });
  const tone = new OscillatorNode(context, { frequency: 440 });
  const sink = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
  tone.connect(new StereoPannerNode(context, { pan: -0.5 })).connect(sink);
  tone.start();
  const model = await live.model.widget_manager.get_model(
    live.model.get("heard").replace("IPY_MODEL_", ""));
  model.captureStream = async () => sink.stream;
}"""


class Ear:
    """A live player in a notebook."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        notebook.run(SHOW)
        self.name = notebook.run("print(live.model_id)").strip()
        self.live = f"stemlab.players.get('{self.name}').live"
        notebook.wait(f"globalThis.stemlab?.players.has('{self.name}')")

    def choose(self, source: str) -> None:
        """Take a source from the list."""
        self.page.get_by_role("combobox", name="Source").select_option(source)

    def start(self) -> None:
        """Press Start."""
        self.page.get_by_role("button", name="Start", exact=True).click()

    def wait(self) -> None:
        """Wait until stems are played."""
        self.notebook.wait(f"{self.live}.playing && {self.live}.report.input > 0", 2 * PATIENCE)

    def says(self, sentence: str) -> None:
        """Wait until it tells of its source."""
        told = self.page.get_by_role("status", name="What is heard")
        told.filter(has_text=sentence).wait_for()

    def complains(self, sentence: str) -> None:
        """Wait until it tells what is wrong, and has stopped."""
        self.page.locator(".stemlab-live .complaint", has_text=sentence).wait_for()
        self.notebook.eventually("live.running", "False")

    def close(self) -> None:
        """End it."""
        self.notebook.run("live.close()")


@pytest.fixture
def ear(notebook: Notebook) -> Iterator[Ear]:
    ear = Ear(notebook)
    yield ear
    ear.close()


def pitch(ear: Ear) -> float:
    """Return the strongest frequency of all stems together in Hz."""
    sound = ear.notebook.record(ear.name, 1).mean(1)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * RATE / len(sound))


def test_inputs_are_chosen_by_name_and_heard_as_they_are(ear: Ear) -> None:
    ear.start()
    ear.wait()
    ear.notebook.wait(f"{ear.live}.model.get('sources').length > 3")
    names = ear.notebook.page.evaluate(f"{ear.live}.model.get('sources')")
    assert (names[0], names[-1]) == ("microphone", "tab")
    ear.choose(names[2])
    ear.notebook.wait(f"{ear.live}.track?.label === '{names[2]}'")
    ear.wait()
    ear.says(names[2])
    device = ear.page.evaluate(f"{ear.live}.track.getSettings()")
    effects = ("echoCancellation", "noiseSuppression", "autoGainControl")
    assert not any(device[effect] for effect in effects)
    assert device["channelCount"] == 2
    ear.notebook.eventually("live.source", names[2])
    ear.notebook.run("live.source = 'Turntable'")
    ear.complains("Turntable is not here")


def test_a_mono_input_of_another_rate(ear: Ear, lab: Lab) -> None:
    """Its pitch is right, both ears hear the same, the stems are what went in."""
    microphone = lab.root.parent / MICROPHONE
    usual = microphone.read_bytes()
    mono = load(demo.path(), 48_000).samples[15 * 48_000 : 30 * 48_000, :1]
    tone = 0.3 * np.sin(2 * np.pi * TONE * np.arange(len(mono))[:, None] / 48_000)
    soundfile.write(microphone, 0.1 * mono + tone, 48_000, subtype="FLOAT")
    try:
        ear.start()
        ear.wait()
        ear.says("mono: both ears hear the same, equally loud")
        delay(ear.notebook, ear.name)
        assert pitch(ear) == pytest.approx(TONE, abs=1)
        left, right = ear.notebook.record(ear.name, 1).T
        assert np.abs(left).max() > 0.1
        np.testing.assert_allclose(left, right, atol=1e-3)
    finally:
        microphone.write_bytes(usual)


def test_a_stream_of_another_rate(ear: Ear) -> None:
    ear.notebook.run("import ipywebrtc; live.heard = ipywebrtc.MediaStream()")
    ear.notebook.wait(f"{ear.live}.model.get('heard')")
    ear.page.evaluate(AT_48_KHZ, ear.name)
    ear.choose("heard")
    ear.start()
    ear.wait()
    assert pitch(ear) == pytest.approx(TONE, abs=1)
    left, right = np.abs(ear.notebook.record(ear.name, 1)).max(0)
    assert left > 1.5 * right > 0.05


def test_a_media_element_is_heard(ear: Ear) -> None:
    """A file in an `AudioStream`, which nobody plays aloud."""
    ear.notebook.run(f"""
import ipywebrtc
live.heard = ipywebrtc.AudioStream.from_file({str(demo.path())!r})
live.source = "heard"
live.running = True""")
    ear.wait()
    ear.notebook.wait(f"{ear.live}.report.peaks.some((peak) => peak > 0.02)")
    delay(ear.notebook, ear.name)


def test_a_page_that_comes_back_listens_again(lab: Lab) -> None:
    ear = Ear(lab.open())
    ear.start()
    ear.wait()
    ear.notebook.save()
    ear.page.reload()
    ear.notebook.wait(f"globalThis.stemlab?.players.has('{ear.name}')", 2 * PATIENCE)
    ear.wait()
    delay(ear.notebook, ear.name)
    other = lab.join(ear.notebook)
    other.wait(f"globalThis.stemlab?.players.has('{ear.name}')", 2 * PATIENCE)
    other.page.locator(".stemlab-live .complaint", has_text="Another page is listening").wait_for()
    other.page.get_by_role("button", name="Start", exact=True).click()
    other.wait(f"{ear.live}.playing", 2 * PATIENCE)
    ear.notebook.wait(f"!{ear.live}.source")
    ear.close()


@pytest.fixture
def sharing(lab: Lab) -> Iterator[tuple[Ear, Page]]:
    """Open a notebook in a browser that shares a song's tab when asked for one, and that tab."""
    flags = [flag for flag in FLAGS if not flag.startswith("--use-fake-ui")]
    browser = lab.browser.browser_type.launch(
        executable_path=chromium(),
        args=[*flags, "--auto-select-tab-capture-source-by-title=Song of another tab"],
        ignore_default_args=["--mute-audio"],  # a mute tab has nothing to share
    )
    beside = Lab(lab.root, lab.address, lab.token, browser)
    notebook = beside.open()
    page = lab.root.parent / "song.html"
    page.write_text(TAB)
    song = notebook.page.context.new_page()
    song.goto(page.as_uri())
    notebook.page.bring_to_front()
    ear = Ear(notebook)
    yield ear, song
    ear.close()
    browser.close()


def test_another_tab_is_heard_until_it_is_closed(sharing: tuple[Ear, Page]) -> None:
    ear, song = sharing
    ear.choose("tab")
    ear.start()
    ear.wait()
    ear.says("the tab itself is silent")
    assert pitch(ear) == pytest.approx(TONE, abs=1)
    song.close()
    ear.complains("its tab was closed")


SHARE = "() => { navigator.mediaDevices.getDisplayMedia = %s; }"


@pytest.mark.parametrize(
    ("shared", "told"),
    [
        ("async () => document.createElement('canvas').captureStream()", "without its sound"),
        ("async () => { throw new DOMException('no', 'NotAllowedError'); }", "No tab was shared"),
        ("async () => { throw new DOMException('no', 'InvalidStateError'); }", "press Start"),
        ("undefined", "cannot share a tab"),
    ],
)
def test_a_tab_that_cannot_be_heard_is_told(ear: Ear, shared: str, told: str) -> None:
    ear.page.evaluate(SHARE % shared)
    ear.choose("tab")
    ear.start()
    ear.complains(told)
