"""The allocators that are compared: what to preload, and which variables choose a heap."""

import glob
import os
import re
import subprocess
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, "build", "release")
PROGRAMS = os.path.join(BUILD, "tests", "bench")
MPRESS = os.path.join(BUILD, "preload", "libmpress.so")
INSTALLED = {"mimalloc": "libmimalloc.so.2", "jemalloc": "libjemalloc.so.2",
             "tcmalloc": "libtcmalloc_minimal.so.4"}


class Unusable(Exception):
    """What the command line asked for cannot be done; the message says why."""


@dataclass
class Heap:
    name: str
    library: str = ""  # to preload; "" for libc's own heap
    variables: dict = field(default_factory=dict)

    def environment(self, **more):
        """Without LD_PRELOAD, which bench_launch sets for the measured program alone."""
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("MPRESS_", "LD_PRELOAD", "MALLOC_"))}
        return {**env, **self.variables, **more}


def preloaded(heap, **more):
    env = heap.environment(**more)
    return {**env, "LD_PRELOAD": heap.library} if heap.library else env


GLIBC = Heap("glibc")
OURS = Heap("mpress", MPRESS)


def known():
    """glibc, ours, ours with mimalloc inside, and what is installed."""
    found = [GLIBC, OURS]
    for name, soname in INSTALLED.items():
        paths = glob.glob(f"/usr/lib/*/{soname}")
        if name == "mimalloc" and paths:
            found.append(Heap("mpress-mimalloc", MPRESS, {"MPRESS_HEAP": "mimalloc"}))
        if paths:
            found.append(Heap(name, paths[0]))
    return found


def given(text):
    """NAME=PATH of the command line; the loader says nothing but in stderr when it cannot."""
    match = re.fullmatch(r"([\w.+-]+)=(.+)", text)
    if not match:
        raise Unusable(f"--with {text}: not of the form NAME=PATH")
    name, path = match.groups()
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise Unusable(f"--with {text}: there is no file {path}")
    tried = subprocess.run(["/bin/true"], env={**os.environ, "LD_PRELOAD": path},
                           capture_output=True, text=True, check=False)
    if tried.returncode != 0 or "cannot be preloaded" in tried.stderr:
        raise Unusable(f"--with {text}: /bin/true does not run under it: "
                       f"{tried.stderr.strip() or f'status {tried.returncode}'}")
    return Heap(name, path)


def choose(only, more):
    """The heaps to compare, glibc first: every ratio is to its figure."""
    heaps = known() + [given(text) for text in more]
    names = [heap.name for heap in heaps]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Unusable(f"--with: the name {', '.join(sorted(twice))} is taken")
    if not only:
        return heaps
    wanted = [name for name in only.split(",") if name]
    for name in wanted:
        if name not in names:
            raise Unusable(f"--only: there is no allocator {name}: {', '.join(names)}")
    return [heap for heap in heaps if heap.name in wanted or heap is heaps[0]]
