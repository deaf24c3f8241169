#!/usr/bin/env python3
"""clang takes every source too, with our warnings: the fuzzers are built by it alone."""

import concurrent.futures
import json
import os
import shlex
import shutil
import subprocess
import sys

import rules

CLANG = shutil.which("clang")
KEPT = ("-I", "-isystem", "-D", "-W", "-std=")


def commands(build):
    """Each source of ours once: (path from the root, its arguments)."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = {entry["file"]: entry for entry in json.load(file)}
    for path, entry in sorted(entries.items()):
        if path.endswith(".c") and not path.startswith(build):
            command = entry["command"].replace("-isystem ", "-isystem")
            yield path, [word for word in shlex.split(command) if word.startswith(KEPT)]


def check(item):
    path, arguments = item
    done = subprocess.run([CLANG, *arguments, "-Wno-unknown-warning-option", "-fsyntax-only", path],
                          stderr=subprocess.PIPE, text=True, check=False)
    return path, [line for line in done.stderr.split("\n") if "error:" in line]


if CLANG is None:
    rules.skip("clang is not installed")
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for source, errors in pool.map(check, commands(sys.argv[1])):
        for line in errors:
            rules.broken(os.path.relpath(source, rules.ROOT), line)
rules.finish("clang")
