#!/usr/bin/env python3
"""libmpress.so needs libc only, and asks no more static TLS than a process has to spare."""

import re

import rules

# libunwind would replace the program's unwinder, libstdc++ its C++ runtime: both are looked up at
# run time when the program has them.
MAY_NEED = {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
TLS_BYTES = 3072

LIBRARY = rules.library_path()
DYNAMIC = rules.output_of("readelf", "-dW", LIBRARY)
for name in re.findall(r"\(NEEDED\).*\[(.*)\]", DYNAMIC):
    if name not in MAY_NEED:
        rules.broken("libmpress.so", f"needs {name}")
if not re.search(r"\bNODELETE\b", DYNAMIC):
    rules.broken("libmpress.so", "is not linked with -z nodelete")
if re.search(r"\(TEXTREL\)", DYNAMIC):
    rules.broken("libmpress.so", "has text relocations")
if not re.search(r"\bSTATIC_TLS\b", DYNAMIC):
    rules.broken("libmpress.so", "its TLS is not initial-exec")
TLS = re.search(r"^\s*TLS\s+(?:0x\w+\s+){4}0x(\w+)", rules.output_of("readelf", "-lW", LIBRARY), re.M)
SIZE = int(TLS.group(1), 16) if TLS else 0
print(f"static TLS: {SIZE} bytes")
if SIZE > TLS_BYTES:
    rules.broken("libmpress.so", f"static TLS has {SIZE} bytes, at most {TLS_BYTES}")
RELOCATIONS = rules.output_of("readelf", "-rW", LIBRARY)
if re.search(r"R_X86_64_(DTPMOD64|TLSDESC)", RELOCATIONS):
    rules.broken("libmpress.so", "uses dynamic TLS, whose first access allocates")
if re.search(r"IRELATIV", RELOCATIONS):
    rules.broken("libmpress.so", "has an IFUNC, which would run before relocation is done")
rules.finish("dependencies")
