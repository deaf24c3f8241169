#!/usr/bin/env python3
"""libmpress.so exports exactly the names of exports.txt, and what our headers declare is among them."""

import os
import re

import rules

# Optional names: wrapped to learn about unloaded modules, see preload/README.md.
OPTIONAL = {"dlclose"}


def wanted():
    lines = rules.read("tests/rules/exports.txt").split("\n")
    return {line for line in lines if line and not line.startswith("#")}


def exported(library):
    lines = rules.output_of("nm", "-D", "--defined-only", library).split("\n")
    return {line.split()[2].split("@")[0] for line in lines if line}


LIBRARY = rules.library_path()
WANTED, EXPORTED = wanted(), exported(LIBRARY)
HEADERS = ("preload/mpress.h", "preload/mpress_pressure.h", "preload/mpress_strategy.h",
           "preload/mpress_txn.h")
DECLARED = {name for header in HEADERS
            for name in re.findall(r"^MPRESS_API[^;(]*?(\w+)\(", rules.read(header), re.M)}
for name in sorted(WANTED - EXPORTED):
    rules.broken(os.path.basename(LIBRARY), f"does not export {name}")
for name in sorted(EXPORTED - WANTED - OPTIONAL):
    rules.broken(os.path.basename(LIBRARY), f"exports {name}, which is not in exports.txt")
for name in sorted(DECLARED - WANTED):
    rules.broken("exports.txt", f"{name} is not in exports.txt")
rules.finish("exports")
