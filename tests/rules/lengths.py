#!/usr/bin/env python3
"""Functions and files stay as short as the house style says."""

import re
import statistics

import rules

FILE_LINES = 500
PUBLIC_HEADER = "preload/mpress.h"
PUBLIC_HEADER_LINES = 250
FUNCTION_LINES = 60
FUNCTION_MEDIAN = 12
FUNCTION_P90 = 40
IFS_PER_1000_LINES = 8


def functions(path):
    """(name, line, lines of the body); clang-format puts a function's braces into column 0."""
    lines = rules.read(path).split("\n")
    begin, inside = 0, False
    for number, line in enumerate(lines):
        if line == "{":
            begin, inside = number, True
        elif line == "}" and inside:
            head = " ".join(lines[max(0, begin - 4):begin])
            names = re.findall(r"(\w+)\(", head)
            yield (names[-1] if names else "?"), begin, number - begin - 1
            inside = False


def check_file(path, lines):
    limit = PUBLIC_HEADER_LINES if path == PUBLIC_HEADER else FILE_LINES
    if lines > limit:
        rules.broken(path, f"{lines} lines, at most {limit}")


def check_functions(folder, lengths):
    if len(lengths) < 2:
        return
    median = statistics.median(lengths)
    p90 = statistics.quantiles(lengths, n=10)[-1]
    print(f"{folder}/: {len(lengths)} functions, median {median:.0f} lines, p90 {p90:.0f}")
    if median > FUNCTION_MEDIAN:
        rules.broken(folder, f"median function has {median} lines, at most {FUNCTION_MEDIAN}")
    if p90 > FUNCTION_P90:
        rules.broken(folder, f"p90 of the functions is {p90} lines, at most {FUNCTION_P90}")


def check_conditionals(folder):
    """#if of a folder, header guards and C++ guards not counted; base/ is the seam and may."""
    ifs = lines = 0
    for path in rules.sources((folder,), (".c", ".h")):
        if path.startswith("allocators/base/"):
            continue
        text = rules.read(path)
        found = re.findall(r"^#\s*if\w*.*", text, re.M)
        ifs += sum(1 for line in found if "__cplusplus" not in line and "_H" not in line)
        lines += text.count("\n")
    if lines and ifs * 1000 > IFS_PER_1000_LINES * max(lines, 1000):
        rules.broken(folder, f"{ifs} #if in {lines} lines, at most {IFS_PER_1000_LINES} per 1000")


for folder in rules.FOLDERS:
    lengths = []
    for source in rules.sources((folder,)):
        check_file(source, rules.read(source).count("\n"))
        for name, line, length in functions(source):
            lengths.append(length)
            if length > FUNCTION_LINES:
                rules.broken(f"{source}:{line}", f"{name}() has {length} lines, "
                                                 f"at most {FUNCTION_LINES}")
    check_functions(folder, lengths)
    check_conditionals(folder)
rules.finish("lengths")
