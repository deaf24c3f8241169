#!/usr/bin/env python3
"""clang-format decides the layout (version 14; others differ in details)."""

import re
import shutil
import subprocess

import rules

TOOL = shutil.which("clang-format-14") or shutil.which("clang-format")
if TOOL is None:
    rules.skip("clang-format is not installed")
if not re.search(r"version 14\.", rules.output_of(TOOL, "--version")):
    rules.skip("clang-format is not version 14")
for source in rules.sources(endings=(".c", ".h", ".cpp")):
    done = subprocess.run([TOOL, "--dry-run", "--Werror", source], cwd=rules.ROOT,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        rules.broken(source, done.stderr.split("\n", 1)[0])
rules.finish("layout")
