"""The page's live separation beside Python's."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pytest
from conftest import PATIENCE, WITHIN
from firefox import FirefoxPage, open_firefox
from local_http import serving_folder
from scipy.signal import correlate

from stemlab import demo
from stemlab.live.model import LIVES, StreamModel, delay
from stemlab.live.separator import LiveSeparator
from stemlab.model import find
from stemlab.pictures.picture import CEILING, FLOOR, Axis, Picture
from stemlab.research.metrics import conservation
from stemlab.sound.audio import load
from stemlab.widgets.engine.live import worklet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab
    from numpy.typing import NDArray
    from playwright.sync_api import Page

    from stemlab.card import Card
    from stemlab.spectral import Samples

    AnyPage = Page | FirefoxPage

pytestmark = pytest.mark.browser

SECOND = 44_100
QUANTUM = 128
RUNTIME, COMPAT = "litert_wasm_internal", "litert_wasm_compat_internal"
SOONER, CLEANER = map(find, LIVES)
DELAY = delay(SOONER)
FILES = {
    "index.html": Path(__file__).with_name("live_engine.html").read_bytes(),
    "node.js": (worklet.HERE / "node.js").read_bytes(),
    **{
        f"{card.name}{suffix}": card.path.with_suffix(suffix).read_bytes()
        for card in (SOONER, CLEANER)
        for suffix in (".tflite", ".json")
    },
    **{f"{name}.js": worklet.worklet(name).encode() for name in (RUNTIME, COMPAT)},
    **{f"{name}.wasm.gz": worklet.wasm(name) for name in (RUNTIME, COMPAT)},
}


class Rendered(NamedTuple):
    """What the page made of a sound, from its first sample on."""

    heard: Samples
    stems: Samples
    reports: list[dict[str, Any]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the page; yield its address."""
    folder = tmp_path_factory.mktemp("site")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    with serving_folder(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(lab: Lab, site: str) -> Iterator[Page]:
    page = lab.window()
    page.goto(site)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def firefox(site: str) -> Iterator[FirefoxPage]:
    with open_firefox() as page:
        page.goto(site)
        yield page


@pytest.fixture(params=["page", "firefox"], ids=["chromium", "firefox"])
def any_page(request: pytest.FixtureRequest, page: Page) -> AnyPage:
    """Return the page in each browser."""
    if request.param == "page":
        return page
    other: FirefoxPage = request.getfixturevalue(request.param)
    return other


@pytest.fixture(scope="module")
def song() -> Samples:
    return load(demo.path()).samples[15 * SECOND : 25 * SECOND]


def render(
    page: AnyPage,
    sound: Samples,
    runtime: str = RUNTIME,
    gains: tuple[float, ...] = (1, 1, 1, 1),
    rows: dict[str, Any] | None = None,
    card: Card = SOONER,
) -> Rendered:
    ended = np.concatenate([sound, np.zeros((behind(card), 2), np.float32)])
    pairs = [[gain, gain] for gain in gains]
    found = page.evaluate(
        WITHIN % ("live.render", PATIENCE, PATIENCE),
        [runtime, _texts(ended), card.name, pairs, rows],
    )
    channels = np.array([_channel(text) for text in found["channels"]])[:, behind(card) :]
    heard, *stems = channels.reshape(5, 2, -1).swapaxes(1, 2)
    return Rendered(heard, np.array(stems), found["reports"])


def behind(card: Card) -> int:
    """Return by how many samples the page is late: a quantum that completes a hop plays it, too."""
    return delay(card) - QUANTUM


def reference(sound: Samples, card: Card = SOONER) -> Samples:
    ended = np.concatenate([sound, np.zeros((delay(card), 2), np.float32)])
    stems: Samples = LiveSeparator(StreamModel(card)).push(ended).stems[:, : len(sound)]
    return stems


def differ(found: Samples, expected: Samples, mix: Samples) -> float:
    """Return by how many dB the worst stem's difference lies below the mix."""
    return max(
        conservation(mix, [mix + stem - other])
        for stem, other in zip(found.astype(float), expected, strict=True)
    )


def hard(kind: str) -> Samples:
    """Return two seconds of a sound that breaks what is careless."""
    n = 2 * SECOND
    alone: NDArray[np.float64] = {
        "silence": np.zeros(n),
        "full scale": np.sign(np.sin(2 * np.pi * 110 / SECOND * np.arange(n) + 0.1)),
        "denormals": np.random.default_rng(0).uniform(-1e-39, 1e-39, n),
        "beyond full scale": np.random.default_rng(1).uniform(-8, 8, n),
    }[kind]
    sides: Samples = np.stack([alone, -0.5 * alone], axis=1).astype(np.float32)
    return sides


@pytest.mark.parametrize(
    ("runtime", "card"),
    [(RUNTIME, SOONER), (COMPAT, SOONER), (RUNTIME, CLEANER)],
    ids=["sooner", "compat", "cleaner"],
)
def test_the_page_gives_the_stems_that_python_gives(
    any_page: AnyPage, song: Samples, runtime: str, card: Card
) -> None:
    found = render(any_page, song, runtime, card=card)
    assert differ(found.stems, reference(song, card), song) < -100
    assert conservation(song, found.stems) < -120
    assert conservation(song, [found.heard]) < -120


@pytest.mark.parametrize("kind", ["silence", "full scale", "denormals", "beyond full scale"])
def test_hard_sounds_between_music(page: Page, song: Samples, kind: str) -> None:
    sound = np.concatenate([song[:SECOND], hard(kind), song[SECOND : 2 * SECOND]])
    found = render(page, sound)
    assert differ(found.stems, reference(sound), sound) < -100
    assert conservation(sound, found.stems) < -120
    assert found.reports[-1]["healed"] == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_what_is_no_number_is_replaced_and_told(page: Page, song: Samples, broken: float) -> None:
    mended = song[: 4 * SECOND].copy()
    mended[SECOND : SECOND + 300, 1] = 0
    sound = mended.copy()
    sound[SECOND : SECOND + 300, 1] = broken
    found = render(page, sound)
    assert found.reports[-1]["healed"] == 300
    assert conservation(mended, found.stems) < -120
    expected = reference(mended)
    before, after = slice(SECOND - DELAY), slice(3 * SECOND, None)
    assert differ(found.stems[:, before], expected[:, before], mended[before]) < -100
    assert differ(found.stems[:, after], expected[:, after], mended[after]) < -20


def test_faders_act_on_what_is_heard(page: Page, song: Samples) -> None:
    found = render(page, song[: 2 * SECOND], gains=(0, 0.5, 0, 2))
    late = slice(SECOND, None)  # they have glided there
    expected = 0.5 * found.stems[1, late] + 2 * found.stems[3, late]
    assert conservation(expected, [found.heard[late]]) < -100
    peaks = np.array([report["peaks"] for report in found.reports])[50:].max(0)
    assert peaks[0] == peaks[2] == 0
    assert 0 < peaks[1] <= 0.5 * np.abs(found.stems[1]).max()


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_pictures_are_those_that_python_paints(
    page: Page, song: Samples, scale: Literal["log", "linear"]
) -> None:
    sound = np.concatenate([np.zeros((SECOND // 2, 2), np.float32), song[: 3 * SECOND]])
    block = LiveSeparator(StreamModel(SOONER)).push(sound)
    expected = Picture(
        SOONER.stems, len(block.spectrum), stft=SOONER.stft, rate=SECOND, axis=Axis(scale)
    )
    expected.paint(block.frame, block.spectrum, block.masks)
    rows = {"starts": expected.starts.tolist(), "stop": expected.stop}
    reports = render(page, sound, rows={**rows, "floor": FLOOR, "ceiling": CEILING}).reports
    posted = [report for report in reports if "view" in report]
    cells = np.concatenate([report["cells"] for report in posted]).astype(int)
    cells = cells.reshape(-1, expected.columns[0].size)
    ends = np.cumsum([len(report["cells"]) for report in posted]) // cells.shape[1]
    assert [report["first"] for report in posted] == [-1, *(ends[:-1] - 1)]
    found = cells[1 : 1 + len(expected.columns)].reshape(-1, *expected.columns.shape[1:])
    expected_cells = expected.columns[: len(found)]
    apart = np.moveaxis(np.abs(found - expected_cells), 1, 2)[expected_cells[:, 0] > 20]
    assert len(found) > 280
    assert (apart <= 1).mean() > 0.999  # of two bins that are equally loud each may be shown
    assert found[:, 0].max() > 150


def test_reports_tell_of_the_input_and_of_the_work(page: Page, song: Samples) -> None:
    sound = song[:SECOND]
    found = render(page, sound)
    assert max(report["input"] for report in found.reports) == np.abs(sound).max()
    assert max(report["wide"] for report in found.reports) == np.ptp(sound, axis=1).max()
    assert sum(len(report["took"]) for report in found.reports) >= SECOND // SOONER.hop


def test_the_newest_runtime_that_the_browser_has_is_taken(any_page: AnyPage) -> None:
    assert any_page.evaluate("() => live.runtime()") == RUNTIME


@pytest.mark.parametrize(
    ("knows", "said"),
    [("(module) => !module.includes(128)", COMPAT), ("() => false", "This browser is too old")],
    ids=["no relaxed SIMD", "no SIMD"],
)
def test_an_older_browser_takes_the_other_runtime_or_is_told(
    page: Page, knows: str, said: str
) -> None:
    """The opcode of the relaxed instruction has a 128; the other module has none."""
    found = page.evaluate(
        """(knows) => {
          const { validate } = WebAssembly;
          WebAssembly.validate = eval(knows);
          try {
            return live.runtime();
          } catch (error) {
            return error.message;
          } finally {
            WebAssembly.validate = validate;
          }
        }""",
        knows,
    )
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("card", "limit"), [(SOONER, 0.035), (CLEANER, 0.1)], ids=["sooner", "cleaner"]
)
def test_in_real_time_it_is_as_late_as_it_says(
    any_page: AnyPage, song: Samples, card: Card, limit: float
) -> None:
    sent, heard = (
        _channel(text)
        for text in any_page.evaluate(
            WITHIN % ("live.play", PATIENCE, PATIENCE),
            [RUNTIME, _texts(song[: 4 * SECOND]), card.name],
        )
    )
    late = int(correlate(heard, sent, "full").argmax()) - len(sent) + 1
    assert late == behind(card)
    assert late / SECOND < limit


def test_a_worker_makes_the_same_where_the_audio_thread_is_too_slow(
    any_page: AnyPage, song: Samples
) -> None:
    found = any_page.evaluate(
        WITHIN % ("live.aside", PATIENCE, PATIENCE),
        [RUNTIME, _texts(song[: 2 * SECOND]), SOONER.name],
    )
    heard = np.stack([_channel(text) for text in found], axis=1)[behind(SOONER) :]
    assert conservation(song[: len(heard)], [heard]) < -120


def _texts(sound: Samples) -> list[str]:
    return [base64.b64encode(side.tobytes()).decode() for side in sound.T]


def _channel(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), np.float32)
