"""The tickets next to the planted one: an entry less, or one entry exchanged for another.

An exchange takes one entry out of the ticket and puts one parameter of the same layer, weight or
bias, in its place. Only *live* parameters are tried: those that the ticket leads to and that lead
on to an output. Any other changes nothing, so that such an exchange only removes the entry.

For every entry a bounded random sample of live parameters is screened, each exchange by its
performance on a few training samples. The best of them are measured as scoring measures: one
factor per output from all training data, performance on the test data. So shares and counts of
exchanges are lower bounds.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.challenges.bundles import Challenge
from plantkit.errors import UsageError
from plantkit.networks import bias_name, weight_name
from plantkit.networks.training import single_threaded

#: Share of the ticket's gain below which a difference is rounding.
NO_LOSS = 1e-6
#: Stands for larger losses, and for the loss of outputs that are not numbers.
_MOST_LOSS = 1e12
#: Exchanges evaluated at once: what they need stays in a core's cache.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How far the neighbourhood is searched.

    tolerance: the share of the ticket's gain over the constant predictor, in (0, 1), that an
        alternative may lose and still count as good.
    candidates: live parameters that are screened for every entry, at most.
    measured: of these, how many are measured on all data.
    screening: training samples to screen on, at most.

    Raises:
        UsageError: a value out of range.
    """

    tolerance: float = 0.01
    candidates: int = 4096
    measured: int = 32
    screening: int = 512

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise UsageError(f"tolerance is {self.tolerance}; expected a number within 0 and 1")
        for name in ("candidates", "measured", "screening"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 1 or more")


_DEFAULT_EFFORT = Effort()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLosses:
    """What becomes of the ticket without one entry.

    Losses are shares of the ticket's gain over the constant predictor in strong performance;
    below 0 where it does better.

    parameter, row, column: where the entry is; a bias has column None.
    effect: root mean square by which the outputs on the test data change when it is dropped, in
        their standard deviations.
    dropped: lost when it is dropped.
    exchanged: lost by each measured exchange, the best on the screening samples first.
    """

    parameter: str
    row: int
    column: int | None
    effect: float
    dropped: float
    exchanged: tuple[float, ...]

    @property
    def least(self) -> float:
        """The least that an exchange loses; one for a parameter that does nothing counts too."""
        return min((self.dropped, *self.exchanged))


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """What the search around a ticket found, entry by entry.

    screened: exchanges that were screened.
    spare: entries that were dropped together and lost at most the tolerance.
    spare_without_loss: likewise without any loss.
    """

    effort: Effort
    entries: tuple[EntryLosses, ...]
    screened: int
    spare: int
    spare_without_loss: int

    def droppable(self, most: float) -> float:
        """Returns the share of entries that can be dropped alone and lose at most `most`."""
        return statistics.fmean(entry.dropped <= most for entry in self.entries)

    def exchangeable(self, most: float) -> float:
        """Returns the share of entries whose exchange, or dropping, loses at most `most`."""
        return statistics.fmean(entry.least <= most for entry in self.entries)

    def tickets(self, most: float) -> int:
        """Returns how many measured exchanges lose at most `most`.

        Each is a mask of its own, as sparse as the ticket and with all but one of its entries.
        """
        return sum(loss <= most for entry in self.entries for loss in entry.exchanged)

    def to_json(self) -> dict[str, Any]:
        """Returns this part of the record; it names none of the ticket's entries."""
        return {
            "candidates": self.effort.candidates,
            "screening": self.effort.screening,
            "measured_per_entry": self.effort.measured,
            "screened": self.screened,
            "measured": sum(len(entry.exchanged) for entry in self.entries),
            "smallest_effect": min(entry.effect for entry in self.entries),
            "smallest_loss": min(entry.dropped for entry in self.entries),
            "median_loss": statistics.median(entry.dropped for entry in self.entries),
            "within_tolerance": self._shares(self.effort.tolerance, self.spare),
            "without_loss": self._shares(NO_LOSS, self.spare_without_loss),
        }

    def _shares(self, most: float, spare: int) -> dict[str, Any]:
        return {
            "droppable": self.droppable(most),
            "exchangeable": self.exchangeable(most),
            "tickets": self.tickets(most),
            "spare": spare,
        }


def explore(
    challenge: Challenge,
    effort: Effort = _DEFAULT_EFFORT,
    *,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Neighbourhood:
    """Returns what becomes of the planted ticket when entries are dropped or exchanged.

    The same challenge and effort give the same figures.

    Raises:
        UsageError: the ticket keeps nothing.
    """
    generator = torch.Generator().manual_seed(int(challenge.digest[:12], 16))
    with torch.no_grad(), single_threaded():
        ticket = _Ticket(challenge)
        judged = _Judged(challenge, ticket)
        few = ticket.traced(challenge.train.inputs[: effort.screening])
        answers = challenge.train.targets[: effort.screening]
        found: list[EntryLosses] = []
        screened = 0
        for done, place in enumerate(ticket.entries, start=1):
            layer, row, column = place
            candidates = ticket.live[layer]
            if len(candidates) > effort.candidates:
                drawn = torch.randperm(len(candidates), generator=generator)
                candidates = candidates[drawn[: effort.candidates]]
            best = ticket.screen(few, answers, place, candidates)[: effort.measured]
            is_bias = column == len(ticket.units[layer])
            screened += len(candidates)
            found.append(
                EntryLosses(
                    parameter=bias_name(layer) if is_bias else weight_name(layer),
                    row=int(ticket.units[layer + 1][row]),
                    column=None if is_bias else int(ticket.units[layer][column]),
                    effect=judged.effect(place),
                    dropped=judged.losses(place, None)[0],
                    exchanged=tuple(judged.losses(place, best)) if len(best) else (),
                )
            )
            progress(f"{challenge.id}: exchanging entries", done, len(ticket.entries))
        alone = [(entry.dropped, place) for entry, place in zip(found, ticket.entries, strict=True)]
        return Neighbourhood(
            effort=effort,
            entries=tuple(found),
            screened=screened,
            spare=judged.spare(alone, effort.tolerance),
            spare_without_loss=judged.spare(alone, NO_LOSS),
        )


class _Place(NamedTuple):
    """Where an entry is; the column after the last is the bias."""

    layer: int
    row: int
    column: int


class _Trace(NamedTuple):
    """What goes through the ticket for some samples.

    sources: (n, in + 1) per layer, the last column all ones. preactivations: (n, out) per layer.
    """

    sources: list[Tensor]
    preactivations: list[Tensor]

    @property
    def outputs(self) -> Tensor:
        return self.preactivations[-1]


class _Ticket:
    """A ticket on the units that it touches: all other units are zero.

    Attributes:
        units: those units, of each layer of neurons; all inputs and outputs are among them.
        entries: where each of its entries is, in the order of the network.
        live: (count, 2) per layer, rows and columns of the parameters outside of it that can
            make a difference.
    """

    def __init__(self, challenge: Challenge) -> None:
        spec, ticket = challenge.network, challenge.truth.ticket
        if not ticket.kept:
            raise UsageError(f"the ticket of {challenge.id!r} keeps nothing; there is no other")

        def matrices(tensors: Mapping[str, Tensor]) -> list[Tensor]:
            pairs = [(tensors[weight_name(i)], tensors[bias_name(i)]) for i in spec.layers]
            return [torch.cat([weight, bias.unsqueeze(1)], dim=1) for weight, bias in pairs]

        whole = matrices(ticket)  # (out, in + 1) per layer, the bias last
        touched = [
            fed.any(dim=1) | read[:, :-1].any(dim=0) for fed, read in itertools.pairwise(whole)
        ]
        self._task = challenge.task
        self.units = [
            torch.arange(spec.inputs),
            *(units.nonzero().squeeze(1) for units in touched),
            torch.arange(spec.outputs),
        ]

        def shrunk(matrix: Tensor, layer: int) -> Tensor:
            rows, columns = self.units[layer + 1], self.units[layer]
            return torch.cat([matrix[rows][:, columns], matrix[rows, -1:]], dim=1)

        kept = [shrunk(mask, layer) for layer, mask in enumerate(whole)]
        values = matrices(challenge.weights)
        self._values = [shrunk(value, layer) for layer, value in enumerate(values)]
        self._masked = [value * mask for value, mask in zip(self._values, kept, strict=True)]
        self.entries = [
            _Place(layer, *place)
            for layer, mask in enumerate(kept)
            for place in mask.nonzero().tolist()
        ]
        always = torch.ones(1, dtype=torch.bool)
        reached = [torch.ones(spec.inputs + 1, dtype=torch.bool)]  # by an input or a bias
        for mask in kept:
            reached.append(torch.cat([(mask & reached[-1]).any(dim=1), always]))
        reaching = [torch.ones(spec.outputs, dtype=torch.bool)]  # an output
        for mask in reversed(kept):
            reaching.insert(0, (mask[:, :-1] & reaching[0].unsqueeze(1)).any(dim=0))
        self.live = [
            (ends.unsqueeze(1) & starts & ~mask & (value != 0)).nonzero()
            for ends, starts, mask, value in zip(
                reaching[1:], reached[:-1], kept, self._values, strict=True
            )
        ]

    def traced(self, inputs: Tensor, *, without: Sequence[_Place] = ()) -> _Trace:
        """Returns what goes through the ticket less some entries for inputs (n, d_in)."""
        left = [values.clone() for values in self._masked]
        for layer, row, column in without:
            left[layer][row, column] = 0
        trace = _Trace([], [])
        below = inputs
        for values in left:
            source = torch.cat([below, below.new_ones(len(below), 1)], dim=1)
            trace.sources.append(source)
            trace.preactivations.append(source @ values.T)
            below = torch.relu(trace.outputs)
        return trace

    def outputs(self, trace: _Trace, out: _Place, into: Tensor | None) -> Tensor:
        """Returns outputs (count, n, d_out) of the ticket less `out`, each with one of `into`.

        into: (count, 2), rows and columns of the same layer; None for none, a count of 1.
        """
        layer, row, column = out
        source = trace.sources[layer]
        left = self._masked[layer][row].clone()
        left[column] = 0
        base = trace.preactivations[layer].clone()
        base[:, row] = source @ left  # to take it from the sum would leave rounding errors
        changed = base.unsqueeze(0)
        if into is not None:
            rows, columns = into.unbind(dim=1)
            changed = changed.repeat(len(into), 1, 1)
            added = (source[:, columns] * self._values[layer][rows, columns]).T
            changed[torch.arange(len(into)), :, rows] += added
        for values in self._masked[layer + 1 :]:
            changed = functional.linear(torch.relu_(changed), values[:, :-1], values[:, -1])
        return changed

    def screen(self, trace: _Trace, targets: Tensor, out: _Place, candidates: Tensor) -> Tensor:
        """Returns `candidates`, the exchange first that performs best on the traced samples.

        Of equal performance, the one that changes the outputs least comes first.
        """
        if not len(candidates):
            return candidates
        accuracies, changes = [], []
        for into in torch.split(candidates, _AT_ONCE):
            outputs = self.outputs(trace, out, into)
            factors = self._task.output_factors(outputs, targets)
            accuracies.append(self._task.accuracy(outputs * factors.unsqueeze(1), targets))
            changes.append((outputs - trace.outputs).square().sum(dim=(1, 2)))
        nearest = torch.cat(changes).argsort(stable=True)
        reached = torch.cat(accuracies).nan_to_num(nan=-torch.inf)
        best = reached[nearest].argsort(stable=True, descending=True)
        return candidates[nearest[best]]


class _Judged:
    """Tickets next to a ticket, measured as scoring measures."""

    def __init__(self, challenge: Challenge, ticket: _Ticket) -> None:
        self._challenge = challenge
        self._ticket = ticket
        self._data = (challenge.train, challenge.truth.test)
        self._traces = [ticket.traced(data.inputs) for data in self._data]
        self._whole = self._performances([trace.outputs.unsqueeze(0) for trace in self._traces])

    def losses(self, out: _Place, into: Tensor | None) -> list[float]:
        """Returns what the ticket less `out` loses with each of `into`; see `_Ticket.outputs`."""
        return self._losses([self._ticket.outputs(trace, out, into) for trace in self._traces])

    def effect(self, out: _Place) -> float:
        """Returns the change of the outputs without `out`, over their standard deviation."""
        test = self._traces[1]
        whole = test.outputs.double()
        changes = (self._ticket.outputs(test, out, None)[0] - test.outputs).double()
        return float((changes.square().sum() / (whole - whole.mean(dim=0)).square().sum()).sqrt())

    def spare(self, alone: Sequence[tuple[float, _Place]], most: float) -> int:
        """Returns how many entries were dropped together and lost at most `most`.

        alone: what each entry loses when it is dropped alone, and where it is.
        """
        dropped: list[_Place] = []
        for loss, place in sorted(alone):
            if loss > most:
                break
            tried = [*dropped, place]
            traces = [self._ticket.traced(data.inputs, without=tried) for data in self._data]
            [together] = self._losses([trace.outputs.unsqueeze(0) for trace in traces])
            if together <= most:
                dropped = tried
        return len(dropped)

    def _losses(self, outputs: Sequence[Tensor]) -> list[float]:
        lost = self._whole - self._performances(outputs)
        shares = lost / (self._whole - self._challenge.trivial)
        return [float(share) for share in shares.nan_to_num(_MOST_LOSS).clamp(max=_MOST_LOSS)]

    def _performances(self, outputs: Sequence[Tensor]) -> Tensor:
        """Returns performances (count,) of outputs (count, n, d_out) on training and test data."""
        training, test = outputs
        task = self._challenge.task
        factors = task.output_factors(training, self._data[0].targets)
        return task.accuracy(test * factors.unsqueeze(1), self._data[1].targets)
