"""What the rule tests share: the files of the project, and how a rule is broken or skipped."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY_FOLDERS = ("allocators", "tracer", "preload")
FOLDERS = LIBRARY_FOLDERS + ("tools", "tests")
SOURCES = (".c", ".h", ".cpp", ".def")
SKIPPED = 77

_broken = []


def sources(folders=FOLDERS, endings=SOURCES):
    """Paths from the root of every source file below the folders, in order."""
    found = []
    for folder in folders:
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            paths = (os.path.relpath(os.path.join(place, name), ROOT) for name in names)
            found += (path for path in paths if path.endswith(endings))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def broken(where, what):
    """Notes one violation; finish() fails then."""
    _broken.append(f"{where}: {what}")


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def finish(rule):
    for line in _broken:
        print(line)
    print(f"{rule}: {len(_broken)} broken")
    sys.exit(1 if _broken else 0)


def includes(path):
    """(line number, '<' or '"', name) of each #include."""
    pattern = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
    text = read(path)
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def library_path():
    """The library to look into: the first argument of the rule's command line."""
    if len(sys.argv) < 2 or not os.path.exists(sys.argv[1]):
        skip("libmpress.so is not built")
    return sys.argv[1]
