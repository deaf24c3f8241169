"""20,000 parsed documents, of which every tenth stays; rest; then each of those is read:
`documents.py COUNT REST_S`. Prints seconds at work, wall and processor."""

import json
import random
import sys
import time

random.seed(5)
count, rest_s = int(sys.argv[1]), float(sys.argv[2])
start = time.perf_counter()
text = [json.dumps({f"field {i}": list(range(random.randrange(12))) for i in range(12)})
        for _ in range(100)]
documents = [json.loads(text[i % 100]) for i in range(count)]
documents = documents[::10]
wall = time.perf_counter() - start
print("resting", flush=True)
time.sleep(rest_s)
start = time.perf_counter()
read = sum(len(json.dumps(document)) for document in documents)
print(wall + time.perf_counter() - start, time.process_time(), read)
