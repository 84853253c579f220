"""The system calls that a pruner may make under full isolation: a seccomp filter.

A list of what is allowed, not of what is forbidden, so that calls which kernels gain later are
closed too. Landlock decides on paths; this filter closes what Landlock leaves open: sockets of
every kind, other processes, file modes and times, shared memory that outlives a process,
asynchronous signals by fcntl, and every way round the filter itself (io_uring, other ABIs).
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seccompy import Filter

if sys.platform != "linux":
    raise ImportError("this module needs Linux")

_LOW = 0xFFFFFFFF  # an int argument's upper half is undefined
_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020000

_FILES = """
    read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 lseek close
    close_range dup dup2 dup3 pipe pipe2 eventfd eventfd2 fsync fdatasync ftruncate
    fallocate fadvise64 readahead sendfile copy_file_range sync_file_range flock creat stat
    fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink
    readlinkat getdents getdents64 getcwd chdir fchdir umask mkdir mkdirat rmdir unlink
    unlinkat rename renameat renameat2 link linkat symlink symlinkat getxattr lgetxattr
    fgetxattr listxattr llistxattr flistxattr poll ppoll select pselect6 epoll_create
    epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 timerfd_create
    timerfd_settime timerfd_gettime signalfd signalfd4
"""

_MEMORY = """
    mmap munmap mprotect mremap msync mincore madvise brk mlock munlock mlock2 membarrier
    pkey_alloc pkey_free pkey_mprotect mbind set_mempolicy get_mempolicy map_shadow_stack
    mseal
"""

_OWN_PROCESS = """
    exit exit_group wait4 waitid getpid getppid gettid getpgid getpgrp getsid getuid geteuid
    getgid getegid getresuid getresgid getgroups getrusage getrlimit times sysinfo uname
    getcpu getpriority capget arch_prctl set_tid_address set_robust_list get_robust_list
    rseq restart_syscall futex futex_waitv futex_wake futex_wait futex_requeue rt_sigaction
    rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack
    pause alarm getitimer setitimer kill tgkill sched_yield sched_getaffinity sched_getparam
    sched_getscheduler sched_getattr sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday
    time timer_create timer_settime timer_gettime timer_getoverrun timer_delete getrandom
"""

#: Refused as "not permitted", which reads better in a submission's traceback than the
#: "not implemented" that any other call gets.
_REFUSED = """
    socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg recvfrom
    fork vfork execve execveat tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal
    pidfd_open pidfd_getfd ptrace process_vm_readv process_vm_writev kcmp setsid setpgid
    setpriority sched_setscheduler sched_setparam ioprio_set setuid setgid setresuid
    setresgid truncate chmod fchmod fchmodat chown fchown lchown fchownat utime utimes
    utimensat futimesat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
    mknod mknodat mount umount2 chroot pivot_root unshare setns shmget shmat shmctl semget
    semop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink memfd_create memfd_secret
    keyctl add_key request_key inotify_init inotify_init1 inotify_add_watch fanotify_init
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter open_by_handle_at
    name_to_handle_at
"""

_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)  # duplicates, flags and locks
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # isatty, window size, non-blocking
_PRCTL = (3, 15, 16, 23, 0x53564D41)  # dumpable?, thread name, capability?, name of memory


@cache
def static_filter() -> Filter:
    """Returns the part of the filter that is the same for every process.

    Building it takes some milliseconds: call it once before forking.
    """
    from seccompy import Action, CmpOp, Filter
    from seccompy.syscalls import syscall_nr

    def exists(name: str) -> bool:
        try:
            syscall_nr(name)
        except ValueError:
            return False
        return True

    rules = Filter(default=Action.ERRNO | errno.ENOSYS)
    equal = CmpOp.MASKED_EQ
    for name in filter(exists, f"{_FILES} {_MEMORY} {_OWN_PROCESS}".split()):
        rules.allow(name)
    # Emptying a file through a descriptor for reading: Landlock before ABI 3 lets it pass.
    for name, position in (("open", 1), ("openat", 2)):
        if exists(name):
            emptying = (position, equal, os.O_TRUNC, os.O_TRUNC | os.O_ACCMODE)
            rules.errno(name, errno.EPERM, args=[emptying])
            rules.allow(name)
    thread = (0, equal, _CLONE_THREAD, _CLONE_THREAD | _CLONE_NAMESPACES)
    rules.allow("clone", args=[thread])
    rules.errno("clone", errno.EPERM)
    for name, position, values in (
        ("fcntl", 1, _FCNTL),
        ("ioctl", 1, _IOCTL),
        ("prctl", 0, _PRCTL),
    ):
        for value in values:
            rules.allow(name, args=[(position, equal, value, _LOW)])
        rules.errno(name, errno.EPERM)
    # Limits and processors of this process only; of another they could stop it.
    for name in ("prlimit64", "sched_setaffinity"):
        rules.allow(name, args=[(0, equal, 0, _LOW)])
        rules.errno(name, errno.EPERM)
    for name in filter(exists, ("setrlimit",)):
        rules.allow(name)
    for name in filter(exists, _REFUSED.split()):
        rules.errno(name, errno.EPERM)
    _ = rules.program  # compiled here, once, and inherited by every fork
    return rules


def apply() -> None:
    """Binds this process, for good, to the filter; signals reach only itself.

    Raises:
        OSError: the kernel refuses the filter.
    """
    from seccompy import Action, CmpOp, Filter

    own = Filter(default=Action.ALLOW)
    for name in ("kill", "tgkill"):
        own.allow(name, args=[(0, CmpOp.MASKED_EQ, os.getpid(), _LOW)])
        own.errno(name, errno.EPERM)
    own.load()
    static_filter().load()
