#!/usr/bin/env python3
"""malloc and its like of the release build: straight to the return, few instructions, and not one more
because there is a tracer.

hot_path.py LIBRARY [LIBRARY_WITHOUT_TRACER]
"""

import re
import sys

import rules

AT_MOST = {"malloc": 15, "free": 18, "realloc": 34, "malloc_usable_size": 22}
CALL = re.compile(r"^(call|syscall|int)")


def instructions(library, function):
    """The function's instructions as text; addresses inside it become distances from its start."""
    text = rules.output_of("objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}",
                           library)
    body = re.search(rf"^([0-9a-f]+) <{function}(?:@@?\w+)?>:\n((?:\s+[0-9a-f]+:.*\n)+)", text, re.M)
    if body is None:
        return []
    start = int(body.group(1), 16)
    lines = re.findall(r"^\s+[0-9a-f]+:\s+(.*?)\s*$", body.group(2), re.M)
    return [plain(line, function, start) for line in lines]


def plain(line, function, start):
    line = re.sub(r"\s+#.*", "", line)
    line = re.sub(rf"([0-9a-f]+) <{function}[^>]*>",
                  lambda m: f"+{int(m.group(1), 16) - start:x}", line)
    line = re.sub(r"[0-9a-f]+ (<[^>]+>)", r"\1", line)
    return re.sub(r"(-?0x[0-9a-f]+)?\(%rip\)", "(%rip)", line)


def check_straight(function, code):
    """Falls through to the first return: the fast path. Branches leave it for the slow door."""
    for count, line in enumerate(code, 1):
        if CALL.match(line) or line.startswith("jmp"):
            rules.broken(function, f"instruction {count} is `{line}`, before any return")
            return
        if re.match(r"(repz? )?ret", line):
            print(f"{function}: {count} instructions to the return")
            if count > AT_MOST[function]:
                rules.broken(function, f"{count} instructions to the return, "
                                       f"at most {AT_MOST[function]}")
            return
    rules.broken(function, "has no return in reach of its start")


LIBRARY = rules.library_path()
for name in AT_MOST:
    CODE = instructions(LIBRARY, name)
    check_straight(name, CODE)
    if len(sys.argv) > 2 and CODE != instructions(sys.argv[2], name):
        rules.broken(name, "differs from a build without tracer")
rules.finish("hot_path")
