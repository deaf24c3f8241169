#!/usr/bin/env bash
# The account of resident memory of real programs, against what the kernel says.
. "$(dirname "$0")/check.sh"
need_library
export FOLDER_IS
FOLDER_IS=$(stat -f -c %T .)

python=/usr/bin/python3
[ -x "$python" ] || { echo "skipped: no $python" && exit 77; }

# mark() sets a mark, which makes a table, and says the kernel's sum of the moment.
cat >"$folder/common.py" <<'END'
import ctypes, mmap, os

def rss():
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:")) * 1024

def touch(area, step=4096):
    for at in range(0, len(area), step):
        area[at] = 1

def mark():
    before = rss()
    ctypes.CDLL(None).mpress_mark(b"here")
    print("rss", before)
END

# account_is SCRIPT: the last table of a mark is the largest one; `r` is the report's account.
account_is () {
    cat "$folder/common.py" program.py >all.py
    run "$MPRESS" record -o t.mpt -- "$python" all.py
    expect_status 0
    cp out said
    run "$MPRESS" report --json --top 1000 t.mpt
    expect_status 0
    { cat <<'END'; echo "$1"; } >check.py
import json, os, sys
r = json.load(open("out"))["resident"]
most = r["at_largest"]
rss = next(int(line.split()[1]) for line in open("said") if line.startswith("rss"))
parts = ["heap", "tracer", "mapped", "files", "shared", "stacks", "libraries", "rest"]
assert sum(most[p] for p in parts) == most["rss"], most
assert abs(most["rss"] / rss - 1) < 0.02, (most["rss"], rss)
MiB = 1 << 20
END
    "$python" check.py 2>>err || fail "the account is not right"
}

