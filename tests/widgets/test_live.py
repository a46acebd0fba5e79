"""The kernel's side of live input, with blocks as a page sends them."""

from __future__ import annotations

import errno
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from page_side import run

from stemlab.errors import SettingError
from stemlab.model import find
from stemlab.sound.audio import load
from stemlab.widgets import module
from stemlab.widgets.live import LivePlayer
from stemlab.widgets.maskview import MaskView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stemlab.separator import StemBlock
    from stemlab.spectral import Samples

BLOCK = 8192


# A page that has listened for a minute when a picture of another network's frames is asked for.
EXCHANGED = """
globalThis.stemlab = { page: "here" };
globalThis.Worker = class {};
const facts = { stems: [], levels: [], mutes: [], solos: [], pans: [] };
const live = new Live({ get: (name) => facts[name] });
const said = [];
const voice = (name) => {
  const port = { postMessage: (order) => said.push([name, order]) };
  return { port, node: { port, connect() {}, disconnect() {} } };
};
const chain = { voice: voice("old"), master: {}, engine: { card: { sha256: "old" } } };
Object.assign(live, { chain, report: { time: 60 } });
live.watch("new", { network: "new" }, () => {});
chain.engine = { card: { sha256: "new" } };
live.replace(chain, voice("new"));
tell(said.filter(([, order]) => "rows" in order || "time" in order));
"""


def test_a_picture_is_made_by_the_network_whose_frames_it_has() -> None:
    """Of another the columns have other numbers; the clock they are numbered by goes on."""
    before, clock, after = run(module("live.js"), EXCHANGED)
    assert before == ["old", {"view": "new", "rows": None}]
    assert clock == ["new", {"time": 60}]
    assert after == ["new", {"view": "new", "rows": {"network": "new"}}]


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivePlayer]:
    monkeypatch.chdir(tmp_path)
    player = LivePlayer()
    yield player
    player.close()


def sound(seed: int = 0) -> Samples:
    """Return an input and three of its four stems, [4, 2, n], as a page sends them."""
    noise = np.random.default_rng(seed).uniform(-0.2, 0.2, (4, 2, BLOCK))
    sound: Samples = noise.astype(np.float32)
    return sound


def send(player: LivePlayer, start: int, line: str = "a", block: Samples | None = None) -> None:
    block = sound() if block is None else block
    message = {"kind": "sound", "line": line, "start": start}
    player._receive(player, message, [memoryview(block.tobytes())])


def mark(player: LivePlayer, *, on: bool) -> None:
    player._receive(player, {"kind": "mark", "on": on}, [])


