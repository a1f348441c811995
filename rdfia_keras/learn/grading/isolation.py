"""Lock a process in, on Linux: namespaces, Landlock, seccomp and limits, through the C library.

This file is loaded by `fork_server`, a process that has nothing of ours in its memory, so it imports the standard
library only. `enter_namespaces` is called once, before anything else is imported (a user namespace wants a process with
one thread); `own_processes` and `lock_in` once for each submission.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446
_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class IsolationError(Exception):
    """Something that isolation needs is not there; the message says what."""


def _call(what: str, function: str, *arguments: object) -> int:
    result = int(getattr(_libc, function)(*arguments))
    if result < 0:
        raise IsolationError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _prctl(what: str, option: int, value: int = 0, more: object = 0) -> None:
    _call(what, "prctl", option, ctypes.c_ulong(value), more, 0, 0)


# --- namespaces -------------------------------------------------------------------------------------------------------


def enter_namespaces(folder: str) -> None:
    """Go where there is no network and every mount is read-only; all capabilities are over this place only.

    A small empty file system is at `folder`: Keras wants one when it is imported.

    Raises:
        IsolationError: When the system refuses it.
    """
    user, group = os.geteuid(), os.getegid()
    _call("user namespaces", "unshare", NEWUSER | NEWNS | NEWNET | NEWIPC | NEWUTS)
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text)
    except OSError as error:
        raise IsolationError(f"user namespaces: {error.strerror}") from error
    _call("a mount namespace", "mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    read_only = struct.pack("QQQQ", 1 | _MS_NOSUID, 0, 0, 0)
    at_recursive = 0x8000
    _call("read-only mounts (Linux 5.12)", "syscall", _MOUNT_SETATTR, -1, b"/", at_recursive, read_only, len(read_only))
    _small_files(folder)


def own_processes(folder: str) -> None:
    """The next fork is the first process of a namespace that ends with it; a small empty file system is at `folder`.

    Raises:
        IsolationError: When the system refuses it.
    """
    _call("a PID namespace", "unshare", NEWPID | NEWNS)
    _small_files(folder)


def _small_files(folder: str) -> None:
    options = b"size=16m,nr_inodes=256,mode=700"
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _call("a file system in memory", "mount", b"tmpfs", folder.encode(), b"tmpfs", flags, options)


# --- limits -----------------------------------------------------------------------------------------------------------


def limit(memory: int, seconds: int) -> None:
    """Limit what the process may take; nothing of it depends on who the user is.

    Args:
        memory: Bytes of address space beyond what is in use.
        seconds: Of CPU time.
    """
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if _libc else 0
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 16 << 20,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    if in_use:
        limits[resource.RLIMIT_AS] = in_use + memory
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


# --- files ------------------------------------------------------------------------------------------------------------


def readable(libraries: tuple[str, ...] | None) -> list[str]:
    """What the student's code may read: Python's own library and some installed packages, but nothing of ours.

    Args:
        libraries: Packages beside the standard library; None is all that are installed.
    """
    found = [
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/usr/share/zoneinfo",
        "/dev/null",
        "/dev/zero",
        "/dev/urandom",
        "/dev/random",
    ]
    packages = ("site-packages", "dist-packages")
    for folder in {str(Path(os.__file__).parent), *(entry for entry in sys.path if entry.endswith("lib-dynload"))}:
        found += _entries(folder, lambda name: name not in packages)
    for folder in ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", f"{sys.base_prefix}/lib"):
        found += _entries(folder, lambda name: not name.startswith("python"))
    for folder in [entry for entry in sys.path if Path(entry).name in packages]:
        found += _entries(folder, lambda name: _wanted(name, libraries))
    if libraries is None:
        found += ["/proc/self/cmdline", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system"]
    return found


def _entries(folder: str, keep: Callable[[str], bool]) -> list[str]:
    try:
        return [str(path) for path in Path(folder).iterdir() if keep(path.name)]
    except OSError:
        return []


def _wanted(name: str, libraries: tuple[str, ...] | None) -> bool:
    if name.replace("-", "_").startswith(("rdfia_keras", "__editable__")) or name.endswith(".pth"):
        return False
    return libraries is None or name in libraries


def restrict_files(paths: list[str], folder: str) -> None:
    """Nothing can be opened from here on but `paths`, for reading, and `folder`.

    Raises:
        IsolationError: When the kernel has no Landlock.
    """
    abi = _call("Landlock (Linux 5.13)", "syscall", _LANDLOCK_CREATE, None, 0, 1)
    everything = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    handled = [everything, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0]
    attributes = struct.pack("QQQ", *handled)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    rules = _call("Landlock", "syscall", _LANDLOCK_CREATE, attributes, len(attributes), 0)
    execute, write, read, read_dir = 1, 2, 4, 8
    for path in paths:
        rights = execute | read | (read_dir if Path(path).is_dir() else 0)
        _allow(rules, path, rights | (write if path == "/dev/null" else 0))
    _allow(rules, folder, everything & ~execute)
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)
    _call("Landlock", "syscall", _LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        beneath = 1
        _call(f"Landlock for {path}", "syscall", _LANDLOCK_ADD, rules, beneath, struct.pack("=Qi", rights, file), 0)
    finally:
        os.close(file)


# --- system calls -----------------------------------------------------------------------------------------------------

# From asm/unistd_64.h and asm-generic/unistd.h. Calls of these numbers and above have one number everywhere.
_EVERYWHERE = (
    424,  # pidfd_send_signal
    425,  # io_uring_setup
    428,  # open_tree
    429,  # move_mount
    430,  # fsopen
    432,  # fsmount
    434,  # pidfd_open
    438,  # pidfd_getfd
    442,  # mount_setattr
    447,  # memfd_secret
    452,  # fchmodat2
    463,  # setxattrat
    466,  # removexattrat
)
_REFUSED = {
    # Sockets; other processes; programs; modes, owners, times and attributes of files; mounts; the kernel; shared
    # memory that no limit counts.
    "x86_64": (
        *(41, 42, 43, 44, 46, 49, 50, 53, 288, 307),
        *(57, 58, 62, 101, 129, 200, 234, 297, 310, 311),
        *(59, 322),
        *(90, 91, 92, 93, 94, 132, 133, 188, 189, 190, 197, 198, 199, 235, 259, 260, 261, 268, 280),
        *(155, 161, 165, 166, 272, 308),
        *(135, 175, 176, 206, 246, 248, 249, 250, 298, 300, 304, 313, 320, 321, 323),
        *(29, 64, 68, 240, 319),
    ),
    "aarch64": (
        *(198, 199, 200, 201, 202, 203, 206, 211, 242, 269),
        *(117, 129, 130, 131, 138, 240, 270, 271),
        *(221, 281),
        *(5, 6, 7, 14, 15, 16, 33, 52, 53, 54, 55, 88),
        *(39, 40, 41, 51, 97, 268),
        *(0, 92, 104, 105, 106, 217, 218, 219, 241, 262, 265, 273, 280, 282),
        *(180, 186, 190, 194, 279),
    ),
}
_ARCHITECTURE = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_CLONE3, _CLONE_THREAD = 435, 0x00010000


def restrict_calls(threads: bool) -> None:
    """Refuse system calls that start processes or programs, make sockets, or change more than a file's content.

    Without `clone` a fork bomb is impossible, whatever limits the user is free of.

    Args:
        threads: Whether threads may be started.

    Raises:
        IsolationError: When the kernel has no seccomp filters, or the processor is not known here.
    """
    machine = platform.machine()
    if machine not in _REFUSED:
        raise IsolationError(f"seccomp: its filter is written for {' and '.join(_REFUSED)}, not for {machine}")
    architecture, clone = _ARCHITECTURE[machine]
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":  # The x32 calls.
        program += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _EPERM)]
    for number in (*_REFUSED[machine], *_EVERYWHERE):
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    # Its flags lie in memory, where a filter cannot look: the C library then uses clone.
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    if threads:
        program += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, 16), (_BITS, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _EPERM)]
    else:
        program += [(_EQUAL, 0, 1, clone), (_RETURN, 0, 0, _EPERM)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filter_program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)
    _prctl("seccomp filters", _PR_SET_SECCOMP, 2, filter_program)


def drop_capabilities() -> None:
    """Give up every capability for good.

    Raises:
        IsolationError: When that fails.
    """
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # type: ignore[union-attr]
    header, none = struct.pack("Ii", 0x20080522, 0), struct.pack("IIIIII", 0, 0, 0, 0, 0, 0)
    _call("capabilities", "syscall", _CAPSET[platform.machine()], header, none)


def lock_in(folder: str, paths: list[str], threads: bool) -> None:
    """Everything that holds for one submission: files, capabilities, system calls.

    Raises:
        IsolationError: When the system lacks one of them.
    """
    _prctl("the parent's death signal", _PR_SET_PDEATHSIG, signal.SIGKILL)
    restrict_files(paths, folder)
    drop_capabilities()
    restrict_calls(threads)
