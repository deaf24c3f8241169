"""Writes a history for git fast-import: 1,500 commits over 400 files that grow and change."""

import random

random.seed(1)
files = {f"d{i % 20}/f{i}.txt": [f"line {j} of file {i}" for j in range(random.randint(5, 120))]
         for i in range(400)}


def data(text):
    return f"data {len(text)}\n{text}\n"


out = []
for commit in range(1500):
    changed = list(files) if commit == 0 else random.sample(sorted(files), random.randint(1, 6))
    out.append(f"commit refs/heads/main\ncommitter A <a@example.com> {1600000000 + commit} +0000\n")
    out.append(data(f"commit {commit}"))
    for path in changed:
        lines = files[path]
        lines[random.randrange(len(lines))] = f"changed by {commit}: {random.random()}"
        lines.insert(random.randrange(len(lines)), f"new in {commit}")
        out.append(f"M 100644 inline {path}\n")
        out.append(data("\n".join(lines) + "\n"))
print("".join(out), end="")
