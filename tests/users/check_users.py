#!/usr/bin/env python3
"""The users of transactions give the same answers with the library and without, whatever memory
they are asked to take, and take it only with the library.

usage: check_users.py LIBRARY PROGRAM...       sqlite_sessions, passes, or request_server request_client"""

import os
import re
import subprocess
import sys

LIBRARY, PROGRAM, *CLIENT = sys.argv[1:]
TIMEOUT = 120


def environment(library):
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return {**env, "LD_PRELOAD": library} if library else env


def check(holds, what):
    if not holds:
        sys.exit(f"check_users: {what}")


def run_sessions(memory, library):
    done = subprocess.run([PROGRAM, "--memory", memory, "--sessions", "8", "--rows", "120"],
                          env=environment(library), capture_output=True, text=True, check=False,
                          timeout=TIMEOUT)
    check(done.returncode == 0, f"{memory}, {library}: status {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def run_passes(memory, library):
    said = [[], []]
    for work in ("trees", "texts"):
        done = subprocess.run([PROGRAM, "--memory", memory, "--work", work, "--rounds", "50"],
                              env=environment(library), capture_output=True, text=True, check=False,
                              timeout=TIMEOUT)
        check(done.returncode == 0, f"{memory}, {library}: status {done.returncode}: {done.stderr}")
        said[0].append(done.stdout)
        said[1].append(done.stderr)
    return "".join(said[0]), "".join(said[1])


def run_server(memory, library):
    with subprocess.Popen([PROGRAM, "--memory", memory], env=environment(library), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            port = server.stdout.readline().strip()
            done = subprocess.run([CLIENT[0], port, "--requests", "800", "--shutdown", "1"],
                                  env=environment(""), capture_output=True, text=True, check=False,
                                  timeout=TIMEOUT)
            check(done.returncode == 0, f"{memory}, {library}: the client says {done.stderr}")
            said = server.communicate(timeout=TIMEOUT)[1]
        finally:
            server.kill()
        check(server.returncode == 0, f"{memory}, {library}: status {server.returncode}: {said}")
    return done.stdout, said


run, memories = {
    "request_server": (run_server, ("malloc", "transaction", "entered")),
    "sqlite_sessions": (run_sessions, ("malloc", "session", "statement")),
    "passes": (run_passes, ("malloc", "transaction")),
}[os.path.basename(PROGRAM)]
answers = set()
for chosen in memories:
    for preloaded in ("", LIBRARY):
        answer, told = run(chosen, preloaded)
        answers.add(answer)
        took = chosen if preloaded else "malloc"
        check(f"memory: {took}\n" in told, f"{chosen}, {preloaded or 'glibc'}: {told}")
        counted = re.search(r"(\d+) transactions", told)
        check(bool(counted) == (took != "malloc"), told)
        check(not counted or int(counted.group(1)) >= 8, told)
check(len(answers) == 1 and "digest" in answers.pop(), f"the answers differ: {answers}")
