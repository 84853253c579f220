"""Bob's try: keeps the parameters whose removal would change the loss most."""

from dataclasses import dataclass

from plantkit import SaliencyPruner


@dataclass(frozen=True, kw_only=True)
class BobSnip(SaliencyPruner):
    name = "bob_snip"
    reference = "arXiv 1810.02340"

    def saliency(self, problem, *, seed):
        module = problem.module()
        problem.loss(module(problem.train.inputs), problem.train.targets).backward()
        return {name: (p * p.grad).abs().detach() for name, p in module.named_parameters()}


def plantkit_pruners():
    return [BobSnip()]
