"""The audio thread by itself: what its processors play, sample by sample."""

from __future__ import annotations

import json

import numpy as np
import pytest
from page_side import run

from stemlab.widgets import WORKLET
from stemlab.widgets.decks.console import _STRETCH

RATE = 44_100
# A song of one stem and a second, half as loud as can be.
MIXER = """
const block = 16384, length = sampleRate;
const mixer = new Mixer({ processorOptions: { stems: 1, length, block } });
const sound = new Int16Array(2 * block).fill(8192);
for (let k = 0; k * block < length; k++) mixer.obey({ block: k, samples: sound, whole: true });
"""


@pytest.mark.parametrize(
    ("loop", "start", "ends"),
    [
        (None, 0.5, True),
        ([0.1, 0.2], 0.5, True),  # the playhead is behind it
        ([0.1, 0.2], 0.15, False),
        ([0.1, 1.0], 0.5, False),  # it ends with the song
        ([0.1, 0.9985], 0.5, False),  # or just before
    ],
)
def test_a_song_ends_unless_the_playhead_is_in_a_loop(
    loop: list[float] | None, start: float, ends: bool
) -> None:
    span = json.dumps(loop and [round(edge * RATE) for edge in loop])
    code = f"""{MIXER}
      mixer.obey({{ seek: {start * RATE}, loop: {span} }});
      mixer.obey({{ play: true, at: 0 }});
      const [left] = played(mixer, 2);
      const ends = mixer.port.posted.filter((told) => told.ended).length;
      tell([ends, left.slice(-128).every((value) => value === {0 if ends else 0.5})]);
    """
    assert run(WORKLET, code) == [int(ends), True]


# A deck of two stems that plays tones.
DECK = """
const block = 16384, length = 4 * sampleRate, stems = 2;
const deck = new DeckProcessor({ processorOptions: { stems, length, block } });
for (let k = 0; k * block < length; k++) {
  const samples = Int16Array.from({ length: 2 * stems * block }, (_, i) => 8192 * Math.sin(i / 20));
  deck.obey({ block: k, samples, whole: true });
}
while (!deck.spare.length) await new Promise((done) => setTimeout(done));
"""


def test_gains_that_are_due_come_at_their_frames() -> None:
    """Each of several; meanwhile a fader moves."""
    due = [{"stem": 0, "gain": [0, 0], "at": RATE}, {"stem": 1, "gain": [1, 1], "at": 1.5 * RATE}]
    code = f"""{DECK}
      deck.obey({{ gains: [[1, 1], [0, 0]], due: {json.dumps(due)} }});
      deck.obey({{ seek: 0, play: true, at: 0 }});
      const sides = played(deck, 0.5, 2);
      deck.obey({{ gains: [[0.5, 0.5], [0, 0]], due: {json.dumps(due)} }});
      const after = played(deck, 1.5, 2);
      tell(sides.map((side, s) => [...side, ...after[s]]));
    """
    first, second = np.abs(run(_STRETCH, code))[:, : 2 * RATE].reshape(2, 20, -1).max(2)
    np.testing.assert_allclose(first[[4, 9, 11]], [0.5, 0.25, 0], atol=0.05)
    np.testing.assert_allclose(second[[9, 14, 16]], [0, 0, 0.5], atol=0.05)
