# packages.sh - which Debian 12 packages are needed for what, and how missing ones are installed.
#
# Sourced by tools/quickstart and tests/run (POSIX sh). `need_packages PURPOSE...` is what they call:
# it does nothing when everything is there; otherwise it names what it is about to install, then
# calls apt-get as root or through sudo. Returns 1, with the command to type, when it cannot.

# The packages of one purpose.
packages_for() {
    case $1 in
    build) # configure and build everything but the tests
        echo cmake ninja-build gcc g++ pkg-config libmimalloc-dev libunwind-dev libdw-dev \
            libjansson-dev libiberty-dev libzstd-dev libprotobuf-c-dev protobuf-c-compiler \
            zlib1g-dev
        ;;
    test) # build and run the unit, command-line, semantics and rule tests
        echo libcmocka-dev libc6-dev libsqlite3-dev binutils python3 man-db clang-format musl-tools
        ;;
    bench) # what transactions are measured against
        echo libapr1 libtalloc2 libglib2.0-0 valgrind
        ;;
    quickstart) # the program that is recorded
        echo python3
        ;;
    ci_programs) # those of the programs that are small to install
        echo bash git python3 perl sqlite3 redis-server xz-utils zstd tmux
        ;;
    programs) # the real programs that run under the library
        echo bash git gcc g++ cmake ninja-build python3 perl nodejs sqlite3 redis-server \
            libpython3.11-testsuite postgresql default-jdk-headless tmux xz-utils zstd
        ;;
    *)
        echo "packages.sh: no such purpose: $1" >&2
        return 1
        ;;
    esac
}

# Those of the names given that are not installed.
packages_missing() {
    for package; do
        case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ?i*) ;;
        *) echo "$package" ;;
        esac
    done
}

packages_install() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "These packages are missing, and this is neither root nor is there sudo:" >&2
            echo "    apt-get install --no-install-recommends $*" >&2
            return 1
        fi
        as_root="sudo"
        [ -t 0 ] || as_root="sudo -n" # nobody is there to type a password
    fi
    echo "Installing with apt-get (nothing else on this system is touched): $*"
    $as_root apt-get update -q >/dev/null 2>&1 ||
        echo "apt-get update failed; going on with the package lists that are there" >&2
    said=$($as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" 2>&1) && return 0
    echo "$said" >&2
    echo "apt-get could not install all of: $*" >&2
    return 1
}

# need_packages PURPOSE...
need_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is not a Debian system: install what the configuration asks for by hand." >&2
        return 0
    fi
    wanted=
    for purpose; do
        wanted="$wanted $(packages_for "$purpose")" || return 1
    done
    # shellcheck disable=SC2086 # names, to be split
    missing=$(packages_missing $wanted | sort -u | tr '\n' ' ')
    [ -z "$missing" ] && return 0
    # shellcheck disable=SC2086
    packages_install $missing
}
