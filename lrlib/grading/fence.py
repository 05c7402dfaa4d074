"""On Linux, the kernel's own fence around a student's process: no other processes, no signals to others, no network."""

import ctypes
import platform
import sys

_ALLOW, _REFUSE, _ABSENT, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_CLONE_THREAD = 0x10000
# numbers of: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, pidfd_open, pidfd_getfd,
# ptrace, process_vm_readv, process_vm_writev, socket, socketpair, execve, execveat, fork, vfork, setpriority, prlimit64
_X86 = (62, 200, 234, 129, 297, 424, 434, 438, 101, 310, 311, 41, 53, 59, 322, 57, 58, 141, 302)
_ARM = (129, 130, 131, 138, 240, 424, 434, 438, 117, 270, 271, 198, 199, 221, 281, 140, 261)
_KINDS = {"x86_64": (0xC000003E, _X86, 56), "aarch64": (0xC00000B7, _ARM, 220)}
_CLONE3, _X32 = 435, 0x40000000


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def raise_fence() -> bool:
    """Put the fence around this process for good; False where the system has none (macOS, another processor)."""
    if sys.platform != "linux" or platform.machine() not in _KINDS:
        return False
    machine, refused, clone = _KINDS[platform.machine()]
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    lines = [(load, 0, 0, 4), (equal, 1, 0, machine), (answer, 0, 0, _KILL), (load, 0, 0, 0)]
    lines += [(0x35, 0, 1, _X32), (answer, 0, 0, _REFUSE)]  # the second table of numbers that x86 has
    for number in refused:
        lines += [(equal, 0, 1, number), (answer, 0, 0, _REFUSE)]
    lines += [(equal, 0, 1, _CLONE3), (answer, 0, 0, _ABSENT)]  # then the C library falls back on clone
    lines += [(equal, 0, 3, clone), (load, 0, 0, 16), (any_bit, 1, 0, _CLONE_THREAD), (answer, 0, 0, _REFUSE)]
    lines += [(answer, 0, 0, _ALLOW)]
    program = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0):
        return False
    return libc.prctl(22, 2, ctypes.byref(_Program(len(lines), program)), 0, 0) == 0


def adopt_orphans() -> None:
    """On Linux, become the parent of every process that a child leaves behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def keep_memory_private() -> None:
    """On Linux, let no other process of this user read this one's memory. The superuser's may."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
