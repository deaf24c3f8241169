#!/usr/bin/env bash
# A program goes on, and its trace is right as far as it goes, whatever the system takes from it.

# Mounts of its own, which end with it.
if [ -z "${OWN_MOUNTS-}" ]; then
    ! unshare -m mount -t tmpfs none /mnt 2>/dev/null || OWN_MOUNTS=yes exec unshare -m bash "$0"
    OWN_MOUNTS=no
fi
. "$(dirname "$0")/check.sh"
need_library
trap 'umount "$folder"/*/disk 2>/dev/null; rm -rf "$folder"' EXIT
"$HINDERED" nothing >"$folder/right"

# (A blank before the parentheses: no test.)
may_mount () {
    [ "$OWN_MOUNTS" = yes ] || skip "only root may mount, and change its root"
}

# A disk of its own, ./disk.
make_disk () {
    may_mount || return 1
    mkdir disk && mount -t tmpfs -o "size=$1" none disk || fail "no disk"
}

# The program printed what it does by itself, status 0.
expect_went_on () {
    expect_status 0
    cmp -s out ../right || fail "its output changed"
}

# number FIELD [FILE]: of the report in JSON.
number () {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[2]))
for name in sys.argv[1].split("."):
    value = value[name]
print(value)' "$1" "${2-report.json}"
}

# The trace ends where the system's refusal came, and all before is there.
expect_cut_short () {
    [ "$(grep -cv "could not be packed" err)" -eq 1 ] || fail "not one line"
    expect_err "mpress: the trace ends here, the program goes on: .*$1 cannot grow: $2"
    run "$MPRESS" report "$1"
    expect_status 0
    grep -A1 "^VERDICT" out | grep -q "PART OF THE RUN" || fail "not said first"
    expect_out "complete  not proven: the recording ended early"
    ! sed -n '/^VERDICT/,/^ *\* Resident/p' out | grep -q '(-[0-9]' || fail "a ratio of what was not sampled"
    run "$MPRESS" report --json -o report.json "$1"
    [ "$(number events.lost_frees)" -eq 0 ] || fail "events are missing"
    [ "$(number events.unknown_frees)" -lt 100 ] || fail "births are missing"
    [ "$(number events.events)" -gt 1000 ] || fail "nothing is there"
}

# expect_whole TRACE [WHAT MAY BE SAID]
expect_whole () {
    ! grep -v "${2-^$}" err >said || fail "something was said"
    run "$MPRESS" report --json -o report.json "$1"
    expect_status 0
    [ "$(number trace.complete)" = True ] || fail "it is not complete"
}

a_full_disk_ends_the_trace_and_not_the_program() {
    make_disk 2m || return 0
    for options in "--mode full --no-pack" "--mode full" "--mode events --no-pack"; do
        run "$MPRESS" record -q $options -o disk/t.mpt -- "$HINDERED" nothing
        expect_went_on
        expect_cut_short "$PWD/disk/t.mpt" "No space left on device"
        rm disk/*
    done
}

a_ring_on_a_full_disk_goes_on_in_the_room_it_has() {
    make_disk 1m || return 0
    run "$MPRESS" record -q --max-size 4M -o disk/t.mpt -- "$HINDERED" nothing
    expect_went_on
    expect_no_err .
    run "$MPRESS" report --json -o report.json disk/t.mpt
    expect_status 0
    [ "$(number events.lost_frees)" -eq 0 ] || fail "an event was invented"
    [ "$(number events.dropped)" -eq 0 ] || fail "events were dropped"
}

what_is_dropped_while_the_disk_is_full_is_counted_to_the_event() {
    make_disk 3m || return 0
    run "$MPRESS" record -q --no-pack --no-leaks -o whole.mpt -- "$HINDERED" nothing
    "$MPRESS" report --json -o report.json whole.mpt
    local all=$(number events.events)
    head -c 2M /dev/zero >disk/filler
    run "$MPRESS" record -q --no-pack --no-leaks --policy drop -o disk/t.mpt -- "$HINDERED" room disk/filler
    expect_went_on
    [ "$(grep -c . err)" -eq 1 ] || fail "not one line"
    expect_err "mpress: events are dropped until there is room, the program goes on"
    run "$MPRESS" report --json -o report.json disk/t.mpt
    local dropped=$(number events.dropped)
    [ "$dropped" -gt 100000 ] || fail "only $dropped were dropped"
    [ "$(stat -c %s disk/t.mpt)" -gt 1500000 ] || fail "nothing was recorded behind"
    [ $(($(number events.events) + dropped)) -eq "$all" ] || fail "$(number events.events) recorded, $dropped dropped, $all in all"
    run "$MPRESS" report disk/t.mpt
    grep -A1 "^VERDICT" out | grep -q "EVENTS ARE MISSING: $(python3 -c "print(f'{$dropped:,}')") of" || fail "not said first"
    run "$MPRESS" report --summary --fail-on 'dropped>0' disk/t.mpt
    expect_status 3
    run "$MPRESS" report --summary --fail-on "dropped>$dropped" disk/t.mpt
    expect_status 0
}

a_limit_on_files_ends_the_trace_and_not_the_program() {
    run "$MPRESS" record -q --no-pack -o t.mpt -- "$HINDERED" size
    expect_went_on
    expect_cut_short "$PWD/t.mpt" "File too large"
}

closed_descriptors_are_found_again_and_those_of_the_program_left_alone() {
    for mode in full events sample flight; do
        run "$MPRESS" record -q --mode $mode -o $mode.mpt -- "$HINDERED" descriptors
        expect_went_on
        expect_no_err .
        run "$MPRESS" report "$mode.mpt"
        expect_status 0
        [ $mode = flight ] || expect_out "complete  yes"
    done
}

without_proc="could not look for lost blocks: /proc or memory is missing"

a_trace_goes_on_without_proc() {
    may_mount || return 0
    run "$MPRESS" record -q -o t.mpt -- "$HINDERED" proc
    expect_went_on
    expect_whole t.mpt "$without_proc"
}

a_program_is_recorded_where_there_never_was_a_proc() {
    may_mount || return 0
    run env MPRESS_LIBRARY="$LIBRARY" unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh \
        "$MPRESS" record -q -o t.mpt -- "$HINDERED" nothing
    expect_went_on
    expect_whole t.mpt "$without_proc"
}

a_trace_goes_on_in_another_root() {
    may_mount || return 0
    mkdir root
    run "$MPRESS" record -q -o t.mpt -- "$HINDERED" root root
    expect_went_on
    expect_whole t.mpt "$without_proc"
}

without_descriptors_in_another_root_it_ends() {
    may_mount || return 0
    mkdir root
    run "$MPRESS" record -q --no-pack -o t.mpt -- "$HINDERED" root+descriptors root
    expect_went_on
    expect_cut_short "$PWD/t.mpt" "Bad file descriptor"
}

run_tests
