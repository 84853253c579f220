"""Running one pruner in a child process that receives the problem, never the truth.

`wire` is what crosses the boundary: files in a scratch directory. `server` runs inside the
child, `client` in the parent. The parent believes nothing that comes back: it reads one
safetensors file of bounded size, validates it, and computes every number itself.

`levels` names how far a pruner is locked away, `probe` tries what the machine offers,
`confinement` applies it in the forked child: `files` by Landlock, `syscalls` by seccomp,
`kernel` by prctl and capabilities, all of which an ordinary user has. `watch` bounds a run from
outside, `descendants` ends what it started, `scratch` handles what it left on disk.
"""
