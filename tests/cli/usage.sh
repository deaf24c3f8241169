#!/usr/bin/env bash
# How the commands are called, and how they refuse.
. "$(dirname "$0")/check.sh"

without_a_command_usage_goes_to_stderr_with_status_2() {
    run "$MPRESS"
    expect_status 2
    expect_err "Commands:"
    expect_no_out .
}

an_unknown_command_is_refused_in_one_line() {
    run "$MPRESS" frobnicate
    expect_status 2
    expect_one_line
    expect_err 'there is no command "frobnicate"'
    run "$MPRESS" help frobnicate
    expect_status 2
    expect_one_line
}

help_is_there_for_every_command_and_fits_80_columns() {
    for command in record report diff replay tune propose attach detach dump mark stats leaks forecast pack unpack symbols options; do
        run "$MPRESS" help $command
        expect_status 0
        expect_out "^Usage: "
        expect_80_columns
        cp out as_command
        run "$MPRESS" $command --help
        expect_status 0
        cmp -s out as_command || fail "help $command and $command --help differ"
    done
    run "$MPRESS" help
    expect_status 0
    expect_80_columns
}

help_may_stand_behind_other_options() {
    for line in "record -q --help" "report --top 3 -h" "replay -n 2 x --help" "tune x -h" \
        "options --json --help" "attach --for 1s -h" "mark --wait 1s --help"; do
        run "$MPRESS" $line
        expect_status 0
        expect_out "^Usage: mpress ${line%% *} "
    done
}

the_version_is_printed() {
    local program
    for program in "$MPRESS" "$(dirname "$MPRESS")/mpress-replay"; do
        run "$program" --version
        expect_status 0
        expect_out '^mpress [0-9]*\.[0-9]*\.[0-9]*$'
    done
}

help_that_cannot_be_written_is_a_failure() {
    local line
    for line in help "replay --help" --version; do
        "$MPRESS" $line >/dev/full 2>err </dev/null
        status=$?
        : >out
        expect_status 1
        expect_one_line
    done
}

options_are_refused_by_the_name_that_was_typed() {
    run "$MPRESS" replay --speed
    expect_err "option --speed needs a value"
    run "$MPRESS" replay -s
    expect_err "option -s needs a value"
    run "$MPRESS" replay --json=3 x
    expect_err "option --json=3: "
    run "$MPRESS" replay --speed=real -xq
    expect_err "no option -x"
}

called_mpress_replay_it_is_the_replay_command() {
    run "$(dirname "$MPRESS")/mpress-replay" --help
    expect_status 0
    cp out by_name
    run "$MPRESS" replay --help
    [ "$(head -c 7 out)" = "$(head -c 7 by_name)" ] || fail "not the same command"
}

unknown_options_are_refused_in_one_line() {
    for command in record report diff replay tune propose attach detach dump mark stats leaks forecast pack unpack symbols options; do
        run "$MPRESS" $command --frobnicate
        expect_status 2
        expect_one_line
        expect_err "frobnicate"
        run "$MPRESS" $command -Z
        expect_status 2
        expect_one_line
        expect_err "no option -Z"
    done
}

missing_and_wrong_values_are_refused_in_one_line() {
    local line
    for line in "record" "record -o" "record -o ''" "record --mode fast true" \
        "record --depth 0 true" "record --depth 257 true" "record --depth 1x true" "record --mode some true" "record --mode sample --period 0 true" "record --mode sample --period 5X true" "record --keep 8M true" "record --period 1M true" "record --mode full --keep 8M true" "record --mode flight --keep 1X true" "record --mode flight --keep 1K true" "record --mode flight --keep 2000G true" "record --max-size none true" "record --max-size 1023K true" "record --max-size 10 true" "record --mode sample --period 5G true" "record --policy lose true" "report" \
        "report a b" "report --top 0 x" "report --top -1 x" "report --depth 99999 x" \
        "diff" "diff a" "diff a b c" "diff --by size a b" "diff --fail-on 'peak>+x' a b" \
        "report --folded=nothing x" "report --json --summary x" "options more" \
        "replay" "replay a b" "replay --runs 0 x" "replay --threads all x" "replay --workload web" "replay --scale 1K x" "tune" "tune a b" \
        "attach" "attach x" "attach 1 2" "attach --for 3 years 1" \
        "attach --for 0 1" "attach --mode fast 1" "attach -o '' 1" "detach" "dump" "dump 1 2" "mark" "mark 1" "stats" "stats --top 0 1" "stats 1 2" "stats --wait x 1" "tune --runs 1001 x" "propose" "propose a b" "propose --top 9 x" "forecast" "forecast --limit x y" "forecast --method x y" "forecast --thresholds 1,2,3 y" "tune --output= x"; do
        eval "run \"\$MPRESS\" $line"
        expect_status 2
        expect_one_line
    done
}

manual_pages_have_no_formatting_errors() {
    command -v groff >/dev/null || skip "no groff" || return 0
    for page in "$SOURCE"/tools/man/*.1; do
        run groff -man -Tutf8 -ww "$page"
        expect_status 0
        expect_no_err .
    done
}

# (A blank before the parentheses: no test.) detach, dump and mark share a page with attach.
page_of () {
    case $1 in detach | dump | mark) echo mpress-attach.1 ;; *) echo "mpress-$1.1" ;; esac
}

every_option_is_in_the_manual_and_in_the_completion() {
    for command in record report diff replay tune propose attach detach dump mark stats leaks forecast pack unpack symbols options; do
        "$MPRESS" $command --help >help
        for option in $(grep -o -- '--[a-z][a-z-]*' help | sort -u); do
            sed 's/\\//g' "$SOURCE/tools/man/$(page_of $command)" | grep -q -e "$option" ||
                fail "$option is not in mpress-$command.1"
            grep -q -e "$option" "$SOURCE/tools/completion/mpress" ||
                fail "$option is not in the completion"
        done
    done
}

# Those of the two works that take a program have help of their own.
every_option_of_experiments_and_sweeps_is_there_too() {
    local work
    for work in "--scenario x" --fail-nth; do
        "$MPRESS" replay $work --help >help
        for option in $(grep -o -- '--[a-z][a-z-]*' help | sort -u); do
            sed 's/\\//g' "$SOURCE"/tools/man/mpress-{replay,scenario}.1 | grep -q -e "$option" ||
                fail "$option is in no manual"
            grep -q -e "$option" "$SOURCE/tools/completion/mpress" || fail "$option is not in the completion"
        done
    done
}

completion_offers_traces_and_folders() {
    mkdir traces "with blank"
    touch a.mpt a.txt traces/b.mpt
    cat >complete <<'END'
. "$SOURCE/tools/completion/mpress"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_mpress
printf '%s\n' "${COMPREPLY[@]}"
END
    for command in report diff pack symbols; do
        SOURCE=$SOURCE run bash complete mpress $command ""
        [ "$(sort out | tr '\n' ,)" = "a.mpt,traces,with blank," ] || fail "$command: $(cat out)"
        SOURCE=$SOURCE run bash complete mpress $command traces/
        [ "$(cat out)" = traces/b.mpt ] || fail "$command: $(cat out)"
    done
    touch my_program
    for work in --fail-nth "--scenario linear" "--scenario linear --limit 5M"; do
        SOURCE=$SOURCE run bash complete mpress-replay $work my_pro
        [ "$(cat out)" = my_program ] || fail "$work: $(cat out)"
    done
    SOURCE=$SOURCE run bash complete mpress-replay --scenario sp
    [ "$(cat out)" = spike ] || fail "$(cat out)"
}

run_tests
