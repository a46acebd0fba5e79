"""A deck on the page, by itself: where its jumps and its loops come to."""

from __future__ import annotations

import json

import pytest
from page_side import run

from stemlab.widgets import module

# A deck that stands still at a second of a song of 20 s, with beats at 0.3, 0.8 and so on.
STANDING = """
const facts = { bpm: 120, first_beat: 0.3, knots: [], duration: 20, loop: %s };
const keep = (name) => (value) => (facts[name] = value);
const table = Object.assign(Object.create(Turntable.prototype), {
  model: { get: (name) => facts[name], set: (name, value) => keep(name)(value), save_changes() {} },
  stretch: { at: () => %s },
  deck: { playing: false, seek: keep("position"), loop: keep("span") },
  partner: null,
});
"""


@pytest.mark.parametrize(
    ("loop", "here", "beats", "moved", "then"),
    [
        ([4.3, 6.3], 5.0, -4, [2.3, 4.3], 3.0),
        ([0.3, 2.3], 1.0, -4, [0.3, 2.3], None),  # there is no beat before it
        ([1.3, 3.3], 2.0, -4, [0.3, 2.3], 1.0),
        ([17.3, 19.3], 18.0, 4, [17.8, 19.8], 18.5),
        ([4.3, 6.3], 9.0, 4, [4.3, 6.3], 11.0),  # it has left the loop
        ([], 0.5, -4, [], 0.0),
        ([], 19.1, 4, [], 19.6),
    ],
)
def test_a_beat_jump_stays_in_the_song(
    loop: list[float], here: float, beats: int, moved: list[float], then: float | None
) -> None:
    told = run(
        module("decks/turntable.js"),
        f"{STANDING % (json.dumps(loop), here)} table.beatJump({beats});"
        "tell([facts.loop, facts.position]);",
    )
    assert told[0] == pytest.approx(moved)
    assert told[1] == (then if then is None else pytest.approx(then))


@pytest.mark.parametrize(
    ("loop", "span"), [([-0.2, 1.8], [0, 1.8]), ([], None), ([-2, -1], None), ([3, 2], None)]
)
def test_a_loop_begins_in_the_song(loop: list[float], span: list[float] | None) -> None:
    """No block comes for what is ahead of it: the deck would be silent."""
    code = f"{STANDING % (json.dumps(loop), 0)} table.applyLoop(); tell(facts.span);"
    assert run(module("decks/turntable.js"), code) == span


# Vocals go and drums come at one frame; what the audio thread is told, and would then play.
SWAPPED = """
const facts = { levels: [1, 0.5], mutes: [false, true], solos: [false, false], pans: [0, 0] };
const heard = [];
const setGains = (gains, due) => {
  const now = gains.map(([left]) => left);
  for (const { stem, gain } of due) now[stem] = gain[0];
  heard.push(now);
};
const table = Object.assign(Object.create(Turntable.prototype), {
  model: { get: (name) => facts[name], save_changes() {}, set(name, value) {
    facts[name] = value;
    table.applyGains();
  } },
  stems: ["vocals", "drums"], turning: new Map(), coming: new Map(), echoing: new Set(),
  stretch: { setGains }, deck: { song: { rate: 44100 } }, context: { currentTime: 0 },
});
table.hand(0, false, 441);
table.hand(1, true, 441);
while (table.turning.size) await new Promise((done) => setTimeout(done));
tell([heard, facts.levels, facts.mutes]);
"""


def test_stems_that_are_swapped_together_change_together() -> None:
    """What follows the first neither forgets the second nor takes it back."""
    heard, levels, mutes = run(module("decks/turntable.js"), SWAPPED)
    assert heard[0] == [0, 0]
    assert heard[1:] == [[0, 0.5]] * (len(heard) - 1)
    assert (levels, mutes) == ([1, 0.5], [True, False])
