"""The amortised network: its inputs and outputs, training on simulated galaxies, and storage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.heads.errors import HeadError
from backend.heads.structure.network import AmortisedPosterior, PosteriorNetwork, negative_log_density
from backend.heads.structure.network_inputs import IMAGE_PX, inputs_of, outputs_of, parameters_of
from backend.heads.structure.preparation import Prepared
from backend.heads.structure.priors import Priors, noise_kernel
from backend.heads.structure.psf import gaussian_psf
from backend.heads.structure.simulation import Library, draw_library, simulate
from backend.heads.structure.training import new_training, prepare_simulated, training_batches
from backend.heads.training import Schedule


def priors() -> Priors:
    rng = np.random.default_rng(0)
    shapes = np.stack([rng.uniform(0.1, 0.5, 50), rng.uniform(0.5, 5, 50), rng.uniform(0.2, 0.95, 50)], axis=1)
    y, x = np.mgrid[-20:21, -20:21]
    return Priors(shapes, (gaussian_psf(2.5), gaussian_psf(4.0)), noise_kernel(np.exp(-(x**2 + y**2) / 2.0)))


@pytest.fixture(scope="module")
def galaxies() -> list[tuple[Prepared, np.ndarray]]:
    rng = np.random.default_rng(1)
    return prepare_simulated(simulate(priors(), 12, side=72, rng=rng, signal_to_noise=(20, 200)))


@pytest.fixture(scope="module")
def library() -> Library:
    return draw_library(priors(), 20, side=48, rng=np.random.default_rng(2))


def test_outputs_and_parameters_are_inverse(galaxies: list[tuple[Prepared, np.ndarray]]) -> None:
    for preparation, true in galaxies:
        assert parameters_of(outputs_of(true, preparation), preparation) == pytest.approx(true)


def test_images_have_one_size_and_their_light_is_kept(galaxies: list[tuple[Prepared, np.ndarray]]) -> None:
    preparation = galaxies[0][0]
    inputs = inputs_of(preparation)
    assert inputs.image.shape == (4, IMAGE_PX, IMAGE_PX)
    factor = -(-preparation.image.shape[0] // IMAGE_PX)
    light = np.sinh(3 * inputs.image[0]).sum() * factor
    assert light == pytest.approx((preparation.image * (preparation.weight > 0)).sum(), rel=1e-3)
    assert np.isfinite(inputs.numbers).all()


def test_density_is_that_of_a_normal_distribution() -> None:
    root = torch.tensor([[[2.0, 0.0], [1.0, 3.0]]])
    mean, true = torch.zeros(1, 2), torch.tensor([[0.3, -0.4]])
    normal = torch.distributions.MultivariateNormal(mean, precision_matrix=root @ root.mT)
    expected = -normal.log_prob(true) - np.log(2 * np.pi)
    assert negative_log_density(mean, root, true) == pytest.approx(expected.numpy(), abs=1e-5)


def test_covariance_is_the_inverse_of_the_networks_root(galaxies: list[tuple[Prepared, np.ndarray]]) -> None:
    torch.manual_seed(0)
    posterior = AmortisedPosterior.of(PosteriorNetwork(), np.full(8, 2.0))
    inputs = [inputs_of(preparation) for preparation, _ in galaxies[:2]]
    _, covariances = posterior.predict(inputs)
    images, numbers = (torch.from_numpy(np.stack([getattr(i, name) for i in inputs])) for name in ("image", "numbers"))
    _, roots = posterior.network(images, numbers)
    precision = (roots @ roots.mT).double().numpy()
    assert covariances @ precision == pytest.approx(4 * np.broadcast_to(np.eye(8), (2, 8, 8)), abs=1e-4)


@pytest.mark.slow
def test_training_lowers_the_loss_and_can_be_resumed(library: Library) -> None:
    schedule = Schedule(steps=12, rate=2e-3, batch=16)
    reference, first, second = (new_training(schedule) for _ in range(3))
    batches = training_batches([library], 16, first_step=0, different=4)
    losses = [reference.step(next(batches)) for _ in range(12)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    batches = training_batches([library], 16, first_step=0, different=4)
    for _ in range(5):
        first.step(next(batches))
    second.restore(first.state())
    batches = training_batches([library], 16, first_step=second.steps_done, different=4)
    for _ in range(7):
        second.step(next(batches))
    for ours, theirs in zip(reference.network.parameters(), second.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_stored_network_predicts_the_same(tmp_path: Path, galaxies: list[tuple[Prepared, np.ndarray]]) -> None:
    torch.manual_seed(0)
    posterior = AmortisedPosterior.of(PosteriorNetwork(), np.ones(8))
    posterior.save(tmp_path)
    inputs = [inputs_of(galaxies[0][0])]
    second_network = AmortisedPosterior.load(tmp_path)
    for ours, theirs in zip(posterior.predict(inputs), second_network.predict(inputs), strict=True):
        assert ours == pytest.approx(theirs)
    (tmp_path / "head.safetensors").write_bytes(b"damaged")
    with pytest.raises(HeadError, match="safetensors"):
        AmortisedPosterior.load(tmp_path)
