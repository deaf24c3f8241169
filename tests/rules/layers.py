#!/usr/bin/env python3
"""A file may include only what lies below it, and only the seam knows the operating system."""

import os
import re

import rules

# folder -> what its quoted includes may begin with; the longest matching folder decides.
MAY_INCLUDE = {
    "allocators/base": ("allocators/base/",),
    "allocators": ("allocators/",),
    "tracer": ("tracer/", "allocators/base/"),
    "preload": ("preload/", "tracer/", "allocators/"),
    "tools": ("tools/", "tracer/format.h", "preload/mpress.h", "preload/mpress_pressure.h",
              "preload/mpress_txn.h", "preload/control.h",
              "preload/budget.h", "preload/branch.h", "allocators/pressure/forecast"),  # the last: pure, no part of a process
    "tests": ("",),
}
SEAM = re.compile(r"^allocators/base/os_\w+\.[ch]$")
OS_HEADER = re.compile(
    r"^(sys|linux|asm|asm-generic|arpa|net|netinet|bits)/|"
    r"^(unistd|fcntl|sched|signal|poll|spawn|syscall|ucontext|termios|grp|pwd|mqueue|aio|time)\.h$")
# Inside a process that is not ours: they allocate, lock or follow the locale.
EXCEPTIONS = {("preload/info.c", "stdio.h")}  # malloc_info is handed a FILE
FORBIDDEN_HEADER = re.compile(r"^(stdio|locale|wchar|iconv|regex|glob|ftw|dirent|syslog)\.h$")


def folder_of(path):
    return max((f for f in MAY_INCLUDE if path.startswith(f + "/")), key=len)


def check_quoted(place, path, name):
    if not os.path.exists(os.path.join(rules.ROOT, name)):
        rules.broken(place, f'"{name}" is not a path from the root')
    elif not name.startswith(MAY_INCLUDE[folder_of(path)]):
        rules.broken(place, f'"{name}" lies above {folder_of(path)}/')


def check_angled(place, path, name):
    if not path.startswith(rules.LIBRARY_FOLDERS) or SEAM.match(path):
        return
    if OS_HEADER.match(name):
        rules.broken(place, f"<{name}> belongs into allocators/base/os_*.c")
    if FORBIDDEN_HEADER.match(name) and (path, name) not in EXCEPTIONS:
        rules.broken(place, f"<{name}> has no place inside another program")


for source in rules.sources():
    for line, kind, header in rules.includes(source):
        check = check_quoted if kind == '"' else check_angled
        check(f"{source}:{line}", source, header)
rules.finish("layers")
