from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab.errors import ModelError
from stemlab.live.model import StreamModel
from stemlab.model import StemModel, find
from stemlab.networks.runtimes import installed_runtimes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "stemlab-4-live"


@pytest.fixture(scope="module")
def magnitude() -> NDArray[np.float32]:
    return np.random.default_rng(0).gamma(0.5, 10, (40, 1024, 2)).astype(np.float32)


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_masks_share_each_cell_out(runtime: str, magnitude: NDArray[np.float32]) -> None:
    masks = StreamModel(NAME, runtime=runtime).masks(magnitude)
    assert masks.shape == (*magnitude.shape, 4)
    assert masks.min() >= 0
    np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-5)
    assert (masks.reshape(-1, 4).std(0) > 1e-3).all()


def test_it_remembers_until_it_is_told_to_forget(magnitude: NDArray[np.float32]) -> None:
    model = StreamModel(NAME)
    first = model.masks(magnitude)
    remembered = model.masks(magnitude)
    model.forget()
    again = np.concatenate([model.masks(magnitude[:7]), model.masks(magnitude[7:])])
    np.testing.assert_array_equal(again, first)
    assert np.abs(remembered - first)[:10].max() > 1e-3


def test_a_frame_tells_nothing_of_what_follows(magnitude: NDArray[np.float32]) -> None:
    model = StreamModel(NAME)
    whole = model.masks(magnitude)
    model.forget()
    other = np.concatenate([magnitude[:20], magnitude[20:][::-1]])
    np.testing.assert_array_equal(model.masks(other)[:20], whole[:20])


def test_what_is_the_same_in_both_ears_stays_in_the_middle(
    magnitude: NDArray[np.float32],
) -> None:
    masks = StreamModel(NAME).masks(np.repeat(magnitude[..., :1], 2, axis=-1))
    np.testing.assert_allclose(masks[:, :, 0], masks[:, :, 1], atol=1e-6)


def test_models_are_taken_for_what_they_are() -> None:
    with pytest.raises(ModelError, match="reads whole windows"):
        StreamModel("stemlab-4-fast")
    with pytest.raises(ModelError, match=r"made for live sound.*stemlab-4$"):
        StemModel(NAME)


def test_a_foreign_network_is_told_apart(tmp_path: Path) -> None:
    fast, card = find("stemlab-4-fast"), find(NAME)
    network = tmp_path / "foreign.tflite"
    network.write_bytes(fast.path.read_bytes())
    facts = json.loads(card.path.with_suffix(".json").read_text("utf-8"))
    network.with_suffix(".json").write_text(json.dumps(facts | {"sha256": fast.sha256}), "utf-8")
    with pytest.raises(ModelError, match="this is not a stemlab model"):
        StreamModel(network)
