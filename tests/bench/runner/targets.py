"""Seven programs as they are put under pressure, each by a user without rights: what of
`mpress-replay --scenario` tells of them, behind which the program's own command stands."""

import glob
import os
import shutil
import subprocess

from . import heaps, measure, programs

USER, GROUP = "nobody", "nogroup"  # who it is where this runs as root
POSTGRES = "/usr/lib/postgresql/*/bin"


def as_user(command):
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups", *command]


def environment(folder):
    """Its home is the folder, and nothing of this user's shell is in its path."""
    path = "/usr/local/bin:/usr/bin:/bin:" + ":".join(glob.glob(POSTGRES))
    return {**heaps.GLIBC.environment(), "HOME": folder, "PATH": path, "LC_ALL": "C"}


def find(command, folder):
    return shutil.which(command, path=environment(folder)["PATH"])


def own(folder):
    """It may write there."""
    if os.geteuid() == 0:
        shutil.chown(folder, USER, GROUP)


def set_up(command, folder):
    """A step that comes before."""
    done = subprocess.run(as_user(command), cwd=folder, env=environment(folder), check=False,
                          capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise measure.Failed(f"{command[0]}: {(done.stderr.strip() or done.stdout.strip())[-200:]}")


# -- servers ---------------------------------------------------------------------------------------

def redis(folder, size):
    """Each load sets all of the keys, four times on average, so that the first fills the memory."""
    socket, keys = os.path.join(folder, "socket"), int(50000 * size)
    load = f"redis-benchmark -s {socket} -t set -r {keys} -n {4 * keys} -d 300 -P 16 -q"
    return ["--ready", "eady to accept connections", "--load", load, "--",
            "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder,
            "--crash-memcheck-enabled", "no"]


# Each start is of the same files: a run would find what the one before left, and repair it if that
# was killed.
POSTGRES_START = 'rm -rf "$1" && cp -r "$0" "$1" && exec postgres -D "$1" -k "$2" -h "" -F'


def postgres(folder, size):
    first, data = os.path.join(folder, "first"), os.path.join(folder, "data")
    set_up(["initdb", "-D", first, "-U", "bench", "-A", "trust", "-N"], folder)
    set_up(["pg_ctl", "-D", first, "-w", "-l", os.path.join(folder, "log"),
            "-o", f"-k {folder} -h '' -F", "start"], folder)
    set_up(["pgbench", "-h", folder, "-U", "bench", "-i", "-q", "-s", "1", "postgres"], folder)
    set_up(["pg_ctl", "-D", first, "-w", "stop"], folder)
    load = f"pgbench -h {folder} -U bench -n -c 4 -t {max(20, int(500 * size))} postgres"
    return ["--ready", "ready to accept connections", "--load", load, "--",
            "sh", "-c", POSTGRES_START, first, data, folder]


# -- programs that end -----------------------------------------------------------------------------

def python3(_folder, size):
    return ["--", programs.PYTHON, "-S", "-c",
            f"d = {{i: 'user %d, seen' % i for i in range({int(200000 * size)})}}; print(len(d))"]


def sqlite3(_folder, size):
    rows = (f"with recursive c(x) as (select 1 union all select x + 1 from c where x < {int(150000 * size)})"
            " insert into t select x, printf('user %d, seen %d times', x * 7919 % 100003, x) from c;")
    return ["--", "sqlite3", ":memory:", "create table t(a integer primary key, b text); " + rows +
            " create index i on t(b); select count(*) from t;"]


def node(_folder, size):
    return ["--", "node", "-e", f"const m = new Map(); for (let i = 0; i < {int(150000 * size)}; i++) "
            "m.set(i, {name: 'user ' + i, seen: i}); console.log(m.size);"]


def java(folder, size):
    set_up(["javac", "-d", folder, programs.workload("Fill.java")], folder)
    return ["--", "java", "-Xmx64m", "-cp", folder, "Fill", str(int(200000 * size))]


def go(folder, size):
    program = os.path.join(folder, "fill")
    set_up(["env", "CGO_ENABLED=0", "go", "build", "-o", program, programs.workload("fill.go")], folder)
    return ["--", program, str(int(80000 * size))]


# name -> (the commands that it needs, how it is made ready)
TARGETS = {
    "redis": (("redis-server", "redis-benchmark"), redis),
    "postgres": (("postgres", "initdb", "pg_ctl", "pgbench"), postgres),
    "python3": ((programs.PYTHON or "python3",), python3),
    "sqlite3": (("sqlite3",), sqlite3),
    "node": (("node",), node),
    "java": (("java", "javac"), java),
    "go": (("go",), go),
}


# -- programs that take all the memory that they can get, and keep it for a moment -------------------

WANTED_MIB = 256


def greedy_cache(_folder):
    return [os.path.join(heaps.BUILD, "tests", "cli", "cache"), "flat", "--units", "100",
            "--mib", str(WANTED_MIB)]


def greedy_python3(_folder):
    return [programs.PYTHON, "-S", "-c", f"""
import time
taken = []
try:
    while len(taken) < {WANTED_MIB}:
        taken.append(bytearray(b"1") * (1 << 20))
except MemoryError:
    pass
time.sleep(0.2)"""]


def greedy_node(_folder):
    return ["node", "-e", f"""
const taken = [], still = new Int32Array(new SharedArrayBuffer(4));
try {{ while (taken.length < {WANTED_MIB}) taken.push(Buffer.alloc(1 << 20, 1)); }} catch (refused) {{}}
Atomics.wait(still, 0, 0, 200);
process.reallyExit(0);"""]


def greedy_java(folder):
    set_up(["javac", "-d", folder, programs.workload("Greedy.java")], folder)
    return ["java", "-Xmx32m", "-XX:MaxDirectMemorySize=1g", "-cp", folder, "Greedy", str(WANTED_MIB)]


def greedy_sqlite3(_folder):
    rows = WANTED_MIB << 10  # of a KiB each
    return ["sqlite3", ":memory:", "create table t(b blob); with recursive c(x) as (select 1 union all "
            f"select x + 1 from c where x < {rows}) insert into t select randomblob(1000) from c;"]


# name -> (the commands that it needs, how its command is made)
GREEDY = {
    "C": ((), greedy_cache),
    "python3": ((programs.PYTHON or "python3",), greedy_python3),
    "node": (("node",), greedy_node),
    "java": (("java", "javac"), greedy_java),
    "sqlite3": (("sqlite3",), greedy_sqlite3),
}
