"""Networks that have a name, for images of any size that they can take.

References:
    lenet5: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998; with
        ReLU and max pooling, and a padding of 2 so that any image of 4x4 pixels or more will do.
    conv2, conv4, conv6: Frankle and Carbin, arXiv 1803.03635.
    vgg16: Simonyan and Zisserman, arXiv 1409.1556, with batch normalisation and one linear layer,
        as for CIFAR-10 in arXiv 2006.05467.
    resnet18, resnet20: He et al., arXiv 1512.03385; resnet18 with the 3x3 first convolution that
        is usual for CIFAR-10.
    lenet, vgg, resnet: of the same build, of 60,000 to 200,000 parameters on 8x8 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from plantkit.errors import UnknownNameError, UsageError
from plantkit.networks.convolution import ConvolutionSpec
from plantkit.networks.network import Network
from plantkit.networks.residual import ResidualSpec

Image = tuple[int, int, int]


def _lenet5(image: Image, outputs: int) -> Network:
    return ConvolutionSpec(
        image=image, blocks=((6,), (16,)), hidden=(120, 84), outputs=outputs, kernel=5, padding=2
    )


def _conv(blocks: int) -> Callable[[Image, int], Network]:
    widths = (64, 128, 256)[:blocks]

    def build(image: Image, outputs: int) -> Network:
        pairs = tuple((width, width) for width in widths)
        return ConvolutionSpec(image=image, blocks=pairs, hidden=(256, 256), outputs=outputs)

    return build


def _vgg16(image: Image, outputs: int) -> Network:
    blocks = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
    return ConvolutionSpec(image=image, blocks=blocks, outputs=outputs, normalised=True)


def _resnet18(image: Image, outputs: int) -> Network:
    stages = ((64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2))
    return ResidualSpec(image=image, stages=stages, outputs=outputs)


def _resnet20(image: Image, outputs: int) -> Network:
    stages = ((16, 3, 1), (32, 3, 2), (64, 3, 2))
    return ResidualSpec(image=image, stages=stages, outputs=outputs)


def _lenet(image: Image, outputs: int) -> Network:
    return ConvolutionSpec(image=image, blocks=((32,), (64,)), hidden=(256, 128), outputs=outputs)


def _vgg(image: Image, outputs: int) -> Network:
    return ConvolutionSpec(image=image, blocks=((32, 32), (64, 64)), hidden=(256,), outputs=outputs)


def _resnet(image: Image, outputs: int) -> Network:
    stages = ((24, 1, 1), (48, 1, 2), (96, 1, 2))
    return ResidualSpec(image=image, stages=stages, outputs=outputs)


_NAMED: Mapping[str, Callable[[Image, int], Network]] = {
    "lenet": _lenet,
    "vgg": _vgg,
    "resnet": _resnet,
    "lenet5": _lenet5,
    "conv2": _conv(1),
    "conv4": _conv(2),
    "conv6": _conv(3),
    "vgg16": _vgg16,
    "resnet18": _resnet18,
    "resnet20": _resnet20,
}

NAMES = tuple(_NAMED)


def named_network(name: str, image: Image, outputs: int) -> Network:
    """Returns the network called `name` for images of this size.

    Raises:
        UnknownNameError: no network has this name.
        UsageError: the images are too small for it.
    """
    if name not in _NAMED:
        raise UnknownNameError("network", name, _NAMED)
    try:
        return _NAMED[name](image, outputs)
    except ValueError as error:
        raise UsageError(f"network {name!r} cannot take images of {image}: {error}") from error
