#!/usr/bin/env bash
# The pressure experiment on a program whose answer to pressure is known (tests/scenario/cache.c).
. "$(dirname "$0")/check.sh"
replay=$(dirname "$MPRESS")/mpress-replay
python=$(python3 -c 'import sys; print(sys.executable)') # what is called so may be a script

# A recovery takes three seconds to be seen; only one of these tests looks at it. They run side by side.
run-experiment() {
    run timeout 100 "$replay" --pressure rlimit --duration 300ms --recovery-time none "$@"
}

# From the JSON of the last run: the values of python expressions over r, its only experiment.
expect-json() {
    "$python" -IS - "${status-0}" "$@" <<'END' || fail "that is not so"
import json, os, sys
status = int(sys.argv.pop(1))
r = json.load(open('out'))['experiments'][0]
for text in sys.argv[1:]:
    if not eval(text):
        sys.exit('not so: ' + text)
END
}

a_program_that_dies_at_half_is_found_out() {
    run-experiment --scenario linear --levels 6 --json -- "$CACHE_STATIC" dies --units 20 --unit-us 500 --mib 8
    expect_status 1
    expect-json 'r["finite"] and r["pressure"]["mechanism"] == "rlimit"' \
        'r["levels"][-1]["end"] == "killed" and r["levels"][-1]["why"] == "SIGABRT"' \
        '3 << 20 < r["breaking_point"]["bytes"] < 5 << 20' \
        'r["breaking_point"]["kind"] == "killed"' \
        'r["result"]["criteria"]["graceful"]["met"] is False' \
        'r["result"]["grace"]["recovers"] is None and not r["result"]["criteria"]["stability"]["known"]'
}

a_static_program_that_gives_up_with_a_word_is_clean() {
    run-experiment --scenario linear --levels 6 --no-search --html page.html --strategy 'nothing new:UNUSED=1' -- \
        "$CACHE_STATIC" fails --units 20 --unit-us 500 --mib 8 --colour $'\e[31mred\nof a script'
    expect_80_columns
    expect_out "failed: exit 3: cache: out of memory"
    expect_out "^pressure    rlimit: "
    expect_out "^program     .* --colour ?\[31mred?of a script$"
    expect_out "^RECOVERY        not waited for"
    expect_no_out "killed, hung"
    expect_out "^STRATEGY        nothing new    \(resident\|collapsed\) "
    expect_out "^TIME            .* of at most 5 min 00 s"
    grep -q "</html>" page.html || fail "no page"
}

a_service_is_measured_by_its_output_and_stopped() {
    run-experiment --scenario spike --levels 4 --no-search --json --window 50ms --progress unit --ready unit \
        -- "$CACHE" fails --mib 8
    expect-json 'not r["finite"] and r["baseline"]["median_s"] > 0.001' \
        'r["levels"][0]["end"] == "held" and r["levels"][-1]["end"] == "failed"'
    pgrep -f "^$CACHE fails" >/dev/null && fail "it is still there"
    return 0
}

# One in 40 takes 200 ms longer than the others, which take 2.
single_units_of_a_service_are_told_with_their_longest() {
    run-experiment --scenario linear --levels 2 --duration 1200ms --no-search --json --window 100ms --progress unit \
        --ready unit -- "$CACHE" flat --mib 8 --pause-ms 200
    expect-json 'all(l["times"]["of"] == "units" and l["times"]["count"] > 5 for l in [r["baseline"]] + r["levels"])' \
        'all(0.001 < l["times"]["p50_s"] < l["times"]["longest_s"] for l in [r["baseline"]] + r["levels"])' \
        'r["baseline"]["times"]["count"] < 40 or r["baseline"]["times"]["longest_s"] > 0.2' \
        '0.02 < (r["baseline"]["times"]["p99_s"] or 0.05) <= r["baseline"]["times"]["longest_s"]' \
        'r["baseline"]["times"]["p50_s"] <= r["baseline"]["times"]["p95_s"]' \
        'abs(sum(r["baseline"]["resident_" + k] for k in ("anon", "file", "shmem")) / r["baseline"]["resident_mean"] - 1) < 0.01' \
        'all((l["stalls_of"] is None) == (l["stalls_some_s"] is None) for l in r["levels"])' \
        'r["levels"][0]["stalls_of"] is not None or not os.path.exists("/proc/pressure/memory")'
}

# It sees the limit, which is far above what it needs.
a_service_that_ends_by_itself_is_neither_killed_nor_failed() {
    printf '0 1G\n' >levels
    run-experiment --scenario levels --duration 60s --no-search --window 20ms --progress unit --strategy none -- \
        sh -c 'while [ "$(ulimit -Sd)" = unlimited ]; do echo unit; sleep 0.01; done; echo enough'
    expect_out "  ended by itself: exit 0: enough$"
    expect_no_out "killed, hung"
}

