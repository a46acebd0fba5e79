"""The audio thread by itself: what its processors play, sample by sample."""

from __future__ import annotations

import json

import pytest
from page_side import run

from stemlab.widgets import WORKLET

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
