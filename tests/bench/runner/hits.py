"""How many requests the hot path serves in real programs, as the library itself counts at exit."""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from . import heaps, measure, programs
from .tables import Table

COUNTED = re.compile(r"^mpress: +(\d+) refills for (\d+) requests", re.MULTILINE)
POSTGRES = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""])[-1]


def counted(text):
    """The sum over all processes that said theirs."""
    found = [(int(refills), int(requests)) for refills, requests in COUNTED.findall(text)]
    if not found:
        raise measure.Failed("no process said what it counted")
    return {"percent": 100 * (1 - sum(r for r, _ in found) / sum(n for _, n in found))}


def environment(**variables):
    return heaps.preloaded(heaps.OURS, MPRESS_STATS="1", **variables)


def python_once(script):
    def once(_folder):
        done = subprocess.run([programs.PYTHON, programs.workload(script)], text=True, check=True,
                              capture_output=True, env=environment(**programs.ON_MALLOC))
        return counted(done.stderr)
    return once


def redis_once(folder):
    with open(os.path.join(folder, "said"), "w+") as said:
        programs.redis_serve(folder, environment(), said, lambda _socket: None)
        said.seek(0)
        return counted(said.read())


def postgres_once(folder):
    """The server and its processes; pg_ctl and its shell are counted with them."""
    data, log = os.path.join(folder, "data"), os.path.join(folder, "log")
    user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    plain = heaps.GLIBC.environment()

    def run(command, *arguments, env=None):
        subprocess.run([*user, *(env or []), os.path.join(POSTGRES, command), *arguments],
                       check=True, capture_output=True, env=plain, cwd=folder)

    def control(*arguments, **more):
        run("pg_ctl", "-D", data, "-w", "-s", "-l", log, *arguments, **more)

    os.chmod(folder, 0o777)
    run("initdb", "-D", data, "--no-sync", "-A", "trust", "-U", "test")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control("-o", settings, "start",
            env=["env", f"LD_PRELOAD={heaps.MPRESS}", "MPRESS_STATS=1"])
    try:
        bench = ("-h", folder, "-U", "test", "postgres")
        run("pgbench", "-i", "-s", "5", "-q", *bench)
        run("pgbench", "-c", "8", "-j", "2", "-t", "500", *bench)
    finally:
        control("-m", "fast", "stop")
    with open(log, errors="replace") as said:
        return counted(said.read())


# name -> (what it needs that is not here, how it is run once in a folder of its own)
ROWS = {
    "python3": (lambda: not programs.PYTHON, python_once("build_data.py")),
    "python3-objects": (lambda: not programs.PYTHON, python_once("objects.py")),
    "redis": (lambda: not shutil.which("redis-server"), redis_once),
    "postgres": (lambda: not POSTGRES, postgres_once),
}


def run_hits(_names, _compared, options):
    table = Table("Requests of up to 32 KiB that took no lock, at least", "%", ["mpress"],
                  means=False)
    for name, (is_missing, once) in ROWS.items():
        if is_missing():
            print(f"skipped: {name} is not installed")
            continue

        def measured(once=once):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return once(folder)
                except subprocess.CalledProcessError as failure:
                    raise measure.Failed(str(failure)) from failure
        taken = measure.take_turns(f"hits {name}", {"mpress": measured}, options.rounds)
        if taken.get("mpress"):
            table.add(name, taken, "percent")
    return [table]