# The first unit comes when it has been ready for a moment, the one before while it starts.
what_a_service_says_before_it_is_ready_is_no_unit() {
    run-experiment --scenario linear --levels 2 --no-search --json --window 50ms --progress unit --ready ready -- \
        sh -c 'sleep 0.1; echo unit; sleep 1.2; echo ready; exec "$0" flat --mib 8' "$CACHE"
    expect-json 'r["baseline"]["times"]["longest_s"] < 1.2 < r["baseline"]["lasted_s"]'
}

# Somebody else has half of its processor, at least.
a_service_is_not_measured_by_what_others_have_of_the_processor() {
    local other processor=$(taskset -cp $BASHPID | sed 's/.*: //; s/[,-].*//')
    taskset -c $processor sh -c 'while :; do :; done' &
    other=$!
    run-experiment --scenario linear --levels 2 --duration 600ms --no-search --json --window 200ms --progress unit --ready unit -- \
        taskset -c $processor "$CACHE" flat --mib 8 --unit-us 10000
    kill $other
    expect-json 'r["baseline"]["run_wait_s"] > 0.3 * r["baseline"]["lasted_s"]' \
        '0.008 < r["baseline"]["median_s"] < 0.75 * r["baseline"]["times"]["p50_s"]'
}

# It is read for ever, if until there is nothing left.
who_never_stops_to_talk_is_stopped_in_time() {
    for what in '--progress y' '--ready y --metric-cmd true'; do
        run timeout -s KILL 60 "$replay" --pressure rlimit --recovery-time none --scenario linear --within 3s --no-search --timeout 1s \
            --json $what -- yes
        [ "$status" -ne 137 ] || fail "it had to be killed"
        [ "$what" != '--progress y' ] || expect-json 'r["baseline"]["times"]["count"] > 10000'
    done
}

# By itself it takes some ms. (Pipes of 64 KiB that are looked at each 10 ms make it more than a second.)
a_load_is_not_measured_by_how_fast_it_is_read() {
    local duration
    for duration in 1s 3s 9s; do # who is to read it needs the processor for it
        run-experiment --scenario linear --levels 2 --duration $duration --no-search --json --load 'head -c 8000000 /dev/zero >&2' -- sleep 100
        ! (expect-json 'min(r["baseline"]["service_s"] + r["levels"][0]["service_s"]) < 0.5') >/dev/null 2>&1 || return 0
    done
    fail "never in half a second"
}

# How many there are of `sleep $1`, in the end: who is being killed may still be there for a moment.
expect-sleepers() {
    for _ in {1..500}; do [ "$(pgrep -fc "^sleep $1\$")" = "$2" ] && return || sleep 0.02; done
    fail "$(pgrep -fc "^sleep $1\$") of sleep $1, not $2"
}

