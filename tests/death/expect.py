#!/usr/bin/env python3
"""expect.py LIBRARY PROGRAM now|soon - the program dies, with exactly the message of its row.

The row of fault.def is the one whose name begins the program's: double_free_large belongs to
FAULT_DOUBLE_FREE. "now": with MPRESS_CHECK=1 the faulty call itself must not return.
expect.py --rows NAME...: every row has a program among these names.
"""

import os
import re
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STRINGS = r'((?:\s*"(?:[^"\\]|\\.)*")+)'
ROW = re.compile(rf"^FAULT\(FAULT_(\w+),{STRINGS},{STRINGS}\)", re.M)


def rows():
    """program name -> (what, advice)"""
    with open(os.path.join(ROOT, "allocators/base/fault.def"), encoding="utf-8") as file:
        found = ROW.findall(file.read())
    return {name.lower(): tuple("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)) for text in texts)
            for name, *texts in found}


def fail(reason, done=None):
    print(reason)
    if done is not None:
        print(f"exit code {done.returncode}\nstdout: {done.stdout}\nstderr: {done.stderr}")
    sys.exit(1)


def check_rows(programs):
    missing = [row for row in rows() if not any(name.startswith(row) for name in programs)]
    if missing or not rows():
        fail(f"rows without a test: {missing}")


def run(library, program, check):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MPRESS_")}
    environment.update(LD_PRELOAD=library, MPRESS_CHECK=check)
    return subprocess.run(["bash", "-c", 'ulimit -c 0; exec "$0"', program], env=environment,
                          capture_output=True, text=True, timeout=100)


def check_death(library, program, when):
    name = os.path.basename(program).removeprefix("death_")
    what, advice = next(text for row, text in rows().items() if name.startswith(row))
    done = run(library, program, "1" if when == "now" else "0")
    address = done.stdout.split("\n", 1)[0]
    wanted = f"mpress: {what} at {address}: {advice}\n"
    if done.returncode != -signal.SIGABRT:
        fail("was not aborted", done)
    if done.stderr != wanted:
        fail(f"wanted exactly: {wanted}", done)
    if when == "now" and "survived" in done.stdout:
        fail("the faulty call returned", done)


if sys.argv[1] == "--rows":
    check_rows(sys.argv[2:])
elif not os.path.exists(sys.argv[1]):
    print("skipped: libmpress.so is not built")
    sys.exit(77)
else:
    check_death(*sys.argv[1:4])
