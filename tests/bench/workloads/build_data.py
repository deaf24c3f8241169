"""What the trace benchmark records: parses and builds data, all of it on malloc when
PYTHONMALLOC=malloc."""

import json

rows = [{"id": i, "name": f"item{i}", "tags": [str(j) for j in range(i % 7)]} for i in range(60000)]
text = json.dumps(rows)
print(len(text), len(json.loads(text)), sum(len(r["name"].split("e")) for r in rows))
