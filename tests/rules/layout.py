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
done = subprocess.run([TOOL, "--dry-run", "--Werror", *rules.sources(endings=(".c", ".h", ".cpp"))],
                      cwd=rules.ROOT, stderr=subprocess.PIPE, text=True)
for line in done.stderr.splitlines():
    if "error:" in line:
        rules.broken(*line.split(":", 1))
if done.returncode != 0 and "error:" not in done.stderr:
    rules.broken(TOOL, done.stderr)
rules.finish("layout")
