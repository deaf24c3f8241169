"""A service that keeps a part of each request for ever, and answers 500 when a request fails, as
servers do: `leaking_service.py SEED REQUESTS`. Prints how many it went through and answered."""

import json
import random
import sys

random.seed(int(sys.argv[1]))
requests, answered, kept = int(sys.argv[2]), 0, []
for number in range(1, requests + 1):
    try:
        fields = {f"field {i}": list(range(20)) for i in range(random.randrange(20, 80))}
        document = json.loads(json.dumps(fields))
        kept.append(document if random.random() < 0.5 else None)
        answered += 1
    except Exception:  # the framework's: 500 Internal Server Error
        pass
    if number % 20 == 0:
        print(number, answered)
print(len(kept) > 0, "done")
