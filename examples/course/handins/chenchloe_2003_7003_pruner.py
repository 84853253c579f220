import torch

# my settings
N = 200
STEPS = 20


def select(imp, k):
    # take the top k of all layers together
    v = torch.cat([t.flatten() for t in imp.values()])
    sel = torch.zeros(len(v), dtype=torch.bool)
    sel[v.topk(k).indices] = True
    out, pos = {}, 0
    for layer, t in imp.items():
        out[layer] = sel[pos : pos + t.numel()].view_as(t)
        pos += t.numel()
    return out


def avg_grads(p, net, s):
    g = torch.Generator().manual_seed(s)
    perm = torch.randperm(len(p.train.inputs), generator=g)
    acc = {layer: torch.zeros_like(t) for layer, t in net.named_parameters()}
    for idx in perm.split(N)[:STEPS]:
        net.zero_grad()
        y = net(p.train.inputs[idx])
        p.loss(y, p.train.targets[idx]).backward()
        for layer, t in net.named_parameters():
            acc[layer] += t.grad.abs() / STEPS
    return acc


def debug(imp):
    for layer, t in imp.items():
        print(layer, float(t.min()), float(t.max()))


def prune(problem, density, seed):
    g = avg_grads(problem, problem.module(), seed)
    imp = {layer: g[layer] * w.abs() for layer, w in problem.weights.items()}
    return select(imp, problem.budget)
