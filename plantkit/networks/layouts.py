"""Names of a network's columns and layers where it is drawn or listed, whatever its kind."""

from __future__ import annotations

from plantkit.networks.network import Network, weight_name


def column_names(network: Network) -> list[str]:
    """Returns what stands over each column: `inputs`, `hidden 1`, or how many channels it has."""
    columns = network.wiring.columns
    between = range(1, len(columns) - 1)
    if not has_channels(network):
        return ["inputs", *(f"hidden {column}" for column in between), "outputs"]
    return ["image", *(_amount(network, column) for column in between), "outputs"]


def layer_names(network: Network) -> list[str]:
    """Returns what each layer joins: `2: 16 to 32 channels, 3x3`."""
    names = []
    for layer, link in enumerate(network.wiring.links):
        count, shape = network.wiring.columns[link.source], network.shapes[weight_name(layer)]
        end = _amount(network, link.target)
        if len(shape) > 2:
            text = f"{count} to {end}, {'x'.join(map(str, shape[2:]))}"
        elif link.taps > 1:
            text = f"{count} channels of {link.taps} pixels to {end}"
        else:
            text = f"{count} to {end}"
        names.append(f"{layer + 1}: {text}")
    return names


def has_channels(network: Network) -> bool:
    """Whether some of the network's layers have kernels, so that its columns are of channels."""
    return any(len(shape) > 2 for shape in network.shapes.values())


def _amount(network: Network, column: int) -> str:
    """Returns how many channels, or units, a column has that some layer writes."""
    layers = [i for i, link in enumerate(network.wiring.links) if link.target == column]
    is_image = any(len(network.shapes[weight_name(layer)]) > 2 for layer in layers)
    return f"{network.wiring.columns[column]} {'channels' if is_image else 'units'}"
