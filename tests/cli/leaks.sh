#!/bin/bash
# Lost and reachable blocks: planted leaks of every documented kind, and programs that have none.
. "$(dirname "$0")/check.sh"
need_library

# expect_kinds CASE LOST BY_LOST [INSIDE]: bytes. (libc keeps pointers into what it allocates for a thread.)
expect_kinds () { # no test: the blank keeps it out
    run "$MPRESS" record -q --force -o "$1.mpt" -- "$PLANTED" "$1"
    expect_status 0
    expect_no_err .
    run "$MPRESS" report --json "$1.mpt"
    expect_status 0
    python3 - out "$@" >said 2>&1 <<'END' || fail "$1: $(cat said)"
import json, sys
leaks = json.load(open(sys.argv[1]))["leaks"]
kinds = [leaks[kind]["bytes"] for kind in ("lost", "lost_by_lost", "reachable_inside")]
expected = [int(n) for n in sys.argv[3:]]
assert kinds[:len(expected)] == expected, leaks
END
}

leaks_are_classified_as_memcheck_does() {
    expect_kinds direct 1000 0 0
    expect_kinds indirect 1000 30200 0
    expect_kinds cycle 500 1000 0
    expect_kinds interior 0 0 1000
    expect_kinds global 0 0 0
    expect_kinds thread-local 0 0 0
    expect_kinds disguised 1000 0 0
    expect_kinds behind-freed 1000 0 0
    expect_kinds specific 0 0 0
    expect_kinds counted 0 0 1000
    expect_kinds indirect-interior 1000 200 0
}

threads_keep_blocks_on_their_stacks_and_in_registers() {
    expect_kinds stack 0 0
    [ "$(uname -m)" != x86_64 ] || expect_kinds register 0 0
    expect_kinds forgotten 1000 0
    expect_kinds blocked 0 0
    run "$MPRESS" report --json blocked.mpt
    python3 -c '
import json
leaks = json.load(open("out"))["leaks"]
assert leaks["threads_missed"] == 1 and leaks["threads_stopped"] == 0, leaks' 2>err || fail "threads"
}

the_report_says_it_first() {
    "$MPRESS" record -q -o i.mpt -- "$PLANTED" indirect
    run "$MPRESS" report i.mpt
    expect_80_columns
    expect_out "LEAK: 30.5 KiB of it in 3 blocks lost"
    expect_out "^LOST  30.5 KiB in 3 blocks that nothing points to any more"
    expect_out "in 1 block, only by way of lost ones"
    expect_out "plant_indirect"
    "$MPRESS" record -q -o g.mpt -- "$PLANTED" global
    run "$MPRESS" report --summary --fail-on 'lost>0' g.mpt
    expect_status 0
    expect_out "None of these is lost"
    run "$MPRESS" report --summary --fail-on 'lost_blocks>2' i.mpt
    expect_status 3
}

without_a_look_nothing_is_claimed() {
    "$MPRESS" record -q --no-leaks -o d.mpt -- "$PLANTED" direct
    run "$MPRESS" report d.mpt
    expect_out "Nobody looked which of these"
    expect_no_out "LEAK"
    run "$MPRESS" report --fail-on 'lost>0' d.mpt
    expect_status 2
}

without_a_trace_a_line_says_it() {
    run env MPRESS_LEAKS=1 LD_PRELOAD="$LIBRARY" "$PLANTED" indirect
    expect_status 0
    expect_err "^mpress: 1000 bytes in 1 block.* lost\|^mpress: 10.. bytes in 1 blocks are lost"
}

samples_tell_lost_blocks_too() {
    "$MPRESS" record -q --mode sample --period 1 -o s.mpt -- "$PLANTED" indirect
    run "$MPRESS" report --summary --fail-on 'lost<31000' s.mpt
    expect_status 0
    expect_out "LEAK"
}

programs_that_valgrind_calls_clean_have_none() {
    for command in "git --version" "sqlite3 :memory: 'select count(*) from sqlite_master'" \
        "bash -c 'for i in 1 2 3; do echo \$i; done'" "sed s/a/b/ $0"; do
        command -v "${command%% *}" >/dev/null || continue
        rm -f clean*.mpt
        eval "\"\$MPRESS\" record -q --no-children -o clean.mpt -- $command" >/dev/null 2>&1
        run "$MPRESS" report --summary --fail-on 'lost>0' clean.mpt
        expect_status 0
    done
}

# begin CASE: planted CASE runs under the library, its process id is in $pid, until `end`.
begin () {
    rm -f lines input
    mkfifo input
    LD_PRELOAD=$LIBRARY "$PLANTED" "$1" wait >lines 2>errors <input &
    program=$!
    exec 7>input
    wait_for '^[0-9]' lines
    pid=$(head -n 1 lines)
}

end () {
    exec 7>&-
    wait "$program" || fail "the program ended with status $?: $(cat errors)"
}

