from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.library.store import Store
from stemlab.pictures.picture import Axis, Picture
from stemlab.separator import Separation, Separator
from stemlab.sound.audio import Audio, load
from stemlab.spectral import Stft
from stemlab.widgets.maskview import COLUMNS, MaskView
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 44_100
STEMS = ("vocals", "drums")


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((int(seconds * RATE), 2), dtype=np.float32)


def half(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.full((*spectrum.shape, 2), 0.5, np.float32)


class Page:
    """What a page would have received."""

    def __init__(self, view: MaskView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.view = view
        self.columns = np.zeros_like(view.picture.columns)
        self.sizes: list[int] = []
        monkeypatch.setattr(view, "send", self.receive)

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        cells = np.frombuffer(buffers[0], np.uint8).reshape(-1, *self.columns.shape[1:])
        self.columns[message["first"] : message["first"] + len(cells)] = cells
        self.sizes.append(len(cells))

    def ask(self) -> None:
        self.view._handle_custom_msg({"kind": "columns"}, [])


def test_a_page_that_asks_gets_all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    spectrum = Stft().analyse(noise(20))
    view = MaskView(Picture.of(spectrum, half(spectrum), STEMS))
    page = Page(view, monkeypatch)
    page.ask()
    np.testing.assert_array_equal(page.columns, view.picture.columns)
    assert max(page.sizes) <= COLUMNS


def test_only_what_is_known_is_sent_and_the_rest_as_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spectrum = Stft().analyse(noise(10))
    picture = Picture(STEMS, len(spectrum))
    view, parts = MaskView(picture), [slice(100, 150), slice(0, 60), slice(300, 310)]
    page = Page(view, monkeypatch)
    picture.paint(100, spectrum[parts[0]], half(spectrum[parts[0]]))
    assert page.sizes == []
    page.ask()
    assert page.sizes == [50]
    for part in parts[1:]:
        view._add(part.start, spectrum[part], half(spectrum[part]))
    assert page.sizes == [50, 60, 10]
    np.testing.assert_array_equal(page.columns, picture.columns)
    page.ask()
    assert page.sizes[3:] == [60, 50, 10]


@pytest.fixture
def player() -> Iterator[StemPlayer]:
    sounds = {name: Audio(0.1 * noise(5, i)) for i, name in enumerate(STEMS)}
    player = StemPlayer(sounds)
    yield player
    player.close()


def test_a_player_paints_its_view(player: StemPlayer) -> None:
    view = MaskView(player)
    assert view.picture.stems == STEMS
    wait_until(lambda: bool(view.picture.painted.all()))
    levels = view.picture.levels()[20:-20, 60:]
    assert -50 < levels.mean() < -30
    view.close()
    assert player._listeners == []


@pytest.mark.parametrize("soon", [True, False])
def test_masks_that_are_known_are_shown_in_place_of_the_sounds(
    player: StemPlayer, soon: bool
) -> None:
    spectrum = Stft().analyse(noise(5))
    masks = np.zeros((*spectrum.shape, 2), np.float32)
    masks[..., 1] = 1
    view = MaskView(player, (spectrum, masks) if soon else None)
    if not soon:
        view.show(spectrum, masks)
    player.replace({name: Audio(0.1 * noise(5, i)) for i, name in enumerate(STEMS)})
    player.settle()
    for scale in ("log", "linear"):
        view.scale = scale
        again = Picture.of(spectrum, masks, STEMS, axis=Axis(scale))
        np.testing.assert_array_equal(view.picture.columns, again.columns)
    view.close()


def test_masks_are_the_models_own_as_they_come(tmp_path: Path) -> None:
    song = Audio(load(demo.path()).samples[: 12 * RATE])
    stft = Stft(2048, 512)
    player = StemPlayer(song, Separator(stft=stft), store=Store(tmp_path))
    view = MaskView(player)
    wait_until(lambda: bool(view.picture.painted.all()))
    player.close()
    [*blocks] = Separator(stft=stft).stream([song.samples])
    whole = Picture(view.stems, stft.frames(len(song.samples)), stft=stft)
    for block in blocks:
        whole.paint(block.frame, block.spectrum, block.masks)
    # The store keeps the mix as 16-bit integers.
    assert np.abs(view.picture.masks() - whole.masks()).mean() < 0.01
    assert np.abs(view.picture.levels() - whole.levels()).mean() < 0.5


def test_a_view_closes_after_its_player(player: StemPlayer) -> None:
    view = MaskView(player)
    player.close()
    view.close()


def test_a_separation_is_shown_whole() -> None:
    stems = {name: Audio(0.1 * noise(3, i)) for i, name in enumerate(STEMS)}
    mix = Audio(stems["vocals"].samples + stems["drums"].samples)
    view = MaskView(Separation(mix, stems))
    assert view.picture.painted.all()
    assert view.player is None
    assert view.levels == [1, 1]
    mixture = Picture.of(Stft().analyse(mix.samples)).columns[:, 0]
    np.testing.assert_allclose(view.picture.columns[:, 0], mixture, atol=1)


def test_the_axis_can_be_linear() -> None:
    stems = {name: Audio(0.1 * noise(3, i)) for i, name in enumerate(STEMS)}
    mix = Audio(stems["vocals"].samples + stems["drums"].samples)
    view = MaskView(Separation(mix, stems))
    view.scale = "linear"
    sounds = {name: stem.samples for name, stem in stems.items()}
    again = Picture.of_stems(sounds, axis=Axis("linear"))
    np.testing.assert_array_equal(view.picture.columns, again.columns)
    assert view.grid["scale"] == "linear"
    fixed = MaskView(again)
    assert fixed.scales == ["linear"]
    with pytest.raises(SettingError, match="a Picture keeps its axis"):
        fixed.scale = "log"


def test_colour_tables_come_for_levels_and_both_themes() -> None:
    spectrum = Stft().analyse(noise(1))
    view = MaskView(Picture.of(spectrum, half(spectrum), STEMS))
    tables = np.frombuffer(view.tables, np.uint8).reshape(-1, 256, 3)
    assert len(tables) == 1 + 2 * len(STEMS)
    assert (tables[0].astype(int).sum(1)[[0, -1]] == [4, 252 + 253 + 191]).all()


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="a str cannot be shown: pass a StemPlayer"):
        MaskView("song.mp3")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"missing\.mp3"):
        MaskView(StemPlayer(tmp_path / "missing.mp3"))


def wait_until(condition: Any, seconds: float = 200) -> None:
    stop = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.02)
