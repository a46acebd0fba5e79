from __future__ import annotations

import os
import subprocess
import sys
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.research.evaluation import score
from stemlab.research.log_wmse import log_wmse
from stemlab.research.metrics import Sdr, bss_eval, conservation, museval_metrics, sdr
from stemlab.sound.audio import load

Sound: TypeAlias = NDArray[np.float64]

# What `reference_scores.py` says of six seconds of the demo, whose stems leak into each other.
REFERENCE = [
    {
        "sdr": 14.77319,
        "si_sdr": 15.45675,
        "log_wmse": 18.28252,
        "l1_freq": 37.52390,
        "bleedless": 9.39475,
        "fullness": 43.12885,
    },
    {
        "sdr": 14.80020,
        "si_sdr": 15.48493,
        "log_wmse": 18.37508,
        "l1_freq": 36.01752,
        "bleedless": 7.64083,
        "fullness": 45.73890,
    },
    {
        "sdr": 13.67572,
        "si_sdr": 13.90974,
        "log_wmse": 18.47605,
        "l1_freq": 37.93174,
        "bleedless": 6.91590,
        "fullness": 41.30564,
    },
    {
        "sdr": 12.13313,
        "si_sdr": 12.00520,
        "log_wmse": 18.35276,
        "l1_freq": 38.16606,
        "bleedless": 8.23689,
        "fullness": 42.87337,
    },
]


def test_sdr_of_known_noise() -> None:
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 100_000, 2))
    assert abs(sdr(signal, signal + 0.1 * noise) - 20) < 0.1


def test_sdr_by_blocks_is_that_of_the_whole() -> None:
    reference, estimate = np.random.default_rng(0).standard_normal((2, 1000, 2))
    account = Sdr()
    for block in np.split(np.arange(1000), [1, 10, 500]):
        account.add(reference[block], estimate[block])
    assert abs(account.value - sdr(reference, estimate)) < 1e-9


def test_limits() -> None:
    one, zero = np.ones(4), np.zeros(4)
    assert sdr(one, one) == np.inf
    assert sdr(one, zero) == 0
    assert np.isnan(sdr(zero, one))
    assert np.isnan(sdr(zero, zero))
    assert abs(conservation(one, [one, 1e-3 * one]) + 60) < 1e-6


def scale_invariant(reference: Sound, estimate: Sound) -> float:
    account = Sdr()
    account.add(reference, estimate)
    return account.scale_invariant


def test_scale_invariant_sdr_forgives_level_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 100_000, 2))
    noisy = signal + 0.1 * noise
    assert scale_invariant(signal, 3 * noisy) == pytest.approx(scale_invariant(signal, noisy))
    assert scale_invariant(signal, noisy) == pytest.approx(20, abs=0.1)
    assert sdr(signal, 3 * noisy) < 0
    assert scale_invariant(signal, 0 * signal) == -np.inf
    assert np.isnan(scale_invariant(0 * signal, signal))


@pytest.fixture(scope="module")
def sounds() -> tuple[Sound, Sound]:
    """Two seconds of two stems, and estimates that leak into each other and add noise."""
    rng = np.random.default_rng(0)
    references = rng.standard_normal((2, 8000, 2))
    leaking = references + 0.1 * references[::-1]
    leaking[1] += 0.3 * rng.standard_normal((8000, 2))
    return references, leaking


def test_bss_eval_tells_interference_from_artefacts(
    sounds: tuple[Sound, Sound],
) -> None:
    first, second = bss_eval(*sounds, rate=4000)
    assert first["sir"] == pytest.approx(20, abs=1)
    assert first["sar"] > 50
    assert second["sar"] == pytest.approx(11, abs=1)


def test_bss_eval_is_that_of_museval(sounds: tuple[Sound, Sound]) -> None:
    wanted = museval_metrics().bss_eval(*sounds, window=4000, hop=4000)
    for name, values in zip(("bss_sdr", "isr", "sir", "sar"), wanted[:4], strict=True):
        given = [stem[name] for stem in bss_eval(*sounds, rate=4000)]
        np.testing.assert_allclose(given, np.median(values, 1))


def test_bss_eval_leaves_out_silent_stems(sounds: tuple[Sound, Sound]) -> None:
    references, estimates = (np.concatenate([part[:1], 0 * part[:1]]) for part in sounds)
    first, silent = bss_eval(references, estimates, rate=4000)
    assert first["bss_sdr"] == pytest.approx(20, abs=1)
    assert np.isnan([*silent.values()]).all()


def test_bss_eval_needs_no_ffmpeg() -> None:
    script = (
        "import numpy as np; from stemlab.research.metrics import bss_eval;"
        "sounds = np.random.default_rng(0).normal(size=(2, 2000, 1));"
        "print(bss_eval(sounds, sounds, rate=1000)[0]['sar'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert float(done.stdout) > 50


def test_without_museval_it_is_named(
    sounds: tuple[Sound, Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemlab.errors.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"stemlab\[research\]"):
        bss_eval(*sounds, rate=4000)


def test_scores_are_those_of_the_programs_that_define_them() -> None:
    part = slice(20 * 44_100, 26 * 44_100)
    mix = load(demo.path()).samples[part]
    references = np.stack([load(path).samples[part] for path in demo.stem_paths().values()])
    estimates = (0.8 * references + 0.1 * mix).astype(np.float32)
    given = score(mix, references, estimates, 44_100, [*REFERENCE[0]])
    for ours, theirs in zip(given, REFERENCE, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_log_wmse_of_silence() -> None:
    one = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    assert log_wmse(one, 0 * one, 0 * one, 44_100) == pytest.approx(73.68, abs=0.01)
    assert log_wmse(one, 0 * one, one, 44_100) < 1
    assert log_wmse(one, one, 0.9 * one, 48_000) == pytest.approx(18.4, abs=0.1)
