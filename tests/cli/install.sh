#!/usr/bin/env bash
# What `cmake --install` leaves works from where it is put.
. "$(dirname "$0")/check.sh"
need_library

an_installation_works_wherever_it_is() {
    run cmake --install "$BUILD" --prefix "$folder/prefix"
    expect_status 0
    run "$folder/prefix/bin/mpress" options
    expect_status 0
    expect_out MPRESS_TRACE
    run "$folder/prefix/bin/mpress-replay" --help
    expect_status 0
    run man -l "$folder/prefix/share/man/man1/mpress.1"
    expect_status 0
}

cat >user.c <<'END'
#include <mpress.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    struct mpress_stats stats;
    void *volatile block = malloc(100000);
    mpress_stats_read(&stats);
    puts(mpress_version());
    free(block);
    return stats.live < 100000;
}
END

programs_find_the_library_through_pkg_config() {
    export PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(dirname "$(find "$folder/prefix" -name mpress.pc)")
    # shellcheck disable=SC2046
    run cc -o user "$folder/user.c" $(pkg-config --cflags --libs mpress)
    expect_status 0
    run env LD_LIBRARY_PATH="$(dirname "$(find "$folder/prefix" -name libmpress.so)")" ./user
    expect_status 0
}

programs_find_the_library_through_cmake() {
    mkdir -p package
    cat >package/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(mpress 0.1 REQUIRED)
add_executable(user ../../user.c)
target_link_libraries(user mpress::mpress)
END
    run cmake -S package -B package/build -DCMAKE_PREFIX_PATH="$folder/prefix"
    expect_status 0
    run cmake --build package/build
    expect_status 0
    run package/build/user
    expect_status 0
}

run_tests
