"""Attacks on the one thing that the parent reads: the answer and what lies beside it."""

from __future__ import annotations

from attacks.attack import CRASH, INVALID, OK, TIMEOUT, Attack, both
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits, Status


def _answer(
    name: str,
    tries: str,
    body: str,
    full: tuple[Status, ...] = (INVALID,),
    process: tuple[Status, ...] | None = None,
    error: str = "",
    limits: Limits | None = None,
) -> Attack:
    return Attack(
        name=name,
        tries=tries,
        body=body,
        stopped_from=Level.PROCESS,
        status=both(full, process),
        error=error,
        limits=limits or Limits(time_seconds=20, output_mib=64),
    )


_SAVE = """
from safetensors.torch import save
def answer(values):
    Path("answer.safetensors").write_bytes(save({"mask." + n: v for n, v in values.items()}))
    os._exit(0)
"""

ATTACKS = (
    _answer(
        "symbolic-link",
        "a link to the truth as the answer",
        "os.symlink(T['truth'], 'answer.safetensors'); os._exit(0)",
        (CRASH,),
        (INVALID,),
    ),
    _answer(
        "hard-link",
        "a second name of the truth as the answer",
        "os.link(T['truth'], 'answer.safetensors'); os._exit(0)",
        (CRASH,),
        (INVALID,),
    ),
    _answer(
        "pipe",
        "a pipe as the answer, so that the parent waits for ever",
        "os.mkfifo('answer.safetensors'); os._exit(0)",
        (CRASH,),
        (INVALID,),
    ),
    _answer(
        "directory", "a directory as the answer", "os.mkdir('answer.safetensors'); os._exit(0)"
    ),
    _answer(
        "socket",
        "a socket as the answer",
        "socket.socket(socket.AF_UNIX).bind('answer.safetensors'); os._exit(0)",
        (CRASH,),
        (INVALID,),
    ),
    _answer(
        "huge",
        "an answer of 60 MiB, all holes",
        """
        os.ftruncate(os.open("answer.safetensors", os.O_RDWR | os.O_CREAT), 60 << 20)
        os._exit(0)
        """,
        error="larger than",
    ),
    _answer("empty", "an empty answer", "Path('answer.safetensors').touch(); os._exit(0)"),
    _answer(
        "truncated",
        "half an answer",
        _SAVE
        + """
import safetensors.torch
full = safetensors.torch.save({"mask." + n: v for n, v in masks(problem).items()})
Path("answer.safetensors").write_bytes(full[: len(full) // 2])
os._exit(0)
""",
    ),
    _answer(
        "pickle",
        "a pickle that runs code in the parent",
        """
        import pickle
        class Bomb:
            def __reduce__(self):
                return os.system, (f"touch {T['home']}/pwned",)
        Path("answer.safetensors").write_bytes(pickle.dumps(Bomb()))
        os._exit(0)
        """,
        error="not a safetensors file",
    ),
    _answer(
        "long-header",
        "a header that claims to be longer than the file",
        "Path('answer.safetensors').write_bytes(b'\\xff' * 8 + b'{}'); os._exit(0)",
        error="not a safetensors file",
    ),
    _answer(
        "deep-header",
        "a header of brackets in brackets",
        """
        header = b'{"a":' * 20_000
        Path("answer.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
        os._exit(0)
        """,
    ),
    _answer(
        "overlapping-tensors",
        "all masks in the same bytes",
        """
        header = json.dumps({"mask." + n: {"dtype": "BOOL", "shape": list(w.shape),
            "data_offsets": [0, w.numel()]} for n, w in problem.weights.items()}).encode()
        Path("answer.safetensors").write_bytes(
            len(header).to_bytes(8, "little") + header + bytes(10_000))
        os._exit(0)
        """,
    ),
    _answer(
        "bytes-that-are-no-bool",
        "bytes other than 0 and 1 in a mask, to be counted as one and used as many",
        _SAVE
        + """
values = masks(problem)
raw = save({"mask." + n: v for n, v in values.items()})
start = 8 + int.from_bytes(raw[:8], "little")
Path("answer.safetensors").write_bytes(raw[:start] + b"\\x02" * (len(raw) - start))
os._exit(0)
""",
        error="bytes other than 0 and 1",
    ),
    _answer(
        "odd-types",
        "masks of complex numbers",
        _SAVE + "answer({n: m.to(torch.complex64) for n, m in masks(problem).items()})",
        (INVALID, OK),
    ),
    _answer(
        "eight-bit-floats",
        "masks of eight-bit floats",
        _SAVE + "answer({n: m.to(torch.float8_e4m3fn) for n, m in masks(problem).items()})",
        (INVALID, OK),
    ),
    _answer(
        "over-budget",
        "keep everything, past the check in its own process",
        _SAVE
        + "answer({n: torch.ones(w.shape, dtype=torch.bool) for n, w in problem.weights.items()})",
        error="keeps 424 parameters",
    ),
    _answer(
        "negative",
        "masks of minus one, to lower the count",
        _SAVE + "answer({n: -torch.ones(w.shape) for n, w in problem.weights.items()})",
        error="other than 0 and 1",
    ),
    _answer(
        "wrong-names",
        "a parameter with an escape sequence for a name",
        _SAVE + "answer({'\\x1b[31m\\u202e' + n: v for n, v in masks(problem).items()})",
    ),
    _answer(
        "escapes-in-error",
        "an error report that rewrites the terminal",
        """
        Path("error.json").write_text(json.dumps({"status": "crash",
            "message": "\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mall is well\\u202e\\r" + "x" * 10_000}))
        os._exit(0)
        """,
        (CRASH,),
        error="all is well",
    ),
    _answer(
        "false-status",
        "an error report that claims success",
        "Path('error.json').write_text('{\"status\": \"ok\"}'); os._exit(0)",
        (CRASH,),
    ),
    _answer(
        "status-of-another-type",
        "an error report whose status is a list",
        "Path('error.json').write_text('{\"status\": [[]], \"message\": {}}'); os._exit(0)",
        (CRASH,),
    ),
    _answer(
        "deep-error",
        "an error report of brackets in brackets",
        "Path('error.json').write_text('[' * 60_000); os._exit(0)",
        (CRASH,),
    ),
    _answer(
        "link-as-error",
        "a link to a secret as the error report, to have it shown",
        "os.symlink(T['home'] + '/.netrc', 'error.json'); os._exit(1)",
        (CRASH,),
    ),
    _answer(
        "pipe-as-output",
        "a pipe in the place of the captured output",
        "os.unlink('output.txt'); os.mkfifo('output.txt'); os._exit(1)",
        (CRASH,),
    ),
    _answer(
        "replace-while-read",
        "swap the answer for a link, over and over",
        """
        import threading
        def swap():
            while True:
                try:
                    os.symlink(T["truth"], "x")
                    os.replace("x", "answer.safetensors")
                except OSError:
                    pass
                Path("x").write_bytes(b"x")
                os.replace("x", "answer.safetensors")
        threading.Thread(target=swap).start()
        time.sleep(5)
        """,
        (TIMEOUT,),
        limits=Limits(time_seconds=0.4),
    ),
)
