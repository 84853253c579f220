"""Running one pruner in a child process that receives the problem, never the truth.

`wire` is what crosses the boundary: files in a scratch directory. `server` runs inside the
child, `client` in the parent. The parent believes nothing that comes back: it reads one
safetensors file of bounded size, validates it, and computes every number itself.
"""
