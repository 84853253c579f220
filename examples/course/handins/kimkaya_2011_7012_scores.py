import torch


def saliency_of(problem, steps):
    """First-order Taylor saliency, summed along a short descent."""
    net = problem.module()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    total = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for _ in range(steps):
        optimizer.zero_grad()
        problem.loss(net(problem.train.inputs), problem.train.targets).backward()
        for name, p in net.named_parameters():
            total[name] += (p.grad * p.detach()).square()
        optimizer.step()
    return total
