"""Many small objects that live long beside many that do not: a graph, dictionaries, sorting."""

import random

random.seed(1)
nodes = {i: {"edges": [], "name": f"node {i}"} for i in range(60000)}
for _ in range(200000):
    a, b = random.randrange(60000), random.randrange(60000)
    nodes[a]["edges"].append((b, random.random()))
reached = set()
for start in range(0, 60000, 6000):
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting.extend(b for b, _ in nodes[node]["edges"])
words = {}
for i in range(150000):
    words.setdefault(f"key{random.randrange(40000)}", []).append(str(i))
ordered = sorted(((len(v), k) for k, v in words.items()), reverse=True)
print(len(reached), ordered[0], sum(len("".join(v)) for v in words.values()))
