"""What a mask does layer by layer: what it keeps, what of that is alive, what it found."""

from __future__ import annotations

from dataclasses import dataclass

from plantkit.networks import Network
from plantkit.networks.masks import Mask
from plantkit.networks.network import layer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCounts:
    """What a mask does in one layer, in numbers of parameters.

    connected: kept ones that lie on a path of kept ones from an input to an output. ticket: the
        ticket's. found: the ticket's that are kept.
    """

    layer: str
    total: int
    kept: int
    connected: int
    ticket: int
    found: int


def count_layers(network: Network, mask: Mask, ticket: Mask) -> list[LayerCounts]:
    """Returns what `mask` does in each layer, the first layer first.

    Args:
        mask, ticket: of the names and shapes of `network.shapes`.

    >>> import plantkit as pk
    >>> network = pk.PerceptronSpec(widths=(1, 2, 1))
    >>> full = pk.Mask.full(network)
    >>> [counts.connected for counts in pk.count_layers(network, full, full)]
    [4, 3]
    """
    alive = network.connected(mask)
    counted: dict[str, dict[str, int]] = {}
    for name in network.shapes:
        here = counted.setdefault(
            layer_of(name), {"total": 0, "kept": 0, "connected": 0, "ticket": 0, "found": 0}
        )
        here["total"] += mask[name].numel()
        here["kept"] += int(mask[name].sum())
        here["connected"] += int(alive[name].sum())
        here["ticket"] += int(ticket[name].sum())
        here["found"] += int((mask[name] & ticket[name]).sum())
    return [LayerCounts(layer=layer, **counts) for layer, counts in counted.items()]
