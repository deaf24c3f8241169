#!/usr/bin/env bash
# What samples say of each call stack, beside what the program knows. With RUNS: so many runs.
. "$(dirname "$0")/check.sh"
need_library
runs=${RUNS-12}

intervals_of_95_percent_hold_the_truth_of_each_stack() {
    RUNS=$runs python3 - >out 2>err <<'END'
import json, os, subprocess
runs, period = int(os.environ["RUNS"]), 65536
mpress, shares = os.environ["MPRESS"], os.environ["SHARES"]
held, sums, truths = {}, {}, {}
for seed in range(1, runs + 1):
    told = subprocess.check_output([mpress, "record", "-q", "--force", "--no-pack", "--no-leaks", "--mode", "sample",
                                    "--period", str(period), "-o", "t.mpt", "--", shares, str(seed)], text=True)
    report = json.loads(subprocess.check_output([mpress, "report", "--json", "--top", "100", "t.mpt"]))
    assert report["trace"]["complete"], report["trace"]
    if not any(stack["frames"] for stack in report["stacks"]["not_freed"]):
        raise SystemExit(77)
    found = {stack["frames"][0]["function"]: stack["not_freed"]
             for stack in report["stacks"]["not_freed"] if stack["frames"]}
    for name, truth in (line.split() for line in told.splitlines()):
        # Of what has no sample 3.69 periods are the end of the interval.
        amount = found.get(name, {"bytes": 0, "bytes_low": 0, "bytes_high": 3.69 * period})
        held[name] = held.get(name, 0) + (amount["bytes_low"] <= int(truth) <= amount["bytes_high"])
        sums[name] = sums.get(name, 0) + amount["bytes"]
        truths[name] = truths.get(name, 0) + int(truth)
for name in held:
    print(f"{name:14s} {held[name]} of {runs} hold the truth, on average {sums[name] / truths[name]:.3f} of it")
# Of few runs all kinds together are judged, and generously: a coin would rarely fall so badly.
assert sum(held.values()) >= 0.9 * runs * len(held), held
if runs >= 1000:
    assert min(held.values()) >= 0.95 * runs, held
    assert all(abs(sums[name] / truths[name] - 1) < 0.05 for name in held), sums
END
    status=$?
    [ $status -ne 77 ] || skip "this library was built without call stacks" || return 0
    expect_status 0
    cat out
}

run_tests
