"""Attacks within Python: lying objects, altered libraries, odd ways to end."""

from __future__ import annotations

from attacks.attack import CRASH, INVALID, OK, Attack, both
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Status


def _trick(
    name: str,
    tries: str,
    body: str,
    status: tuple[Status, ...],
    error: str = "",
) -> Attack:
    return Attack(
        name=name,
        tries=tries,
        body=body,
        stopped_from=Level.PROCESS,
        status=both(status),
        error=error,
    )


ATTACKS = (
    _trick("segfault", "crash the interpreter", "ctypes.string_at(0)", (CRASH,), "SIGSEGV"),
    _trick("abort", "abort the interpreter", "os.abort()", (CRASH,), "SIGABRT"),
    _trick(
        "exit-0", "claim success without an answer", "os._exit(0)", (CRASH,), "without an answer"
    ),
    _trick("sys-exit", "leave by sys.exit", "sys.exit(0)", (CRASH,), "called sys.exit(0)"),
    _trick(
        "exit-in-atexit",
        "end otherwise when the interpreter ends",
        "import atexit; atexit.register(lambda: os._exit(1))",
        (OK,),
    ),
    _trick(
        "recursion",
        "overflow the stack",
        """
        sys.setrecursionlimit(10**9)
        def down(f):
            return sorted([1], key=lambda _: f(f))
        down(down)
        """,
        (CRASH, Status.OOM),
    ),
    _trick(
        "unspeakable-exception",
        "raise what cannot be shown",
        """
        class Odd(Exception):
            def __str__(self):
                raise self
            __repr__ = __str__
        raise Odd
        """,
        (CRASH,),
        "cannot be shown",
    ),
    _trick(
        "exception-that-exits",
        "end the process when the exception is shown",
        """
        class Odd(Exception):
            def __str__(self):
                os._exit(0)
        raise Odd
        """,
        (CRASH,),
    ),
    _trick(
        "lying-shape",
        "tensors that claim another shape",
        """
        class Lie(torch.Tensor):
            shape = property(lambda self: torch.Size([60, 2]))
        return {n: torch.zeros(3).as_subclass(Lie) for n in problem.weights}
        """,
        (CRASH, INVALID),
    ),
    _trick(
        "lying-functions",
        "tensors that answer every torch function themselves",
        """
        class Lie(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                return 0
        return {n: torch.ones(w.shape).as_subclass(Lie) for n, w in problem.weights.items()}
        """,
        (CRASH, INVALID),
    ),
    _trick(
        "lying-mapping",
        "a mapping that changes at every look",
        """
        class Lie(dict):
            def __getitem__(self, name):
                return torch.rand(problem.weights[name].shape) < 0.9
        return Lie(masks(problem))
        """,
        (OK, CRASH, INVALID),
    ),
    _trick(
        "endless-mapping",
        "a mapping with names without end",
        """
        from collections.abc import Mapping
        class Lie(Mapping):
            def __len__(self):
                return 1
            def __iter__(self):
                while True:
                    yield "layers.0.weight"
            def __getitem__(self, name):
                return 0
        time.sleep = None
        return dict(zip(Lie(), range(10)))
        """,
        (INVALID,),
    ),
    _trick(
        "patch-validation",
        "switch off the check of masks in its own process",
        """
        from plantkit.networks import masks as module
        from plantkit.isolation import cell_runner
        full = {n: torch.ones(w.shape, dtype=torch.bool) for n, w in problem.weights.items()}
        cell_runner.mask_of = lambda *_: module.Mask(full)
        """,
        (INVALID,),
        "keeps 424 parameters",
    ),
    _trick(
        "patch-torch",
        "alter torch for whoever comes next",
        """
        torch.sum = torch.Tensor.sum = lambda *_, **__: torch.tensor(0)
        torch.rand = torch.zeros
        torch.manual_seed = lambda *_: None
        """,
        (OK, CRASH, INVALID),
    ),
    _trick(
        "patch-json",
        "alter json for whoever comes next",
        "json.loads = json.dumps = lambda *_, **__: '{}'",
        (OK,),
    ),
    _trick(
        "patch-safetensors",
        "write another answer than it was asked to",
        """
        import safetensors.torch
        safetensors.torch.save_file = lambda tensors, path: Path(path).write_text("mine")
        """,
        (INVALID,),
    ),
    _trick(
        "patch-plantkit",
        "raise its own score",
        """
        import plantkit.scoring.metrics, plantkit.networks.training, plantkit.networks
        for module in (plantkit.scoring.metrics, plantkit.networks.training, plantkit.networks):
            for name in list(vars(module)):
                if not name.startswith("_"):
                    setattr(module, name, lambda *_, **__: 1.0)
        """,
        (OK, CRASH, INVALID),
    ),
    _trick(
        "import-scoring",
        "score itself in place of the harness",
        """
        import plantkit.scoring.score, plantkit.evaluation.harness
        harness = plantkit.evaluation.harness
        harness.score_all = harness.rank = lambda *_, **__: []
        """,
        (OK,),
    ),
    _trick(
        "random-state",
        "change the random numbers of whoever comes next",
        """
        import random
        import numpy
        torch.manual_seed(0); random.seed(0); numpy.random.seed(0)
        torch.set_default_dtype(torch.float16)
        """,
        (OK, CRASH, INVALID),
    ),
    _trick(
        "another-mask-every-time",
        "return another mask for the same seed",
        """
        values = masks(problem)
        values["layers.0.bias"] = torch.tensor(list(os.urandom(60))) > 127
        return values
        """,
        (OK,),
    ),
    _trick(
        "stored-mask",
        "return a mask that was stored for this challenge's id",
        "return {'circle-3x60': masks(problem)}[problem.name]",
        (OK,),
    ),
    _trick(
        "file-descriptors",
        "close the descriptors that its output goes to",
        "os.closerange(0, 100)",
        (OK, CRASH),
    ),
    _trick(
        "trace-function",
        "follow what is done after it returns",
        "sys.setprofile(lambda *_: os._exit(0) if 'write_answer' in str(_[0].f_code) else None)",
        (CRASH,),
    ),
)
