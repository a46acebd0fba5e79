"""The tuning lab: every control of it moved on the page, measured in what is heard and shown."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from axe import faults
from conftest import PATIENCE, Notebook
from test_notebooks import PICTURES, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

pytestmark = pytest.mark.browser

# The input of the control with a label: a field, a list, or the handle of a slider.
INPUT = """xpath=//*[contains(@class, "stemlab-tune")]
//label[normalize-space()="{}"]/..//*[self::input or self::select or @role="slider"]"""
TOP = """jupyterapp.shell.currentWidget.content.node
  .querySelector(".jp-WindowedPanel-outer").scrollTo(0, 0)"""
SEEN = """() => {
  const { song } = [...document.querySelectorAll(".stemlab-maskview")].at(-1).view;
  return [song.grid.columns, song.painted.every((one) => one),
    song.bytes.reduce((sum, byte, i) => (sum * 31 + byte + i) % 4294967291, 0)];
}"""
PLAYER = "lab.player.model_id"
# What a change of each control changes on this passage, which lies within one of the model's
# windows: what is heard and seen, or the account alone.
MOVES = {
    "hop": ("fill", "512", True),
    "window": ("fill", "2048", True),
    "shape": ("fill", "kaiser 8.6", True),
    "exponent": ("press", "PageUp", True),
    "extension": ("choose", "even", True),
    "precision": ("choose", "4-bit weights", True),
    "runtime": ("choose", "tflite-runtime", False),
    "threads": ("press", "PageDown", False),
    "look-ahead": ("press", "PageUp", False),
    "overlap": ("press", "PageDown", False),
    "past": ("press", "PageUp", False),
    "start": ("press", "PageUp", True),
    "model": ("choose", "stemlab-4-fast", True),
}
FAULTS = {
    "hop": ("4096000", "is longer than the window of 4096 samples"),
    "shape": ("hahn", "name one that scipy.signal.get_window knows"),
    "references": ("{}/short", "bass ends at 5.0 s, the mix at 57.7 s"),
}


@pytest.fixture(scope="module")
def tuned(lab: Lab) -> Iterator[Notebook]:
    """Run the notebook; show its panel, which plays the vocals alone."""
    page = opened(lab, "03_tuning.ipynb")
    notebook = Notebook(page)
    page.evaluate(TOP)
    play = page.get_by_role("button", name="Play", exact=True).first
    play.wait_for(state="visible")
    box = play.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / "tuning.png")
    play.click()
    notebook.run("""
import numpy as np
lab.player.solo('vocals')
first = {name: control.value for name, control in lab.controls.items()}
print(lab.wait(200))""")
    notebook.wait(f"stemlab.players.get('{player(notebook)}').now() > 0.2")
    notebook.wait(f"({SEEN})()[1]")
    page.locator(".stemlab-tune h2").first.evaluate("it => it.scrollIntoView({ block: 'center' })")
    panel = PICTURES / "tuning_panel.png"  # the notebook's part of the window
    page.screenshot(path=panel, clip={"x": 290, "y": 90, "width": 872, "height": 780})
    yield notebook
    page.context.close()


def player(notebook: Notebook) -> str:
    return notebook.run(f"print({PLAYER})").strip()


def move(notebook: Notebook, label: str, act: str, to: str) -> None:
    """Move a control on the page as a user does."""
    control = notebook.page.locator(INPUT.format(label)).first
    if act == "fill":
        control.fill(to)
        control.press("Enter")
    elif act == "choose":
        control.select_option(to)
    else:
        control.press(to)


def follow(notebook: Notebook, turn: int) -> int:
    """Wait until a move has come to the kernel and is done; return how many have."""
    code = f"""
import time
end = time.monotonic() + 60
while lab._orders.newest.turn <= {turn} and time.monotonic() < end: time.sleep(0.01)
print(lab.wait(200), lab._orders.newest.turn)"""
    done, now = notebook.run(code).split()
    assert (done, int(now) > turn) == ("True", True)
    return int(now)


def vocals(notebook: Notebook, lab: Lab) -> Samples:
    """Return the vocals that the kernel holds, [samples, 2]."""
    path = lab.root / f"{secrets.token_hex(4)}.npy"
    notebook.run(f"np.save({str(path)!r}, lab.outcome.stems['vocals'].samples)")
    samples: Samples = np.load(path)
    return samples


def heard(notebook: Notebook) -> Samples:
    """Return half a second of what is heard, away from the loop's ends."""
    notebook.page.evaluate("id => stemlab.players.get(id).seek(1)", player(notebook))
    notebook.wait(f"stemlab.players.get('{player(notebook)}').now() > 1.1")
    return notebook.record(player(notebook), 0.5)


def likeness(sound: Samples, stem: Samples) -> float:
    """Return by how many dB a sound is above its difference to its place in a stem that loops."""
    size = len(stem)
    spectra = np.fft.rfft(stem[:, 0]) * np.fft.rfft(sound[:, 0], size).conj()
    place = int(np.fft.irfft(spectra, size).argmax())
    there = stem[np.arange(place, place + len(sound)) % size]
    return float(10 * np.log10(np.sum(sound**2) / np.sum((sound - there) ** 2)))


