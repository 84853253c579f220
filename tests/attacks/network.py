"""Attacks over the network: telling the ticket to someone, or asking for it."""

from __future__ import annotations

from attacks.attack import Attack, told
from plantkit.isolation.levels import Level

_ATTACKS = {
    "tcp": (
        "connect by TCP",
        "socket.create_connection(('127.0.0.1', T['tcp']), 2).sendall(b'tcp')",
    ),
    "udp": (
        "send a datagram",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'udp', ('127.0.0.1', T['udp']))",
    ),
    "dns": (
        "put a secret into a question to a name server",
        """
        question = b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\6ticket\\7example\\0\\0\\1\\0\\1"
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(question, ("127.0.0.1", T["udp"]))
        """,
    ),
    "unix-socket": (
        "connect to a Unix socket",
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(T["unix"])
        connection.sendall(b"unix")
        """,
    ),
    "abstract-socket": (
        "connect to a Unix socket without a file",
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect("\\0" + T["abstract"])
        connection.sendall(b"abstract")
        """,
    ),
    "socket-pair": (
        "send from a socket pair to a Unix socket of others",
        """
        one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.sendto(b"pair", T["datagram"])
        """,
    ),
    "listen": (
        "wait for a connection from outside",
        "server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(1)",
    ),
    "netlink": (
        "ask the kernel about the network",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    ),
    "io-uring": (
        "open a socket without the system call for it",
        """
        ring = LIBC.syscall(425, 4, ctypes.create_string_buffer(256))
        if ring < 0:
            raise OSError(ctypes.get_errno(), "io_uring_setup")
        """,
    ),
    "x32": (
        "open a socket by the numbers of another ABI",
        """
        handle = LIBC.syscall(0x40000000 + 41, socket.AF_INET, socket.SOCK_STREAM, 0)
        if handle < 0:
            raise OSError(ctypes.get_errno(), "socket")
        """,
    ),
}
#: Whether a kernel offers these at all differs, so there is no control.
_WITHOUT_CONTROL = {"io-uring", "x32"}

ATTACKS = tuple(
    Attack(
        name=name,
        tries=tries,
        body=told(body),
        control=None if name in _WITHOUT_CONTROL else Level.PROCESS,
        error="rror",
    )
    for name, (tries, body) in _ATTACKS.items()
)
