"""The networks of the lottery-ticket studies, each with its data and how it is trained and pruned.

Those of the papers need the user's files of MNIST or CIFAR-10. Where these are not there, small
networks on scikit-learn's digits stand in for them.

References:
    arXiv 1803.03635, figure 2: LeNet-300-100 and Conv-2, Conv-4 and Conv-6.
    arXiv 1912.05671, table 1, and arXiv 1512.03385, section 4.2: ResNet-20.

Differs from the papers: all weights are drawn by Glorot's law, those of ResNet-20, too; pixels
are scaled to a mean of about zero by one factor and one offset for all channels; what
`plantkit.networks.graph` says of batch normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plantkit.networks import ConvolutionSpec, Network, PerceptronSpec
from plantkit.networks.named import named_network
from plantkit.networks.residual import ResidualSpec
from plantkit.networks.training import Descent, Recipe
from plantkit.pruners.budgets import Scope
from plantkit.research.studies.tickets import Rates

#: The data that needs no files of the user's.
DIGITS = "digits"
_CIFAR, _MNIST = "cifar10", "mnist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A network with all that a study needs to know of it.

    Attributes:
        title: what people call it.
        data: "digits", or the image family whose files it needs.
        recipe: how it is trained; for as many epochs as `steps` need.
        steps: of one training.
        every: steps between two looks at the validation data.
        scope: how it is pruned, in the study of stability.
        level: rounds of pruning whose result the study of stability looks at.
        rewinds, quick_rewinds: steps that it rewinds to, in the full grid and the quick one.
        stands_for: the papers' networks that this one stands in for, if it is on digits.
    """

    title: str
    network: Network
    data: str = DIGITS
    recipe: Recipe
    steps: int
    every: int
    rates: Rates
    scope: Scope = Scope.LAYERWISE
    level: int = 10
    rewinds: tuple[int, ...] = (0,)
    quick_rewinds: tuple[int, ...] = (0,)
    stands_for: tuple[str, ...] = ()


def _conv(blocks: int, rate: float, steps: int, pruned: float) -> Setup:
    return Setup(
        title=f"Conv-{2 * blocks}",
        network=named_network(f"conv{2 * blocks}", (3, 32, 32), 10),
        data=_CIFAR,
        recipe=Recipe(batch_size=60, learning_rate=rate),
        steps=steps,
        every=100,
        rates=Rates(convolutions=pruned, linear=0.2, outputs=0.1),
    )


#: Adam's batch is that of arXiv 1803.03635. Its rate of 0.0012 is so slow on digits that networks
#: still improve when training ends.
_DIGITS_RECIPE = Recipe(batch_size=60, learning_rate=0.005)


def _all() -> Iterator[tuple[str, Setup]]:
    yield (
        "fc",
        Setup(
            title="fc on digits",
            network=PerceptronSpec(widths=(64, 100, 50, 10)),
            recipe=_DIGITS_RECIPE,
            steps=800,
            every=10,
            rates=Rates(linear=0.2, outputs=0.1),
            rewinds=(0, 10, 40, 160),
            quick_rewinds=(0, 40),
            stands_for=("lenet-300-100",),
        ),
    )
    yield (
        "conv",
        Setup(
            title="conv on digits",
            network=ConvolutionSpec(
                image=(1, 8, 8), blocks=((8,), (16,)), hidden=(32,), outputs=10
            ),
            recipe=_DIGITS_RECIPE,
            steps=800,
            every=10,
            rates=Rates(convolutions=0.1, linear=0.2, outputs=0.1),
            stands_for=("conv2", "conv4", "conv6"),
        ),
    )
    yield (
        "resnet",
        Setup(
            title="resnet on digits",
            network=ResidualSpec(image=(1, 8, 8), stages=((8, 1, 1), (16, 1, 2)), outputs=10),
            recipe=Descent(
                batch_size=60,
                learning_rate=0.1,
                weight_decay=1e-4,
                drops=(200, 300),
            ),
            steps=400,
            every=10,
            rates=Rates(convolutions=0.2, linear=0.0, outputs=0.0),
            scope=Scope.GLOBAL,
            level=8,
            rewinds=(0, 5, 20, 80),
            quick_rewinds=(0, 20),
            stands_for=("resnet20",),
        ),
    )
    yield (
        "lenet-300-100",
        Setup(
            title="LeNet-300-100",
            network=PerceptronSpec(widths=(784, 300, 100, 10)),
            data=_MNIST,
            recipe=Recipe(batch_size=60, learning_rate=0.0012),
            steps=50_000,
            every=100,
            rates=Rates(linear=0.2, outputs=0.1),
            rewinds=(0, 100, 500),
        ),
    )
    yield "conv2", _conv(1, 2e-4, 20_000, 0.1)
    yield "conv4", _conv(2, 3e-4, 25_000, 0.1)
    yield "conv6", _conv(3, 3e-4, 30_000, 0.15)
    yield (
        "resnet20",
        Setup(
            title="ResNet-20",
            network=named_network("resnet20", (3, 32, 32), 10),
            data=_CIFAR,
            recipe=Descent(
                batch_size=128,
                learning_rate=0.1,
                weight_decay=1e-4,
                drops=(32_000, 48_000),
                shift=4,
                mirrored=True,
            ),
            steps=62_500,
            every=500,
            rates=Rates(convolutions=0.2, linear=0.0, outputs=0.0),
            scope=Scope.GLOBAL,
            level=8,
            rewinds=(0, 100, 500, 2_000),
        ),
    )


#: By their names on the command line.
SETUPS: Mapping[str, Setup] = dict(_all())