def hears(notebook: Notebook, stem: Samples, *others: Samples) -> bool:
    """Whether a stem comes to be heard, and none of the others; the page may need a while."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        sound = heard(notebook)
        if likeness(sound, stem) > max([30, *(likeness(sound, other) + 6 for other in others)]):
            return True
    return False


def test_every_control_changes_what_it_should(tuned: Notebook, lab: Lab) -> None:
    tuned.run("""
for name, value in first.items(): lab.controls[name].value = value
print(lab.wait(200))""")
    turn, old = int(tuned.run("print(lab._orders.newest.turn)")), vocals(tuned, lab)
    bill, seen = tuned.run("print(lab._bill.value)"), tuned.page.evaluate(SEEN)
    assert hears(tuned, old)
    for label, (act, to, sounds) in MOVES.items():
        move(tuned, label, act, to)
        turn = follow(tuned, turn)
        assert tuned.run("print(lab.faults)").strip() == "{}", label
        before, bill = bill, tuned.run("print(lab._bill.value)")
        assert bill != before, label
        if sounds:
            seen = sees_another(tuned, seen)
            new = vocals(tuned, lab)
            assert hears(tuned, new, old), label
            old = new
    assert tuned.run("print(lab.player.playing)").strip() == "True"
    assert not tuned.problems


def sees_another(notebook: Notebook, seen: list[int]) -> list[int]:
    """Wait until the page shows another whole picture; return what it shows."""
    notebook.wait(f"(([, whole, sum]) => whole && sum !== {seen[2]})(({SEEN})())")
    found: list[int] = notebook.page.evaluate(SEEN)
    return found


def test_what_is_wrong_is_told_beside_the_control(tuned: Notebook, lab: Lab) -> None:
    tuned.run(f"""
from pathlib import Path
from stemlab import Audio, demo, load, save
from stemlab.sound.audio import RATE
for name, path in demo.stem_paths().items():
    Path({str(lab.root)!r}, "short").mkdir(exist_ok=True)
    save(Path({str(lab.root)!r}, "short", name + ".wav"), Audio(load(path).samples[: 5 * RATE]))
lab.controls['n_fft'].value = 4096
print(lab.wait(200))""")
    old = vocals(tuned, lab)
    for label, (value, sentence) in FAULTS.items():
        turn = int(tuned.run("print(lab._orders.newest.turn)"))
        good = tuned.page.locator(INPUT.format(label)).first.input_value()
        move(tuned, label, "fill", value.format(lab.root))
        follow(tuned, turn)
        told = tuned.page.get_by_role("alert").filter(has_text=sentence)
        told.wait_for()
        control, fault = (
            place.bounding_box() for place in (tuned.page.locator(INPUT.format(label)).first, told)
        )
        assert control
        assert fault
        assert 0 <= fault["y"] - (control["y"] + control["height"]) < 30
        assert hears(tuned, old)
        tuned.page.screenshot(path=PICTURES / "tuning_fault.png")
        move(tuned, label, "fill", good)
        told.wait_for(state="detached")
        tuned.run("print(lab.wait(200))")


def test_a_setting_comes_back_from_the_history(tuned: Notebook, lab: Lab) -> None:
    """By the button, and by the keyboard in the list; each is heard."""
    tuned.run("""
lab.choose(first)
print(lab.wait(200))""")
    old = vocals(tuned, lab)
    turn = int(tuned.run("print(lab._orders.newest.turn)"))
    move(tuned, "hop", "fill", "1/2")
    turn = follow(tuned, turn)
    new = vocals(tuned, lab)
    assert hears(tuned, new, old)
    tuned.page.get_by_role("button", name="A/B").click()
    turn = follow(tuned, turn)
    assert hears(tuned, old, new)
    history = tuned.page.get_by_label("history")
    history.select_option(index=0)
    follow(tuned, turn)
    assert hears(tuned, new, old)
    history.scroll_into_view_if_needed()
    tuned.page.screenshot(path=PICTURES / "tuning_history.png")


def test_a_point_names_its_setting_and_is_heard(tuned: Notebook, lab: Lab) -> None:
    tuned.run("""
lab.choose(first)
print(lab.wait(200))""")
    turn = int(tuned.run("print(lab._orders.newest.turn)"))
    figure = tuned.page.locator(".js-plotly-plot").first
    figure.scroll_into_view_if_needed()
    point = figure.locator(".scatterlayer .trace .point").first
    point.wait_for()
    point.hover(force=True)
    told = figure.locator(".hoverlayer")
    told.get_by_text("CPU seconds per second of sound").wait_for()
    words = told.text_content() or ""
    tuned.page.screenshot(path=PICTURES / "tuning_point.png")
    point.click(force=True)
    follow(tuned, turn)
    shown = tuned.run("print(lab.setting.n_fft, lab.setting.hop)").split()
    assert f"n_fft {shown[0]}, hop {shown[1]}" in words
    tuned.run("lab.player.solo('vocals')")  # its model has other stems, so a player of its own
    assert hears(tuned, vocals(tuned, lab))


def test_nothing_is_wider_than_the_page(tuned: Notebook) -> None:
    wide = tuned.page.evaluate(
        """[...document.querySelectorAll(".jp-OutputArea-output")]
          .filter((one) => one.scrollWidth > one.clientWidth + 1).length"""
    )
    assert wide == 0


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_everybody_can_use_the_notebook(tuned: Notebook, theme: str) -> None:
    assert faults(tuned.page, theme) == []
