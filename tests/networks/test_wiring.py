"""What joins what in a network: columns, links, streams."""

from __future__ import annotations

import math

import pytest

from plantkit.networks import ConvolutionSpec, PerceptronSpec, weight_name
from plantkit.networks.wiring import Link, Wiring

CONVOLUTION = ConvolutionSpec(image=(2, 8, 8), blocks=((4,), (6,)), hidden=(5,), outputs=3)


def test_a_perceptron_is_a_chain():
    assert PerceptronSpec(widths=(2, 5, 3)).wiring == Wiring(
        columns=(2, 5, 3), links=(Link(source=0, target=1), Link(source=1, target=2))
    )


def test_kernels_and_the_pixels_of_a_channel_are_taps():
    wiring = CONVOLUTION.wiring
    assert wiring.columns == (2, 4, 6, 5, 3)
    assert [link.taps for link in wiring.links] == [9, 9, 4, 1]  # 8x8 pixels, pooled twice
    for layer in CONVOLUTION.layers:
        assert math.prod(wiring.grid(layer)) == CONVOLUTION.sizes[weight_name(layer)]


def test_a_stream_is_what_shortcuts_join():
    links = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    wiring = Wiring(
        columns=(1, 4, 2, 4, 2, 4),
        links=tuple(Link(source=source, target=target) for source, target in links),
        shortcuts=((1, 3), (3, 5)),
    )
    assert wiring.streams == (0, 1, 2, 1, 4, 1)
    assert wiring.channels == {0: 1, 1: 4, 2: 2, 4: 2}
    assert wiring.writers(1) == [0, 2, 4]
    assert wiring.readers(1) == [1, 3]


@pytest.mark.parametrize("network", [CONVOLUTION, PerceptronSpec(widths=(1, 2, 1))])
def test_the_ends_are_inputs_and_outputs(network):
    wiring = network.wiring
    assert wiring.writers(0) == []
    assert wiring.readers(wiring.streams[-1]) == []
