#!/usr/bin/env python3
"""The table of options in README.md and the rows of conf.def say the same."""

import ast
import os
import re

import rules

ROW = re.compile(r"^CONF_(CHOICE|NUMBER|FLAG|TEXT)\((.*?)\)\s*(?=^CONF_|^/\*|\Z)", re.M | re.S)


def arguments(text):
    """Splits the arguments of a row at the commas outside strings and parentheses."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, c in enumerate(text):
        if c == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and c in "()":
            depth += 1 if c == "(" else -1
        elif not quoted and c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return parts + [text[start:].strip()]


def string(literal):
    return "".join(ast.literal_eval(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', literal))


def rows():
    """variable -> help"""
    text = re.sub(r"/\*.*?\*/", "", rules.read("allocators/base/conf.def"), flags=re.S)
    return {string((a := arguments(body))[1]): string(a[-1]) for _, body in ROW.findall(text)}


def table():
    """variable -> cells of its line in the README"""
    found = {}
    for line in rules.read("README.md").split("\n"):
        match = re.match(r"^\|\s*`(MPRESS_\w+)`?", line)
        if match:
            found[match.group(1)] = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
    return found


def plain(text):
    """As compared: README marks code with backquotes and hides | behind a backslash."""
    return re.sub(r"\s+", " ", text.replace("`", "").replace("\\|", "|")).strip().rstrip(".")


if not os.path.exists(os.path.join(rules.ROOT, "README.md")):
    rules.skip("there is no README.md yet")
WANTED, WRITTEN = rows(), table()
if not WANTED:
    rules.broken("conf.def", "no row was understood")
for variable in sorted(WANTED.keys() - WRITTEN.keys()):
    rules.broken("README.md", f"{variable} is missing")
for variable in sorted(WRITTEN.keys() - WANTED.keys()):
    rules.broken("README.md", f"{variable} is no option (any more)")
for variable in sorted(WANTED.keys() & WRITTEN.keys()):
    if plain(WANTED[variable]) not in (plain(cell) for cell in WRITTEN[variable]):
        rules.broken("README.md", f"{variable}: no cell says \"{WANTED[variable]}\"")
rules.finish("options_table")