a_running_process_is_looked_through() {
    begin indirect
    run "$MPRESS" leaks "$pid"
    expect_status 0
    expect_80_columns
    expect_out "^PROCESS  $pid: it stood still for "
    expect_out "^  lost  *1.00 KiB in 1 block "
    expect_out "^  lost with them  *[23][0-9.]* KiB in 2 blocks "
    expect_out "^LOST BY SIZE"
    expect_out "No trace runs there"
    run "$MPRESS" leaks --json "$pid"
    python3 -c '
import json
leaks = json.load(open("out"))
assert leaks["schema"] == "mpress-leaks/1" and leaks["stacks"] is None and leaks["pause_ns"] > 0
assert leaks["lost"]["blocks"] == 1 and leaks["lost_by_lost"]["blocks"] == 2, leaks
assert sum(size["lost"] for size in leaks["sizes"]) == 1, leaks' 2>err || fail "$(cat err)"
    end
    begin stack
    run "$MPRESS" leaks --json "$pid"
    expect_out '"threads_stopped": 1,'
    python3 -c 'import json; assert json.load(open("out"))["lost"]["blocks"] == 0' || fail "false loss"
    end
}

with_a_trace_losses_have_call_stacks_and_stages() {
    rm -f input && mkfifo input
    MPRESS_TRACE=full MPRESS_TRACE_FILE=live.mpt LD_PRELOAD=$LIBRARY "$PLANTED" indirect wait >lines <input &
    program=$!
    exec 7>input
    wait_for '^[0-9]' lines
    pid=$(head -n 1 lines)
    run "$MPRESS" leaks "$pid"
    expect_status 0
    expect_80_columns
    expect_out "^LOST  30.5 KiB in 3 blocks"
    expect_out "plant_indirect"
    echo 'leak:plant_ind*ect$' >known
    run "$MPRESS" leaks --suppressions known "$pid"
    expect_no_out "older than the trace"
    expect_no_out "^LOST  "
    expect_out "30.5 KiB in 3 blocks  *leak:plant_ind"
    run "$MPRESS" mark --leaks "$pid" planted
    expect_status 0
    exec 7>&-
    wait "$program"
    run "$MPRESS" report live.mpt
    expect_out "LEAK: 30.5 KiB of it in 3 blocks lost"
}

# As what a sanitizer keeps beside a program's memory: to look through it would take minutes.
terabytes_are_not_looked_through_where_no_block_is() {
    cat >own.c <<'END'
#include <stddef.h>
#include <sys/mman.h>
void *malloc(size_t bytes) { return (void)bytes, NULL; }
void free(void *block) { (void)block; }
int main(void)
{
    return mmap(NULL, (size_t)70 << 40, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED ? 77 : 0;
}
END
    cc -fno-builtin -o own own.c || fail "no compiler"
    run ./own
    [ "$status" -ne 77 ] || skip "there is no room for 70 TiB" || return 0
    run env LD_PRELOAD="$LIBRARY" MPRESS_LEAKS=1 timeout 15 ./own
    expect_status 0
    expect_err "^mpress: 0 bytes in 0 blocks are lost"
}

known_losses_are_left_out_and_counted() {
    "$MPRESS" record -q -o i.mpt -- "$PLANTED" indirect
    printf '# of old\n\n  leak:plant_indirect  \nleak:^nothing$\n' >known
    run "$MPRESS" report --suppressions known --fail-on 'lost>0' i.mpt
    expect_status 0
    expect_out "Lost are only blocks that are suppressed: 3, 30.5 KiB"
    expect_out "^SUPPRESSED  30.5 KiB in 3 blocks"
    run env MPRESS_SUPPRESSIONS=known "$MPRESS" report --json i.mpt
    python3 -c '
import json
leaks = json.load(open("out"))["leaks"]
assert leaks["lost"]["blocks"] == 0 and leaks["suppressed"][0]["blocks"] == 3, leaks
assert leaks["suppressed"][1] == {"pattern": "^nothing$", "blocks": 0, "bytes": 0}, leaks' 2>err || fail "$(cat err)"
    echo "leak:$(basename "$PLANTED")\$" >module
    run "$MPRESS" report --summary --suppressions module --fail-on 'lost>0' i.mpt
    expect_status 0
    echo "leak:anted.c$" >file
    run "$MPRESS" report --summary --suppressions file --fail-on 'lost>0' i.mpt
    expect_status 0
    echo "leak:^lant_indirect" >other
    run "$MPRESS" report --summary --suppressions other --fail-on 'lost>0' i.mpt
    expect_status 3
    run "$MPRESS" diff --suppressions known --fail-on 'lost>0' i.mpt i.mpt
    expect_status 0
    echo "race:x" >wrong
    run "$MPRESS" report --summary --suppressions wrong i.mpt
    expect_status 1
    expect_one_line
    expect_err "wrong, line 1: .*expected leak:PATTERN"
    run "$MPRESS" report --summary --suppressions absent i.mpt
    expect_status 1
    expect_one_line
}

run_tests
