#!/bin/bash
# mpress symbols: names are there when the program is gone, and nothing is believed that is not of
# the trace.
. "$(dirname "$0")/check.sh"

# A trace whose program is a copy of make_trace; the report with its names in the file `named`.
make_both () { # no test: the blank keeps it out
    cp "$MAKE_TRACE" program
    ./program leaky t.mpt
    "$MPRESS" report --all --depth 32 t.mpt >named
    "$MPRESS" report --folded=allocations t.mpt >folded
    grep -q "leaf.*make_trace.c" named || fail "no names to begin with"
}

names_are_kept_for_when_the_program_is_gone() {
    make_both
    run "$MPRESS" symbols t.mpt
    expect_status 0
    [ ! -s out ] && [ ! -s err ] || fail "something was said"
    rm program
    "$MPRESS" report --all --depth 32 t.mpt | cmp -s - named || fail "another report"
    "$MPRESS" report --folded=allocations t.mpt | cmp -s - folded || fail "other stacks"
    rm t.mpt.symbols
    "$MPRESS" report t.mpt >without
    ! grep -q leaf without || fail "the names come from somewhere else"
}

they_are_kept_with_a_packed_trace_too() {
    make_both
    "$MPRESS" pack -q t.mpt
    run "$MPRESS" symbols -o t.mpt.symbols t.mpt
    expect_status 0
    rm program
    "$MPRESS" report --folded=allocations t.mpt | cmp -s - folded || fail "other stacks"
}

packing_keeps_them_when_it_is_told_to() {
    make_both
    run "$MPRESS" pack -q --symbols t.mpt
    expect_status 0
    rm program
    "$MPRESS" report --folded=allocations t.mpt | cmp -s - folded || fail "other stacks"
    rm t.mpt.symbols
    mkdir t.mpt.symbols
    run "$MPRESS" pack -q --symbols t.mpt
    expect_status 1
    expect_one_line
}

another_build_in_its_place_changes_nothing() {
    make_both
    "$MPRESS" symbols t.mpt
    cp /bin/true program
    "$MPRESS" report --folded=allocations t.mpt | cmp -s - folded || fail "other stacks"
}

debug_files_are_found_in_the_cache_of_debuginfod() {
    make_both
    id=$(readelf -n program | sed -n 's/.*Build ID: *//p')
    [ -n "$id" ] || return 0 # this compiler writes none
    mkdir -p "cache/$id"
    objcopy --only-keep-debug program "cache/$id/debuginfo"
    strip program
    "$MPRESS" report t.mpt >stripped
    ! grep -q leaf stripped || fail "the names come from somewhere else"
    DEBUGINFOD_CACHE_PATH=$PWD/cache "$MPRESS" report --all --depth 32 t.mpt | cmp -s - named ||
        fail "another report"
}

names_of_another_trace_are_passed_over() {
    make_both
    "$MPRESS" symbols t.mpt
    gzip -dc <t.mpt.symbols | sed '1s/[0-9]*$/1/; s/leaf/false_name/' | gzip >other
    mv other t.mpt.symbols
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out leaf
    expect_no_out false_name
}

damaged_names_are_no_harm() {
    make_both
    "$MPRESS" symbols t.mpt
    cp t.mpt.symbols whole
    for bytes in 5 40 100; do
        head -c $bytes whole >t.mpt.symbols
        run "$MPRESS" report t.mpt
        expect_status 0
    done
    for line in "A 99 1 1" "A -1 zz" "F 0 1" "F 1 2 name without a tab" "A 0 1 1 F" "x" \
        "$(printf 'F 0 1 \033[31m\tx')"; do
        { gzip -dc <whole | head -2 && echo "$line"; } | gzip >t.mpt.symbols
        run "$MPRESS" report t.mpt
        expect_status 0
        ! LC_ALL=C grep -q "$(printf '\033')" out || fail "control characters"
    done
    head -c 3000 /dev/urandom >t.mpt.symbols
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out leaf
}

what_cannot_be_read_or_written_is_one_line() {
    run "$MPRESS" symbols none.mpt
    expect_status 1
    expect_one_line
    [ ! -e none.mpt.symbols ] || fail "names of nothing"
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" symbols -o /no/such/folder/x t.mpt
    expect_status 1
    expect_one_line
    run "$MPRESS" symbols
    expect_status 2
    expect_one_line
}

# Two libraries that lie at the same address, one after the other, opened by relative paths.
libraries_that_were_unloaded_have_their_own_names() {
    [ -n "$LIBRARY" ] || return 0
    cat >first.c <<'END'
#include <stdlib.h>
void *plug(void) { return malloc(666); }
END
    cat >second.c <<'END'
#include <stdlib.h>
void *other(void) { return malloc(5); }
void *plug(void) { return malloc(667); }
END
    cat >user.c <<'END'
#include <dlfcn.h>
#include <stdlib.h>
void *volatile keep[3];
static void *call(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    void *(*plug)(void) = (void *(*)(void))dlsym(library, "plug");
    void *block = plug();
    dlclose(library);
    return block;
}
int main(void)
{
    for (int i = 0; i < 3; i++)
        keep[i] = call(i == 1 ? "./second.so" : "./first.so");
    return 0;
}
END
    for name in first second; do
        cc -g -O1 -shared -fPIC -o $name.so $name.c || fail "no compiler"
    done
    cc -g -O1 -o user user.c
    "$MPRESS" record -q -o t.mpt -- ./user
    mkdir elsewhere
    for way in written packed; do
        (cd elsewhere && "$MPRESS" report --all ../t.mpt) >out
        expect_out "1.30 KiB .* in 2 blocks" # both calls of the first one: one group
        expect_out "plug  *first.c:2"
        expect_out "plug  *second.c:3"
        expect_no_out "  other  "
        "$MPRESS" pack -q t.mpt
    done
}

run_tests
