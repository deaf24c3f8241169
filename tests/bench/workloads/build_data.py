"""What the trace benchmarks record: parses and builds data, all of it on malloc when
PYTHONMALLOC=malloc. `build_data.py [COUNT [ROUNDS]]`: of so many rows, so many times."""

import json
import sys

count = int(sys.argv[1]) if len(sys.argv) > 1 else 60000
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    rows = [{"id": i, "name": f"item{i}", "tags": [str(j) for j in range(i % 7)]} for i in range(count)]
    text = json.dumps(rows)
    print(len(text), len(json.loads(text)), sum(len(r["name"].split("e")) for r in rows))
