#!/usr/bin/env bash
# Call stacks through what languages other than C do: exceptions, panics, names of their own.
. "$(dirname "$0")/check.sh"
need_library

# record_stacks PROGRAM: report.json has its stacks in full. 1: this library was built without any.
record_stacks () {
    run "$MPRESS" record -q -o t.mpt -- "$@"
    expect_status 0
    run "$MPRESS" report --json --top 1000 --depth 100 -o report.json t.mpt
    expect_status 0
    run "$MPRESS" report t.mpt
    ! grep -q "has no call stacks" out
}

exceptions_leave_frames_and_every_block_has_its_own_stack() {
    record_stacks "$THROWING" || return 0
    python3 - 2>err <<'END' || fail "$(cat err)"
import json
rounds, deepest = 300, 20
found = {}  # by size: (functions without their namespace, blocks)
for stack in json.load(open("report.json"))["stacks"]["not_freed"]:
    names = [(frame["function"] or "?").split("(")[0].split("::")[-1] for frame in stack["frames"]]
    bytes, blocks = stack["not_freed"]["bytes"], stack["not_freed"]["blocks"]
    if names and names[0] == "keep":
        found.setdefault(bytes // blocks, []).append((names[1:], blocks))
assert {size: sum(n for _, n in stacks) for size, stacks in found.items()} == {
    101: rounds + 1,                                       # below the throw
    202: sum(i % deepest + 1 for i in range(rounds)) + 4,  # on the way up
    303: 2 * rounds, 404: rounds, 505: 1}, found
for size, stacks in found.items():
    for names, _ in stacks:
        end = names.index("main") if "main" in names else len(names)
        if size == 101 and "main" in names:
            assert names[:end] == ["descend"] * (end - 2) + ["pass_on", "catch_at_last"], names
        if size == 202 and "main" in names:
            assert names[0] == "~witness", names
            assert [n for n in names[1:end] if n != "descend"][-2:] == ["pass_on", "catch_at_last"], names
        if size == 303:
            assert names[:end] in (["pass_on", "catch_at_last"], ["catch_at_last"]), names
        if size == 404:
            assert names[:end] == ["catch_at_last"], names
        if size == 505:
            assert names[:end] == ["catch_of_another_thread"], names
assert len(found[101]) == deepest + 1, len(found[101])  # one for each depth, one aside
END
}

write_rust_program () {
    cat >shop.rs <<'END'
use std::hint::black_box;
use std::panic;
use std::thread;

mod shop {
    use std::hint::black_box;

    pub struct Cart<T> {
        pub items: Vec<T>,
    }

    pub trait Price {
        fn price(&self) -> Box<[u8]>;
    }

    impl Price for u64 {
        #[inline(never)]
        fn price(&self) -> Box<[u8]> {
            vec![*self as u8; 1009].into_boxed_slice()
        }
    }

    impl<T: Price> Cart<T> {
        #[inline(never)]
        pub fn keep_prices(&self) {
            for item in &self.items {
                black_box(Box::leak(item.price()));
            }
        }
    }
}

#[inline(never)]
fn descend(depth: u32) -> usize {
    let held: Box<[u8]> = black_box(vec![1u8; 2003].into_boxed_slice());
    if depth == 0 {
        panic!("that is far enough");
    }
    descend(depth - 1) + held.len()
}

#[inline(never)]
fn keep_behind() {
    black_box(Box::leak(vec![7u8; 3001].into_boxed_slice()));
}

fn main() {
    let cart = shop::Cart { items: (0..50u64).collect() };
    cart.keep_prices();
    panic::set_hook(Box::new(|_| {}));
    for depth in 0..30 {
        assert!(panic::catch_unwind(|| descend(depth)).is_err());
        keep_behind();
    }
    let threads: Vec<_> = (0..3).map(|_| thread::spawn(|| keep_behind())).collect();
    for each in threads {
        each.join().unwrap();
    }
    println!("done");
}
END
}

frames_of_rust_have_their_names_in_both_manglings() {
    command -v rustc >/dev/null || skip "no rustc" || return 0
    write_rust_program
    for mangling in v0 legacy; do
        rm -f shop t.mpt
        RUSTC_BOOTSTRAP=1 rustc -Z unstable-options -C symbol-mangling-version=$mangling -O -g \
            -o shop shop.rs >out 2>err || fail "rustc"
        record_stacks ./shop || return 0
        python3 - 2>err <<'END' || fail "$mangling: $(cat err)"
import json
found = {}
for stack in json.load(open("report.json"))["stacks"]["not_freed"]:
    names = [frame["function"] or "?" for frame in stack["frames"]]
    assert not any(n.startswith(("_R", "_ZN")) or "17h" in n for n in names), names
    bytes, blocks = stack["not_freed"]["bytes"], stack["not_freed"]["blocks"]
    found.setdefault(bytes // blocks, []).append((names, blocks))
assert sum(n for _, n in found[1009]) == 50 and sum(n for _, n in found[3001]) == 33, found
assert 2003 not in found, found[2003]
for names, _ in found[1009]:
    priced = [i for i, n in enumerate(names) if "shop::Price>::price" in n]
    kept = [i for i, n in enumerate(names) if "Cart<" in n and n.endswith("keep_prices")]
    assert priced and kept and priced[0] < kept[0] < names.index("shop::main"), names
for names, _ in found[3001]:
    assert "shop::keep_behind" in names and "shop::descend" not in names, names
assert sum(n for names, n in found[3001] if "shop::main" in names) == 30, found[3001]
END
    done
}

run_tests
