# `mpress forecast`: what is said of recorded memory use.
. "$(dirname "$0")/check.sh"

# 300 s from 20 to 95 of 100 MB.
ramp='BEGIN { print "second,used"; for (i = 1; i <= 300; i++) printf "%d,%d\n", i, (20 + i / 4) * 1000000 }'

a_ramp_is_warned_of_before_each_threshold() {
    awk "$ramp" >ramp.csv
    run "$MPRESS" forecast --limit 97656K ramp.csv
    expect_status 0
    expect_80_columns
    for threshold in 70 80 90 95; do
        expect_out "warning of $threshold %: in "
        expect_out "at $threshold %: "
    done
    awk '/warning of 90 %/ { warned = NR } / at 90 %/ { at = NR } END { exit !(warned && warned < at) }' out ||
        fail "90 % was reached before the warning"
}

gzip_and_json_say_the_same() {
    awk "$ramp" >ramp.csv
    gzip -n <ramp.csv >ramp.csv.gz
    run "$MPRESS" forecast --json ramp.csv
    expect_status 0
    cp out plain
    run "$MPRESS" forecast --json ramp.csv.gz
    cmp -s out plain || fail "the gzipped file says something else"
    python3 -c "
import json
root = json.load(open('out'))
assert root['schema'] == 'mpress-forecast/1'
series = root['series'][0]
assert series['name'] == 'ramp' and series['ticks'] == 300
warned = [change for change in series['changes'] if change['what'] == 'warning']
assert len(warned) == 4 and all(change['chance'] >= 0.5 for change in warned)
assert len(series['forecasts']) == 3
" || fail "the JSON is not as described"
}

methods_are_compared_on_the_recorded_series() {
    run "$MPRESS" forecast --compare --class trend "$SOURCE"/tests/series/redis_fill.csv.gz \
        "$SOURCE"/tests/series/java_start.csv.gz
    expect_status 0
    expect_80_columns
    expect_out "^1 series"
    for method in persistence least-squares gated theil-sen holt agree level; do
        expect_out "^$method "
    done
    run "$MPRESS" forecast --compare --json "$SOURCE"/tests/series/redis_fill.csv.gz
    python3 -c "import json; assert len(json.load(open('out'))['methods']) == 7" || fail "not seven methods"
}

numbers_are_fitted_to_half_of_the_series() {
    run "$MPRESS" forecast --fit "$SOURCE"/tests/series/redis_fill.csv.gz "$SOURCE"/tests/series/perl_fill.csv.gz \
        "$SOURCE"/tests/series/gcc_builds.csv.gz
    expect_status 0
    expect_80_columns
    expect_out "^const struct forecast_fitted"
    expect_out "^Not fitted to these:"
    [ "$(grep -c '^trend ' out)" = 4 ] || fail "not both halves of the class, and both again for the first ticks"
    [ "$(grep -c '^Nothing foretold of the first [0-9]* ticks' out)" = 2 ] || fail "not chosen on both halves"
}

a_trace_is_a_series_too() {
    [ -n "$LIBRARY" ] || return 0
    run "$MPRESS" record -q --mode events -o trace.mpt -- \
        perl -e 'for (1 .. 24) { push @kept, ("x" x 5000) x 20; select undef, undef, undef, 0.1 }'
    expect_status 0
    run "$MPRESS" forecast --signal rss_anon trace.mpt
    expect_status 0
    expect_out "^trace: rss_anon, "
}

a_sample_that_does_not_know_the_heap_is_no_fall_to_nothing() {
    "$MAKE_TRACE" untold untold.mpt
    run "$MPRESS" forecast --limit 250K --json untold.mpt
    expect_status 0
    python3 - out >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
series = json.load(open(sys.argv[1]))["series"][0]
assert series["signal"] == "resident_heap" and series["percent"] == 80, series
assert not [c for c in series["changes"] if c["what"] in ("left", "calm")], series["changes"]
END
    run "$MPRESS" forecast --signal rss_anon --limit 250K untold.mpt
    expect_out "^untold: rss_anon, "
    "$MAKE_TRACE" leaky leaky.mpt
    run "$MPRESS" forecast --signal nothing leaky.mpt
    expect_status 1
    expect_one_line
}

what_is_no_series_is_refused_in_one_line() {
    printf 'second,used\n1,5\n1,6\n' >twice.csv
    printf 'a,b\n1,5\n' >columns.csv
    printf 'second,used\n1,x\n' >words.csv
    printf 'second,used\n1,5\n' >short.csv
    : >empty.csv
    for file in twice columns words short empty missing; do
        run "$MPRESS" forecast $file.csv
        expect_status 1
        expect_one_line
    done
    awk "$ramp" >ramp.csv
    run "$MPRESS" forecast --signal rss ramp.csv
    expect_status 1
    expect_one_line
    run "$MPRESS" forecast --class trend ramp.csv
    expect_status 1
    expect_one_line
}

run_tests
