"""Runs pruners in backends that receive the problem, never the truth.

`levels` names how far a pruner is locked away; `probe` tries what the machine offers; `opening`
opens the backend that a level picks; `backends` holds one file per way to run a pruner. Each
takes a `jobs.PruneJob` and gives a `jobs.Outcome`.

On this machine a job is a directory of files, whose names and bounds are in `wire`. `cells` writes
the request and reads what came of it; `cell_runner` carries it out; `problems` and `answers` are
the formats of what goes in and comes out. The parent believes nothing that comes back: it reads
one safetensors file of bounded size, validates it, and computes every number itself.

In the parent, `servers` holds warm processes. On Linux `forks` starts them by way of `zygote`.
`fork_server` is what runs in them: it forks a child for each request, `watch` bounds that from
outside, and `descendants` ends what it started. `files` locks the child away by Landlock,
`syscalls` by seccomp, `kernel` by prctl and capabilities, all of which an ordinary user has, and
`trial` tries all that. At the level `watched`, which works on any system, `spawned` starts the
processes and bounds what they use, `spawn_server` is what runs in them, and `families` finds and
ends what they started. `scratch` and `leftovers` handle what is left on disk.

Modules that need Linux begin by saying so; they are imported by the backends that need them.
"""