memory_files_and_the_break_are_told_apart() {
    cat >program.py <<'END'
private = mmap.mmap(-1, 48 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
touch(private)
shared = mmap.mmap(-1, 8 << 20)
touch(shared)
with open("file", "wb") as file:
    file.write(bytes(16 << 20))
opened = open("file", "rb")
mapped = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
total = sum(mapped[at] for at in range(0, len(mapped), 4096))
sbrk = ctypes.CDLL(None).sbrk
sbrk.restype, sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
ctypes.memset(sbrk(4 << 20), 1, 4 << 20)
libc = ctypes.CDLL(None)
libc.shmat.restype, libc.shmat.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
def attach(bytes):
    segment = libc.shmget(0, bytes, 0o600)
    start = libc.shmat(segment, None, 0)
    libc.shmctl(segment, 0, None) # IPC_RMID
    ctypes.memset(start, 1, bytes)
    return start
libc.shmdt(attach(20 << 20))
attach(6 << 20)
kept = [bytes(1000) for _ in range(20000)]
mark( )
END
    account_is '
assert 52 * MiB <= most["mapped"] < 56 * MiB, most
in_memory = 16 * MiB if os.environ["FOLDER_IS"] == "tmpfs" else 0 # the file: no file for the kernel
assert 14 * MiB <= most["shared"] - in_memory < 15 * MiB, most
by_ctypes = [s for s in r["stacks"] if s["bytes"] == (20 + 6 + 4) * MiB]
assert len(by_ctypes) == 1 and by_ctypes[0]["calls"] == 3, r["stacks"]
assert by_ctypes[0]["resident_at_largest"] == by_ctypes[0]["mapped_at_largest"] == 10 * MiB, r
assert 16 * MiB <= most["files"] + in_memory < 18 * MiB, most
assert most["heap"] > 19 * MiB, most
assert most["rest"] < 2 * MiB, most
assert r["stacks"][0]["resident_at_largest"] >= 48 * MiB, r["stacks"][0]
'
    run "$MPRESS" report t.mpt
    expect_80_columns
    expect_out "^RESIDENT MEMORY"
    expect_out "memory that the program mapped  *5[2-5].* MiB"
    expect_out "= resident set (RSS)"
    expect_out "5[56].* MiB resident of 56.0 MiB, last 0 B of 0 B; 2 calls"
}

stacks_of_threads_are_told_apart() {
    cat >program.py <<'END'
import threading
deep = threading.Barrier(5)
def descend(level):
    if level > 0:
        return descend(level - 1) + 1
    deep.wait()
    deep.wait()
    return 0
threading.stack_size(64 << 20)
import sys
sys.setrecursionlimit(20000)
threads = [threading.Thread(target=lambda: sorted([0], key=lambda _: descend(400))) for _ in range(4)]
for thread in threads:
    thread.start()
deep.wait()
held = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
touch(held)
mark( )
deep.wait()
END
    account_is '
assert most["stacks"] > 64 * 1024, most
assert 32 * MiB <= most["mapped"] < 34 * MiB, most
assert most["rest"] < 2 * MiB, most
'
}

a_database_that_maps_its_file_is_accounted_for() {
    "$python" -c 'import sqlite3' 2>/dev/null || return 0
    cat >program.py <<'END'
import sqlite3
base = sqlite3.connect("base.db")
base.execute("pragma mmap_size=268435456")
base.execute("create table t (x)")
base.executemany("insert into t values (?)", ((b"x" * 1000,) for _ in range(30000)))
base.commit()
base.close()
base = sqlite3.connect("base.db")
base.execute("pragma mmap_size=268435456")
assert base.execute("select sum(length(x)) from t").fetchone()[0] == 30000000
mark( )
END
    account_is 'assert most["files" if os.environ["FOLDER_IS"] != "tmpfs" else "shared"] > 20 * MiB, most'
}

# The parts are all of RSS, the heap's parts all of the heap, and what the process itself said beside
# the table is within 2 % of it; and nothing that the program still has is called lost.
adds_up () { # no test: the blank keeps it out
    run "$MPRESS" report --json --fail-on 'lost>0' "$1"
    expect_status 0
    python3 - <<'END' >said 2>&1 || fail "$1: $(cat said)"
import json, os
report = json.load(open("out"))
batches = 3 * os.cpu_count() * 64 * 4096 # kernels before 6.16 count each kind of page in batches
parts = ("heap", "tracer", "mapped", "files", "shared", "stacks", "libraries", "rest")
for when in ("at_largest", "at_end"):
    moment = report["resident"][when]
    assert sum(moment[part] for part in parts) == moment["rss"], moment
    assert sum(moment["heap_parts"].values()) == moment["heap"], moment
    look = min(report["fragmentation"]["samples"], key=lambda look: abs(look["after_ns"] - moment["after_ns"]))
    assert abs(look["rss"] - moment["rss"]) <= moment["rss"] * 0.02 + batches, (look["rss"], moment)
END
}

parts_add_up_for_real_programs_and_nothing_is_lost_in_them() {
    if [ -x /usr/bin/python3 ]; then
        PYTHONMALLOC=malloc "$MPRESS" record -q -o python3.mpt -- /usr/bin/python3 -c '
import json
held = [json.dumps({"a": i, "b": [i] * 5}) for i in range(5000)]'
        adds_up python3.mpt
        run "$MPRESS" report --summary python3.mpt
        expect_80_columns
        expect_out "blocks of the program, as asked for"
        expect_out "^    = RSS .* 100 %"
    fi
    if command -v sqlite3 >/dev/null; then
        "$MPRESS" record -q -o sqlite3.mpt -- sqlite3 :memory: "create table t(a, b); with recursive c(x) as
            (select 1 union all select x + 1 from c where x < 5000) insert into t select x, hex(x) from c;" >/dev/null
        adds_up sqlite3.mpt
    fi
    if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
        "$MPRESS" record -q -o redis.mpt -- redis-server --port 0 --unixsocket "$PWD/s" --save '' >log 2>&1 &
        server=$!
        wait_for "Ready to accept\|ready to accept" log
        { for i in {1..500}; do echo "set key:$i value:$i"; done; echo "lpush l 1 2 3"; } | redis-cli -s "$PWD/s" >/dev/null
        redis-cli -s "$PWD/s" shutdown nosave >/dev/null 2>&1
        wait $server
        adds_up redis.mpt
    fi
}

# Buffers that grow are all that happens while a sample falls due.
samples_that_fall_due_at_a_realloc_have_the_heaps_parts() {
    run "$MPRESS" record -q -o t.mpt -- "$python" -c '
import time
buffers = [bytearray(1000) for i in range(300)]
for step in range(8):
    time.sleep(0.06)
    for buffer in buffers:
        buffer.extend(bytes(1000))'
    expect_status 0
    run "$MPRESS" report --json t.mpt
    python3 - <<'END' || fail "samples without the heap's parts"
import json
samples = json.load(open("out"))["fragmentation"]["samples"]
assert len(samples) >= 8, len(samples)
assert all("resident_heap" in sample for sample in samples), samples
END
}

run_tests
