#!/usr/bin/env python3
"""What real programs lose: valgrind's memcheck and `mpress record` say the same.

usage: lost_alike.py MPRESS [NAME...]

Each program runs once under each. Memcheck's "definitely" and "indirectly lost" are held against
the report's `lost` and `lost_by_lost`. Where memcheck finds nothing, nothing may be called lost."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

MPRESS = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOADS = os.path.join(HERE, "..", "bench", "workloads")
PYTHON = "/usr/bin/python3"

PYTHON_WORK = """
import json, re, sqlite3, threading, zlib, hashlib, collections, ctypes
data = {f"key {i}": [i, str(i) * (i % 9), {"nested": [float(i)] * (i % 7)}] for i in range(2000)}
text = json.dumps(data, sort_keys=True)
assert json.loads(text) == data
print(collections.Counter(re.findall(r"nested|key", text)), zlib.crc32(zlib.compress(text.encode())))
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values (?, ?)", [(i, str(i)) for i in range(1000)])
print(db.execute("select sum(a), max(b) from t").fetchall())
threads = [threading.Thread(target=lambda: hashlib.sha256(text.encode()).hexdigest()) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
SQL = """create table t(a integer primary key, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) insert into t select i, 'word ' || i % 97 from n;
create index by_b on t(b);
select b, count(*) from t group by b order by 2 desc limit 3;
update t set b = upper(b) where a % 3 = 0; delete from t where a % 5 = 0;
select count(*) from t x join t y on x.b = y.b where x.a < y.a; pragma integrity_check;
"""
GIT_ENV = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b",
           "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}


def run_command(command, env=None, text=None):
    """A program that is one command; works in `folder` behind the words of `wrap`."""
    def once(folder, wrap):
        done = subprocess.run([*wrap, *command], cwd=folder, input=text or "", text=True, check=False,
                              env={**os.environ, "HOME": folder, **(env or {})}, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return once


def run_git(*arguments):
    run = run_command(["git", *arguments], GIT_ENV)

    def once(folder, wrap):
        repository = os.path.join(folder, "repository")
        if not os.path.exists(repository):
            os.mkdir(repository)
            plain = run_command(["sh", "-ec", "git init -q . && for i in 1 2 3 4 5 6 7 8 9; do seq $i 300 >f$i; done && "
                                 "git add . && git commit -qm first && for i in 1 2 3; do seq $((i * 5)) 400 >f$i; done && "
                                 "git commit -qam second && seq 7 >f9"], {**GIT_ENV, "HOME": folder})
            plain(repository, [])
        run(repository, wrap)
    return once


def run_redis(folder, wrap):
    socket = os.path.join(folder, "s")
    server = subprocess.Popen([*wrap, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                               "--dir", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(*words, text=None):
        return subprocess.run(["redis-cli", "-s", socket, *words], input=text, text=True, check=False,
                              capture_output=True).stdout.strip()

    end = time.monotonic() + 60
    while ask("ping") != "PONG":
        if server.poll() is not None or time.monotonic() > end:
            sys.exit("redis-server did not come up")
        time.sleep(0.1)
    ask(text="".join(f"SET k{i} {'v' * (i % 300)}\nHSET h{i % 10} f{i} {i}\nZADD z {i} m{i}\nRPUSH l{i % 5} e{i}\nDEL k{i // 2}\n"
                     for i in range(1500)))
    ask("flushall")
    ask("shutdown", "nosave")
    server.wait(timeout=60)


# name -> (what it needs, how it runs)
PROGRAMS = {
    "python3": ([PYTHON], run_command([PYTHON, "-c", PYTHON_WORK], {"PYTHONMALLOC": "malloc"})),
    "sqlite3": (["sqlite3"], run_command(["sqlite3", ":memory:"], text=SQL)),
    "redis": (["redis-server", "redis-cli"], run_redis),
    "git log": (["git"], run_git("log", "--stat", "-p")),
    "git status": (["git"], run_git("status", "--porcelain")),
    "git diff": (["git"], run_git("diff", "HEAD~1")),
    "git fsck": (["git"], run_git("fsck", "--full")),
    "git grep": (["git"], run_git("grep", "-c", "1")),
    "git rev-list": (["git"], run_git("rev-list", "--objects", "--all")),
}


def read_memcheck(path):
    """(bytes, blocks) definitely and indirectly lost."""
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    if "no leaks are possible" in text:
        return [(0, 0), (0, 0)]
    found = [re.search(kind + r" lost: ([\d,]+) bytes in ([\d,]+) blocks", text) for kind in ("definitely", "indirectly")]
    if None in found:
        sys.exit(f"memcheck did not come to its end: {text[-500:]}")
    return [tuple(int(n.replace(",", "")) for n in one.groups()) for one in found]


def read_ours(trace):
    said = subprocess.run([MPRESS, "report", "--json", "--top", "3", trace], check=True, capture_output=True)
    report = json.loads(said.stdout)
    leaks = report["leaks"]
    if leaks is None:
        sys.exit(f"{trace}: nobody looked")
    return [(leaks[kind]["bytes"], leaks[kind]["blocks"]) for kind in ("lost", "lost_by_lost")], report["stacks"]["lost"]


def compare(name, run):
    """True: they agree."""
    with tempfile.TemporaryDirectory() as folder:
        log, trace = os.path.join(folder, "memcheck"), os.path.join(folder, "t.mpt")
        run(folder, ["valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--trace-children=no",
                     f"--log-file={log}"])
        theirs = read_memcheck(log)
        run(folder, [MPRESS, "record", "--quiet", "--no-children", "--no-pack", "-o", trace, "--"])
        ours, stacks = read_ours(trace)
    is_alike = ours == theirs
    print(f"{name:12} memcheck {theirs[0]} definitely, {theirs[1]} indirectly; mpress {ours[0]}, {ours[1]}"
          f"{'' if is_alike else '   DIFFERENT'}")
    if not is_alike:
        for group in stacks:
            print("    ", group["lost"], [frame["function"] or frame["module"] for frame in group["frames"]])
    return is_alike


if __name__ == "__main__":
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        sys.exit(77)
    chosen = {name: one for name, one in PROGRAMS.items() if len(sys.argv) < 3 or name in sys.argv[2:]}
    results = []
    for program, (needs, runs) in chosen.items():
        missing = [command for command in needs if shutil.which(command) is None]
        if missing:
            print(f"{program:12} skipped: {' '.join(missing)} is not installed")
        else:
            results.append(compare(program, runs))
    if not results:
        sys.exit(77)
    sys.exit(0 if all(results) else 1)
