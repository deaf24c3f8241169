"""Control groups that limit memory and count whom the kernel killed, of version 2 or 1."""

import os
import re
import time

UNIFIED, OLD = "/sys/fs/cgroup", "/sys/fs/cgroup/memory"


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def counts(text):
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}


def find_root():
    """(the folder that groups are made in, whether it is of version 2); OSError: none can be."""
    controllers = os.path.join(UNIFIED, "cgroup.controllers")
    if os.path.exists(controllers) and "memory" in read(controllers).split():
        return UNIFIED, True
    if os.path.exists(os.path.join(OLD, "memory.limit_in_bytes")):
        return OLD, False
    raise OSError("no control group limits memory here")


class Group:
    """A group of its own with a limit and no swap, for one `with`."""

    def __init__(self, limit):
        root, self.is_unified = find_root()
        self.path = os.path.join(root, f"mpress-bench-{os.getpid()}")
        if self.is_unified:
            write(os.path.join(root, "cgroup.subtree_control"), "+memory")
        os.mkdir(self.path)
        self.set(limit)

    def set(self, limit):
        if not self.is_unified:
            write(self.file("memory.limit_in_bytes"), str(limit))
            write(self.file("memory.swappiness"), "0")
            return
        write(self.file("memory.max"), str(limit))
        if os.path.exists(self.file("memory.swap.max")):
            write(self.file("memory.swap.max"), "0")

    def file(self, name):
        return os.path.join(self.path, name)

    def command(self, command):
        """The same, run in the group."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', self.file("cgroup.procs"), *command]

    def kills(self):
        name = "memory.events" if self.is_unified else "memory.oom_control"
        return counts(read(self.file(name)))["oom_kill"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Who was in it may need a moment to be gone."""
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.05)