# Also those in sessions of their own, and if it is killed, which no program hears of.
nobody_is_left_however_it_ends() {
    local signal tool mark=987$BASHPID
    for signal in TERM INT KILL; do
        (trap - INT; exec "$replay" --scenario linear --duration 60s --pressure rlimit --progress unit -q -- sh -c "
            setsid sleep $mark & sleep $mark & (setsid sleep $mark &) & while echo unit; do sleep 0.02; done") >out 2>err &
        tool=$!
        expect-sleepers $mark 3
        kill -$signal $tool
        wait $tool
        expect-sleepers $mark 0
    done
}

# Each run leaves one in a session of its own, and one that has no mark in its environment.
nobody_is_left_of_a_run_when_the_next_one_begins() {
    local signal tool mark=986$BASHPID
    for signal in none TERM INT KILL; do
        (trap - INT; exec "$replay" --scenario linear --pressure rlimit --levels 4 --duration 2s --no-search --recovery-time none -q -- \
            sh -c "[ \"\$(pgrep -fc '^sleep $mark\$')\" = 0 ] || { echo 'left from before'; exit 9; }
                setsid sleep $mark & [ $signal = KILL ] || env -i $(command -v setsid) sleep $mark & sleep 0.1") >out 2>err &
        tool=$!
        sleep 0.5
        [ $signal = none ] || kill -$signal $tool
        wait $tool
        expect-sleepers $mark 0
        ! grep "left from before" out err || fail "not all were gone when the next run began"
    done
}

# A job that the shell had which became the tool.
a_stranger_among_the_children_stays() {
    local mark=985$BASHPID
    "$python" -ISc 'import os, sys
if os.fork() == 0: os.execvp("sleep", ["sleep", sys.argv[1]])
os.execvp(sys.argv[2], sys.argv[2:])' $mark "$replay" --scenario linear --pressure rlimit --levels 2 --duration 300ms --no-search \
        --recovery-time none -q -- sh -c "setsid sleep 1$mark & sleep 0.01" >out 2>err
    expect-sleepers 1$mark 0
    expect-sleepers $mark 1
    kill "$(pgrep -f "^sleep $mark\$")"
}

a_ramp_glides_from_level_to_level() {
    printf '0 110%%\n0.1 1M\n' >levels
    run-experiment --scenario levels --form ramp --duration 1600ms --no-search --json --window 50ms --progress unit \
        --ready unit -- "$CACHE" dies --mib 8
    expect-json 'r["form"] == "ramp" and r["levels"][-1]["end"] == "killed"' \
        '1 << 20 <= r["levels"][-1]["budget"] < 4 << 20 and 0 < r["result"]["stability_parts"]["alive"] < 1'
}

# (Its pace is told by a command, so that nothing but the tool can be late.)
a_recovery_is_seen_to_last_however_short_it_is_waited_for() {
    run timeout 100 "$replay" --scenario linear --levels 2 --duration 300ms --recovery-time 8 --pressure signal --no-search \
        --json --metric-cmd 'echo 1' --window 100ms -- sh -c 'trap : USR1; sleep 1000 & while :; do wait; done'
    expect-json 'r["result"]["criteria"]["recovery"]["value"] < 8 and r["result"]["grace"]["recovers"]' \
        'r["release"]["lasted_s"] > 3 and r["result"]["criteria"]["stability"]["known"]'
}

# The shell around it would be ended by the signal. Five runs without pressure come first, then each waits until it is told.
each_run_is_told_its_budget_when_it_can_hear_it() {
    printf '0 33M\n1 17M\n' >levels
    run-experiment --scenario levels --levels 2 --pressure signal --no-search --json -- sh -c '"$0" -ISc "$1"; exit $?' "$python" '
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
with open("runs", "a+") as runs:
    runs.write("x")
    runs.seek(0)
    is_pressed = len(runs.read()) > 5
for i in range(30 if is_pressed else 3):
    time.sleep(0.1)
    told = signal.sigtimedwait([signal.SIGUSR1], 0)
    if told:
        open("told", "a").write("%d\n" % told.si_status) # (the value lies where that is)
        break'
    expect-json 'len(r["levels"]) == 2 and all(l["end"] == "held" for l in r["levels"])'
    [ "$(sort -nu told | tr '\n' ' ')" = "17 33 " ] || fail "told were: $(cat told)"
}

# It has a handler, and uses all its memory as before.
what_is_only_told_and_not_kept_is_no_passed_level() {
    run-experiment --scenario linear --levels 3 --pressure signal --json --require graceful=none --require stability=none -- \
        "$python" -ISc 'import signal, time; signal.signal(signal.SIGUSR1, print); a = bytearray(30 << 20); time.sleep(0.2)'
    expect_status 1
    expect-json 'r["levels"][-1]["unlimited"] and r["levels"][-1]["used_last"] > 30 << 20 and not r["levels"][0]["unlimited"]' \
        'r["breaking_point"] is None and r["result"]["verdict"] != "passed"'
}

who_is_deaf_to_it_is_not_put_under_pressure_by_a_signal() {
    run-experiment --scenario linear --pressure signal -- sleep 0.05
    expect_status 3
    expect_err "^mpress: sleep: --pressure signal: none of its processes takes SIGUSR1"
    expect_one_line
}

the_library_keeps_a_budget_and_tells_what_it_holds() {
    [ -n "$LIBRARY" ] || return 0
    run-experiment --pressure budget --scenario linear --levels 2 --limit 24M --no-search --json \
        --strategy none:UNUSED=1 -- "$CACHE" flat --units 15 --pairs 100000
    expect-json 'r["pressure"]["mechanism"] == "budget" and r["baseline"]["peak"] > 32 << 20' \
        'r["levels"][1]["end"] == "held" and abs(r["levels"][1]["used_most"] / (24 << 20) - 1) < 0.05' \
        '0.9 < r["levels"][1]["coverage"] < 1.2 and 0.5 < r["levels"][1]["asked_share"] < 1' \
        'r["levels"][1]["objects_a_mib"] > 0.5 and r["result"]["d50"] > 0 and r["result"]["d99"] > 0' \
        'r["strategies"][0]["budget"] >= 24 << 20 and (r["strategies"][0]["measured"] or "collapsed" in r["strategies"][0]["why"])' \
        'all(0.9 < 64 * r["baseline"][k] / 100000 / len(r["baseline"]["service_s"]) < 1.1 for k in ("fast_calls", "fast_frees"))' \
        'all(0 < l["fast_p50_s"] <= l["fast_p99_s"] < l["slow_p99_s"] for l in [r["baseline"], r["levels"][1]])' \
        '(16 << 20 < r["levels"][1]["resident_anon"] or r["baseline"]["spread"] > 0.2) and r["levels"][1]["resident_anon"] < 26 << 20' \
        'r["levels"][1]["swapped"] == 0'
    # (What it is worth is a matter of the machine: unit.scenario_search has that.)
}

# Dozens have run before the first level; each had a slot in the page that all of them have mapped.
runs_that_are_over_are_no_memory_of_the_next() {
    [ -n "$LIBRARY" ] || return 0
    run-experiment --pressure budget --scenario linear --levels 2 --limit 8M --no-search --strategy none --json \
        -- "$CACHE" flat --units 10 --mib 4
    expect-json 'len(r["baseline"]["service_s"]) < 10 or r["levels"][1]["resident_shmem"] < 64 << 10'
}

# Each second run takes longer, so that five are not enough (but there is no time for more); each has as many calls.
a_calibration_that_goes_on_forgets_nothing() {
    [ -n "$LIBRARY" ] || return 0
    echo 0 >runs
    run-experiment --pressure budget --scenario linear --levels 2 --duration 4s --limit 16M --no-search --strategy none \
        --json -- sh -c 'n=$(cat runs); echo $((n + 1)) >runs
            exec "$0" flat --units $((10 + 20 * (n % 2))) --unit-us 500 --mib 8 --pairs 64000' "$CACHE"
    expect-json 'len(r["baseline"]["service_s"]) >= 5' \
        '0.9 < r["baseline"]["fast_calls"] / 1000 / len(r["baseline"]["service_s"]) < 1.1' \
        'r["baseline"]["minor_faults"] > 2048 * len(r["baseline"]["service_s"])'
}

# It grows from 24 to 32 MiB in steps of 1; beyond 27 each costs 50 ms.
what_a_mechanism_injects_is_told_apart() {
    [ -n "$LIBRARY" ] || return 0
    run-experiment --pressure throttle --scenario linear --levels 2 --limit 24M --no-search --strategy none --json \
        -- "$CACHE" flat --units 100
    expect-json 'r["baseline"]["slept_s"] == 0 and r["levels"][1]["slept_s"] > 0.1 * len(r["levels"][1]["service_s"])' \
        'abs(sum(r["levels"][1][k] for k in ("slept_s", "held_s", "fetched_s")) - r["levels"][1]["stalled_s"]) < 1e-6' \
        'r["levels"][1]["slept_s"] < r["levels"][1]["lasted_s"]'
}

# RLIMIT_DATA is there from the beginning, 80 MiB beyond the budget, and static helpers inherit it.
behind_a_budget_stands_a_limit_that_all_children_have() {
    [ -n "$LIBRARY" ] || return 0
    run-experiment --pressure budget --scenario linear --levels 2 --limit 2M --no-search --strategy none --json \
        -- sh -c 'limit=$(ulimit -Sd); [ $limit = unlimited ] || { echo "cannot allocate beyond $limit"; exit 3; }'
    expect-json 'r["levels"][-1]["why"].startswith("exit 3: cannot allocate beyond ")' \
        '80 << 10 <= int(r["levels"][-1]["why"].split()[-1]) < 100 << 10' \
        'r["levels"][-1]["broke_at_backstop"] and r["pressure"]["backstop"]["broke"] > 0' \
        'r["pressure"]["backstop"]["head_room"] == 80 << 20 and r["levels"][-1]["refused"] == 0'
}

# The program ends when enough of it was taken away, and says how much it still has (KiB).
cold_memory_is_taken_away_where_that_is_permitted() {
    [ -n "$LIBRARY" ] || return 0
    printf '0 16M\n' >levels
    PYTHONMALLOC=malloc run timeout 100 "$replay" --pressure swap --scenario levels --duration 60s --within 60s --recovery-time none \
        --no-search --json --strategy none --window 50ms --progress unit -- "$python" -c '
import sys, time
def read_resident():
    return [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")][0]
a = [b"%0200d" % i for i in range(100000)]
while read_resident() > 20 << 10:
    time.sleep(0.02)
    print("unit", flush=True)
time.sleep(0.2)
sys.exit("resident %d" % read_resident())'
    if [ "$status" -eq 3 ]; then
        expect_out '"experiments": \[\]'
        expect_err "^mpress: --pressure swap: "
        [ "$(wc -l <err)" -eq 1 ] || fail "not one line of refusal"
        return
    fi
    expect-json 'r["pressure"]["mechanism"] == "swap" and r["baseline"]["peak"] > 20 << 20' \
        'r["levels"][0]["why"].startswith("exit 1: resident ")' \
        'int(r["levels"][0]["why"].split()[-1]) > 0.85 * (16 << 10)' # no more than what is beyond the budget
}

# In a group of its own, where this user may make one; else it is told what is missing.
ballast_leaves_a_program_what_the_budget_says() {
    local group=/sys/fs/cgroup/memory/mpress-test-$$
    if [ -z "$LIBRARY" ] || ! mkdir "$group" 2>/dev/null; then
        run "$replay" --scenario linear --pressure ballast -- true
        if [ "$status" -ne 1 ]; then
            expect_status 3
            expect_err "^mpress: --pressure ballast: no control group with a memory limit surrounds"
        fi
        return 0
    fi
    echo $((100 << 20)) >"$group/memory.limit_in_bytes"
    for duration in 300ms 3s 20s; do # who is to take the memory needs the processor for it
        (echo $BASHPID >"$group/cgroup.procs" && run-experiment --pressure ballast --scenario linear --levels 2 --limit 8M \
            --duration $duration --no-search --json -- "$CACHE" flat --units 5 --mib 24)
        ! grep -q SIGKILL out || break
    done
    rmdir "$group"
    expect-json 'r["pressure"]["mechanism"] == "ballast" and 24 << 20 < r["baseline"]["peak"] < 32 << 20' \
        'r["levels"][0]["end"] == "held" and r["levels"][1]["end"] == "killed" and r["levels"][1]["why"] == "SIGKILL"'
}

what_a_fork_shares_counts_once() {
    [ -n "$LIBRARY" ] || return 0
    for units in 10 100 1000; do # who is to see it needs the processor while it is there
        run-experiment --pressure budget --scenario linear --levels 2 --limit 7M --no-search --strategy none --json \
            -- "$CACHE" flat --units $units --mib 8 --forks 3
        ! grep -q '"peak": [0-9]\{1,6\},' out || continue
        break
    done
    expect-json '8 << 20 < r["baseline"]["peak"] < 14 << 20'
}

# Three at once. No right is needed for swap: a replay shows its blocks to no system call.
a_trace_is_put_under_pressure_under_any_allocator() {
    [ -n "$LIBRARY" ] || return 0
    # (Long enough to be seen at its largest.)
    run env PYTHONMALLOC=malloc "$MPRESS" record --mode events -q -o T.mpt -- "$python" -S -c '
for r in range(10): a = [bytes(200 + i % 9) for i in range(12000)]'
    local name how
    local -A pressure=([mpress]="--limit 3M" [glibc]="--limit 3M --with glibc" [swap]="--limit 24M --pressure swap")
    for name in "${!pressure[@]}"; do
        how=${pressure[$name]}
        timeout 100 "$MPRESS" replay T.mpt --under linear $how --levels 2 --duration 300ms --recovery-time none --no-search \
            --strategy none --json >"$name" 2>>err &
    done
    wait
    for name in mpress glibc; do
        cp "$name" out
        expect-json 'r["trace"] == "T.mpt" and r["finite"] and r["with"] == "'$name'"' \
            'r["pressure"]["mechanism"] == {"mpress": "budget", "glibc": "rlimit"}[r["with"]]' \
            '3 << 20 < r["baseline"]["peak"] < 20 << 20 and r["levels"][-1]["end"] == "failed"' \
            'r["strategies"] == [] and "returned NULL" in r["levels"][-1]["why"] and r["levels"][-1]["clean"]'
    done
    cp swap out
    expect-json 'r["pressure"]["mechanism"] == "swap" and r["levels"][-1]["end"] == "held"'
}

# What is replayed, and how, is as without pressure.
a_workload_is_put_under_pressure_too() {
    local quick="--within 2s --no-search --strategy none --recovery-time none"
    run timeout 100 "$replay" --workload kv --scale 5K --threads 2 --repeat 3 --touch all --under linear --with glibc $quick --json
    expect-json 'r["trace"] == "kv, 5,000 blocks, 2 threads" and r["how"] == "3 rounds, all bytes touched"' \
        'r["with"] == "glibc" and r["baseline"]["peak"] > 500000'
    "$replay" --workload kv --scale 5K --touch none -t fold --copies 2 --under linear -w glibc -q $quick >out
    expect_out "^replay      kv, 5,000 blocks, 1 thread under glibc"
    expect_out "^            threads folded, 2 copies, untouched"
    for line in "T.mpt --workload kv" "--workload kv --scale 1K,2K" "--workload kv --speed real" "T.mpt --scale 1K" "T.mpt --threads 3" \
        "T.mpt --verify" "T.mpt --with glibc --with mpress" "T.mpt --touch some"; do
        run "$replay" --under linear $line
        expect_status 2
        expect_one_line
    done
    run "$replay" --scenario linear --copies 2 -- sleep 1
    expect_status 2
}

what_a_trace_cannot_have_is_refused() {
    [ -n "$LIBRARY" ] || return 0 # by default it is replayed under the library
    for line in "--under linear" "T.mpt --under nowhere" "T.mpt --under linear more" "T.mpt --under linear --load x" \
        "T.mpt --under linear --with mpress,glibc" "T.mpt --under linear --pressure rlimit"; do
        run "$MPRESS" replay $line
        expect_status 2
        expect_one_line
    done
}

a_file_holds_scenarios_and_criteria() {
    cat >mpress.json <<END
{"scenarios": {
  "half": {"command": ["$CACHE", "flat", "--units", "20", "--unit-us", "500", "--mib", "8"], "scenario": "levels", "pressure": "rlimit",
           "search": false, "recovery-time": "none",
           "criteria": {"graceful": "none", "stability": null, "degradation": 50}},
  "other": {"command": ["nowhere"], "scenario": "linear"}}}
END
    printf '# a file\n0 100%%\n1 4M\n' >levels
    run timeout 100 "$replay" -f mpress.json half --json --duration 300ms
    expect-json 'r["name"] == "half" and r["levels_planned"] == 2 and r["levels"][1]["budget"] == 4 << 20' \
        'r["result"]["criteria"]["stability"]["met"] is None'
    run "$replay" -f mpress.json other
    expect_status 3
    expect_one_line
    run "$replay" -f mpress.json neither
    expect_status 2
    expect_one_line
}

# What a file says wrong is told with the scenario that it is in, and nothing in it goes unread.
a_file_is_refused_with_the_place() {
    local command='"command": ["true"], "scenario": "linear"' text what
    while IFS='|' read -r text what; do
        printf '%s' "$text" >wrong.json
        run "$replay" -f wrong.json
        expect_status 2
        expect_one_line
        expect_err "$what"
    done <<END
{"scenarios": {"a": {$command}, "b": {$command, "limit": -5}}}|wrong.json: b: limit -5: a size
{"scenarios": {"a": {"scenario": "linear"}}}|a: which program
{"scenarios": {"a": {"command": ["true"]}}}|a: which scenario
{"scenarios": {"a": {$command}}, "within": 5}|"within": nothing beside "scenarios"
{"scenarios": {}}|wrong.json: there is no scenario in it
{"scenarios": {"a": {$command, "limits": "5M"}}}|a: there is no setting "limits"
{$command, $command}|line 1: duplicate object key
END
    for text in nowhere.json .; do
        run "$replay" -f $text
        expect_status 2
        expect_one_line
        expect_no_err "line"
    done
}

what_cannot_be_run_is_told_with_status_3() {
    run-experiment --scenario linear -- ./nowhere
    expect_status 3
    expect_one_line
    run-experiment --scenario linear --timeout 200ms -- sleep 100
    expect_status 3
    expect_err "does not run even without pressure"
    run-experiment --scenario linear --within 100ms --timeout 200s --load false -- sleep 100
    expect_status 3
    expect_err "does not run even without pressure: the load failed twice$"
    run-experiment --scenario linear --within 100ms --timeout 200s --work-signal USR1 -- sleep 100
    expect_status 3
    expect_err "does not run even without pressure: no progress for 10 s$"
    run-experiment --scenario linear --ready never --timeout 200ms --progress unit -- "$CACHE" flat
    expect_status 3
    expect_err "it did not get ready: not ready in time"
}

what_takes_longer_than_all_may_is_not_waited_for() {
    run-experiment --scenario linear --within 100ms --timeout 200s --load 'sleep 30' -- sleep 100
    expect_status 3
    expect_one_line
    expect_err "^mpress: sleep: nothing was measured: one load takes longer than 10.0 s: --within is too short$"
    run-experiment --scenario linear --timeout 200ms --metric-cmd 'sleep 30; echo 1' -- sleep 100
    expect_status 3
    expect_err "^mpress: sleep: nothing was measured: one metric command takes longer than 200 ms: --timeout is too short$"
}

what_fails_without_pressure_is_not_measured() {
    run-experiment --scenario linear -- sh -c 'echo working; echo "ls: no such option" >&2; exit 4'
    expect_status 3
    expect_one_line
    expect_err "^mpress: sh: it fails even without pressure: exit 4: ls: no such option (if it is to end so: --expect-exit 4)$"
    run-experiment --scenario linear --progress unit -- sh -c 'echo unit; exit 0'
    expect_status 3
    expect_err "a service is not to end, but without pressure it did: exit 0: unit$"
    run-experiment --scenario linear --timeout 100ms -- sh -c 'trap "exit 5" TERM; sleep 100 & wait'
    expect_err "does not run even without pressure: no end after"
    run-experiment --scenario linear --levels 2 --no-search --expect-exit 4 --json -- sh -c 'exit 4'
    expect-json 'r["baseline"]["end"] == "held" and not any(l["why"].startswith("exit 4") for l in r["levels"])'
    run-experiment --scenario linear --levels 2 --no-search --expect-exit 3 -- true
    expect_err "it fails even without pressure: exit 0 (if"
}

what_was_left_out_to_keep_the_time_is_told() {
    run-experiment --scenario linear --duration 60s --within 2s --json -- "$CACHE_STATIC" flat --units 20 --unit-us 500 --mib 4
    expect-json 'r["within_s"] == 2 and any(" run each instead of 20 of 3" in note for note in r["left_out"])' 'len(r["levels"]) > 0' \
        'not any("pressure lasted" in note for note in r["left_out"])'
}

what_levels_lasted_is_told_where_the_time_ended_them() {
    run-experiment --scenario linear --duration 60s --within 4s --no-search --json --window 50ms --progress unit --ready unit -- "$CACHE" flat --mib 8
    expect-json 'r["left_out"][0].startswith("pressure lasted ") and r["left_out"][0].endswith(" s instead of 60 s")' \
        'abs(float(r["left_out"][0].split()[2]) - sum(l["lasted_s"] for l in r["levels"])) < 0.1'
    run-experiment --scenario linear --duration 60s --within 4s --no-search --json --window 50ms --progress unit --ready unit -- "$CACHE" dies --mib 8
    # (On a machine that is too busy for that it does not come so far.)
    expect-json 'r["levels"][-1]["end"] != "killed" or r["left_out"] == []'
}

a_file_of_levels_ends_with_the_time() {
    printf '0 90%%\n30 70%%\n60 1M\n' >levels
    for form in staircase ramp; do
        run-experiment --scenario levels --form $form --within 4s --no-search --json --window 50ms --progress unit --ready unit -- "$CACHE" flat --mib 8
        expect-json 'r["lasted_s"] < 12 and 1 <= len(r["levels"]) < 3' 'any("levels were left out" in note for note in r["left_out"])' \
            'r["levels"][-1]["budget"] > 0.65 * r["baseline"]["peak"]'
    done
    printf '0 90%%\n1e9 70%%\n' >levels
    run "$replay" --scenario levels -- true
    expect_status 2
    expect_one_line
}

# (A window is so long that a recovery takes more than four seconds to be seen.)
a_recovery_is_waited_for_while_there_is_time() {
    run timeout 100 "$replay" --pressure rlimit --scenario linear --levels 2 --within 10s --no-search --json --metric-cmd 'echo 1' \
        --window 700ms -- sleep 1000
    expect-json 'r["result"]["criteria"]["recovery"]["known"] and r["result"]["criteria"]["stability"]["known"]' \
        'r["lasted_s"] < 12 and r["release_again"] is None'
}

# Without a limit it takes longer for two seconds: that and three more are too long at first, as runs with a strategy are to come.
fresh_runs_are_waited_for_once_more() {
    run timeout 100 "$replay" --pressure rlimit --scenario linear --levels 2 --limit 380K --within 16s --no-search --json --strategy nothing:UNUSED=1 -- sh -c '
        now=$(date +%s%N)
        [ $(ulimit -Sd) = unlimited ] || echo $now >pressed
        [ $(((now - $(cat pressed 2>/dev/null || echo 0)) / 1000000)) -gt 2000 ] || sleep 0.2
        sleep 0.2'
    # (On a machine that is too busy for that a run may take anything.)
    expect-json 'r["baseline"]["spread"] > 0.05 or r["release_again"]["lasted_s"] > 3' \
        'r["baseline"]["spread"] > 0.05 or r["release"]["after_s"] + r["release"]["lasted_s"] < r["release_again"]["after_s"]' \
        'r["result"]["criteria"]["recovery"]["known"] or r["left_out"][-1].startswith("recovery was waited for ")'
}

# It has the same memory at most behind the pressure as before, but waits before it takes that.
what_stays_of_runs_is_told_by_the_most_that_they_had() {
    run timeout 100 "$replay" --pressure rlimit --scenario linear --levels 2 --limit 6M --duration 300ms --recovery-time 500ms --no-search --json -- sh -c '
        [ ! -e pressed ] || sleep 0.3
        [ $(ulimit -Sd) = unlimited ] || touch pressed
        exec "$0" flat --units 100 --pace sleep --mib 16' "$CACHE_STATIC"
    expect-json 'r["release"]["lasted_s"] > 0.9' 'abs(r["result"]["retention"]) < 0.05'
}

# Each takes a fifth of the whole time: three for the baseline, one at each level.
long_units_of_a_service_are_few() {
    run-experiment --scenario linear --duration 60s --within 1s --no-search --json --load 'sleep 0.2' -- sleep 100
    expect-json 'len(r["baseline"]["service_s"]) == 3' '[len(l["service_s"]) for l in r["levels"]] == [1, 1]'
}

# The first word that says what is asked for decides; behind it a program has options of its own.
words_of_the_program_choose_nothing() {
    printf '#!/bin/sh\nexec sleep 100\n' >sleeps
    chmod +x sleeps
    for line in "--scenario linear --timeout 200ms ./sleeps --under x" "--scenario linear --timeout 200ms ./sleeps --fail-nth" \
        "--scenario linear --timeout 200ms ./sleeps --list" "--fail-nth ./nowhere --scenario x"; do
        run timeout 100 "$replay" -q $line
        expect_status 3
        expect_one_line
    done
}

# Not at the end of minutes.
a_page_that_cannot_be_written_is_refused_at_once() {
    mkdir folder
    for page in folder nowhere/page.html; do
        run "$replay" --scenario linear --html $page -- sleep 100
        expect_status 2
        expect_one_line
    done
    echo '{"scenarios": {"a": {"command": ["sleep", "100"], "scenario": "linear"}, "b": {"command": ["sleep", "100"], "scenario": "spike"}}}' >two.json
    run "$replay" -f two.json --html page.html
    expect_status 2
    expect_err "a page is of one scenario"
}

nothing_passes_without_the_main_criteria() {
    run-experiment --scenario linear --levels 2 --no-search --html page.html -- "$CACHE_STATIC" flat --units 20 --unit-us 500 --mib 8
    expect_status 1
    expect_80_columns
    grep -q '^  The baseline spreads by' out && return 0 # the machine is too busy
    grep -q '^failed: ' out && return 0 # the same
    expect_out '^no verdict: 1 of 5 criteria measured  ('
    expect_out '^  Nothing passes without graceful, stability; --require NAME=none asks for less.$'
    expect_out '^  stability  .*  not measured: recovery not waited for$'
    expect_out '^  efficiency .*  not measured: only the library tells$'
    grep -q '>no verdict: 1 of 5 criteria measured<' page.html || fail "the page tells something else"
    run-experiment --scenario linear --levels 2 --no-search --json --require graceful=none --require stability=none -- \
        "$CACHE_STATIC" flat --units 20 --unit-us 500 --mib 8
    expect-json '(r["result"]["verdict"], status) in (("passed", 0), ("no verdict", 1))' \
        'r["result"]["asked"] == 3 and r["result"]["measured"] == 1' \
        'not r["result"]["criteria"]["efficiency"]["needed"] and r["result"]["criteria"]["degradation"]["needed"]' \
        'r["result"]["criteria"]["efficiency"]["why_not"] and r["result"]["criteria"]["degradation"]["why_not"] is None'
}

# At once, by the options alone, or when the mechanism is known (auto has none but rlimit for a static program).
what_is_asked_for_and_cannot_be_measured_is_refused() {
    for line in "breaking_point=1M --no-search" "recovery=1 --recovery-time none" "stability=0.5 --recovery-time none" \
        "improvement=1% --strategy none" "improvement=1% --pressure rlimit" "efficiency=0.5 --pressure rlimit"; do
        run "$replay" --scenario linear --require $line -- true
        expect_status 2
        expect_one_line
        expect_err "^mpress replay: criterion ${line%%=*} cannot be measured: "
    done
    printf '{"command": ["true"], "scenario": "linear", "search": false, "criteria": {"breaking_point": "1M"}}' >mpress.json
    run "$replay" -f mpress.json
    expect_status 2
    expect_one_line
    run "$replay" --scenario linear --require efficiency=0.5 -- "$CACHE_STATIC" flat --units 1
    grep -q cgroup2 err || expect_err "^mpress: criterion efficiency cannot be measured by rlimit: "
    expect_status 3
    expect_one_line
}

# It holds wherever it was tried, which is no answer to whether it breaks at less.
a_bound_below_all_that_was_tried_is_not_judged() {
    run-experiment --scenario linear --levels 2 --require graceful=none --require stability=none --require breaking_point=1K --json -- \
        "$CACHE_STATIC" flat --units 5 --unit-us 500 --mib 8
    expect-json 'r["breaking_point"]["broken_at"] is not None or r["result"]["criteria"]["breaking_point"]["why_not"] == "not found"' \
        'r["breaking_point"]["broken_at"] is not None or (r["result"]["verdict"], status) == ("no verdict", 1)'
}

a_metric_has_a_sign_and_a_point() {
    run-experiment --scenario linear --levels 2 --no-search --strategy none --metric-cmd 'echo it is -5' --window 50ms -- sleep 1000
    expect_status 3
    expect_err "sleep: the metric is not above 0$"
    run-experiment --scenario linear --levels 2 --no-search --strategy none --metric-cmd 'echo .25' --window 50ms --json -- sleep 1000
    expect-json 'r["baseline"]["median_s"] == 0.25'
}

# Back to back they kept it busy half of the time. (Told shares of the time are without its rests.)
between_runs_of_a_millisecond_it_rests() {
    run timeout 100 "$replay" --pressure rlimit --scenario linear --levels 2 --limit 100K --within 30s --no-search --recovery-time none --json -- true
    expect-json 'r["own_processor_s"] < 0.05 * r["lasted_s"]'
}

wrong_usage_is_refused_in_one_line() {
    for line in "--scenario" "--scenario nowhere -- x" "--scenario linear" "--scenario linear --limit 0 x" \
        "--scenario linear --require speed=1 x" "--scenario linear --progress ( x" "-f nowhere.json" \
        "--scenario linear --load x --progress y z" "--scenario linear --strategy x y" \
        "--scenario linear app.mpt" "--scenario linear --with glibc x" "-f x.json --under linear" "-qf nowhere.json" "--scenario linear --recovery-time never x" "--scenario linear --within never x" "--scenario spike --form ramp x" "--scenario linear --form x x" \
        "--scenario linear --expect-exit 256 x" "--scenario linear --expect-exit 1 --progress y x"; do
        run "$replay" $line
        expect_status 2
        expect_one_line
    done
    run "$replay" --scenario linear --pressure cgroup -- sh -c 'exit 3' # (where there is one)
    expect_status 3
    expect_one_line
    run "$replay" --scenario linear --pressure magic -- true
    expect_status 3
    expect_one_line
}

list_tells_scenarios_and_mechanisms() {
    run "$replay" --list
    expect_status 0
    expect_out "^  sawtooth "
    expect_out "^  rlimit "
    run "$replay" --scenario x --help
    expect_status 0
    expect_80_columns
}

run_tests_at_once