def test_a_page_gets_all_that_it_needs(player: LivePlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(player, "send", lambda *message: sent.append(message))
    ask = {"kind": "engine", "runtime": "litert_wasm_internal"}
    player._receive(player, ask | {"model": "what was chosen before"}, [])
    player._receive(player, ask | {"model": player._model}, [])
    [(message, buffers)] = sent
    assert message["model"] == player._model
    assert message["card"]["hop"] == player.card.hop
    text, wasm, network = (gzip.decompress(buffer) for buffer in buffers)
    assert b"stemlab-separator" in text
    assert wasm.startswith(b"\0asm")
    assert network == player.card.path.read_bytes()
    assert sum(map(len, buffers)) < 7_000_000


def test_another_model_takes_over(player: LivePlayer) -> None:
    """A view of it then has the frames of that."""
    assert list(player.models.values()) == ["Sooner: 35 ms", "Cleaner: 93 ms"]
    view = MaskView(player)
    first, before = player._model, view.grid["pace"]
    player.model = "stemlab-4-live-100"
    assert player.card.name == player.model
    assert player._model == player.card.sha256 != first
    assert view.grid["pace"] == before / 2
    assert view.grid["network"] == player._model
    with pytest.raises(SettingError, match=r"choose one of stemlab-4-live, stemlab-4-live-100"):
        player.model = "/etc/passwd"
    assert player.model == "stemlab-4-live-100"


def test_a_model_of_ones_own_stands_beside_the_shipped_ones(tmp_path: Path) -> None:
    shipped, own = find("stemlab-4-live"), tmp_path / "mine.tflite"
    facts = json.loads(shipped.path.with_suffix(".json").read_text(encoding="utf-8"))
    own.write_bytes(shipped.path.read_bytes())
    own.with_suffix(".json").write_text(json.dumps(facts | {"name": "mine"}), encoding="utf-8")
    player = LivePlayer(model=own)
    assert player.models["mine"] == "mine: 35 ms"
    assert (player.model, len(player.models)) == ("mine", 3)
    player.close()


def test_a_model_that_reads_windows_is_told() -> None:
    assert "reads whole windows" in LivePlayer(model="stemlab-4-fast").error


def test_blocks_are_wanted_only_while_somebody_takes_them(player: LivePlayer) -> None:
    blocks: list[StemBlock] = []
    wanted = [player._kept]
    player.on_block(blocks.append)
    wanted.append(player._kept)
    send(player, 512)
    player.on_block(blocks.append, remove=True)
    assert [*wanted, player._kept] == [False, True, False]
    send(player, 512 + BLOCK)
    [block] = blocks
    np.testing.assert_array_equal(block.mix, sound()[0].T)
    np.testing.assert_allclose(block.stems.sum(0), block.mix, atol=1e-6)
    assert block.masks.shape == (BLOCK // player.stft.hop, player.stft.bins, 2, 4)


def test_what_the_page_left_out_is_silence_and_told(player: LivePlayer) -> None:
    blocks: list[StemBlock] = []
    player.on_block(blocks.append)
    for line, start, missing in [
        ("a", 99, 0),
        ("a", 99 + BLOCK, 0),
        ("b", 7, 0),
        ("b", 90_007, 90_000 - BLOCK),
    ]:
        send(player, start, line)
        assert player.missing == missing
    assert "did not reach Python" in player.notice
    ends = [block.start + len(block.mix) for block in blocks]
    assert ends[:-1] == [block.start for block in blocks[1:]]
    assert not blocks[-2].mix.any()


def test_a_take_begins_and_ends_where_the_page_says(player: LivePlayer) -> None:
    player.running = True
    player.recording = True
    send(player, 0)
    mark(player, on=True)
    send(player, BLOCK, block=sound(1))
    send(player, 2 * BLOCK, block=sound(2))
    player.recording = False
    send(player, 3 * BLOCK, block=sound(3))  # it was on its way
    mark(player, on=False)
    send(player, 4 * BLOCK)
    assert player.saved == f"0.6 s of input and stems saved in {player.folder}"
    heard = load(f"{player.folder}/input.flac").samples
    expected = np.concatenate([sound(seed)[0].T for seed in (1, 2, 3)])
    np.testing.assert_allclose(heard, expected, atol=2**-22)
    stems = [load(f"{player.folder}/{name}.flac").samples for name in player.stems]
    np.testing.assert_allclose(np.sum(stems, axis=0), expected, atol=1e-6)


def test_a_take_without_a_page_ends_at_once(player: LivePlayer) -> None:
    player.recording = True
    player.recording = False
    assert player.saved.startswith("0.0 s")
    assert not player._kept


def test_a_player_that_is_closed_leaves_a_whole_take(player: LivePlayer) -> None:
    player.recording = True
    mark(player, on=True)
    send(player, 0)
    player.close()
    assert len(load(f"{player.folder}/vocals.flac").samples) == BLOCK


def test_what_cannot_be_written_ends_the_take(
    player: LivePlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_sound: Samples) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    player.recording = True
    mark(player, on=True)
    send(player, 0)
    assert player._recording
    monkeypatch.setattr(player._recording._files[2], "write", full)
    send(player, BLOCK)
    assert not player.recording
    assert "No space left on device" in player.saved
    assert "0.2 s of input and stems are in" in player.saved
    send(player, 2 * BLOCK)


def test_a_callback_that_fails_does_not_stop_the_page(
    player: LivePlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until a block is taken before it sends many more."""

    def fail(_block: StemBlock) -> None:
        raise ValueError("of a callback")

    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(player, "send", sent.append)
    player.on_block(fail)
    with pytest.raises(ValueError, match="of a callback"):
        send(player, 0)
    assert sent == [{"kind": "taken"}]
