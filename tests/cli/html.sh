#!/bin/bash
# mpress report --html, mpress diff --html: what is in the page, and what a browser makes of it.
. "$(dirname "$0")/check.sh"

driver=$(dirname "$(realpath "$0")")/html_driver.js
command -v chromium >/dev/null && has_browser=1

# The page with html_driver.js at its end, which tries every view and tells the page around it
# what it found, as "ok: ..." and "FAILED: ..." lines.
add_driver () { # no test: the blank keeps it out
    cat "$1" && echo "<script>" && cat "$driver" && echo "</script>"
}

# browse PAGE...: all in one browser, for it takes long to start; the first one once more at the
# width of a telephone.
browse () {
    local page pages=0
    {
        echo '<!DOCTYPE html><pre id="said"></pre><script>
window.onmessage = (event) => { document.getElementById("said").append(event.data + "\n"); };
</script>'
        for page; do
            add_driver "$page" >"driven_$page"
            echo "<iframe src=\"driven_$page\" width=1280 height=900 style=\"position: absolute; top: 0\"></iframe>"
            pages=$((pages + 1))
        done
        echo "<iframe src=\"driven_$1\" width=400 height=800 style=\"position: absolute; top: 0\"></iframe>"
    } >all.html
    run timeout 100 chromium --headless=new --no-sandbox --disable-gpu --disable-extensions \
        --user-data-dir="$folder/chromium" --virtual-time-budget=20000 --dump-dom "file://$PWD/all.html"
    sed -n '/<pre id="said">/,/<\/pre>/p' out >said
    ! grep FAILED said || fail "in the browser: $(grep FAILED said)"
    [ "$(grep -c '^done$' said)" -eq $((pages + 1)) ] || fail "the browser did not come to the end"
}

a_report_is_one_page_that_asks_nobody_for_anything() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --html -o t.html t.mpt
    expect_status 0
    [ ! -s out ] || fail "something on standard output"
    grep -q "default-src 'none'" t.html || fail "the page may reach the network"
    ! grep -E -o '(src|href)=|@import|url\(|fetch\(|https?://[^"]*' t.html |
        grep -v -x 'http://www.w3.org/2000/svg' || fail "the page names other files"
    [ "$(grep -c '^</html>$' t.html)" -eq 1 ] || fail "not whole"
    python3 - t.html >said 2>&1 <<'END' || fail "$(cat said)"
import json, re, sys
page = open(sys.argv[1]).read()
data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))
tree = data["tree"]
assert tree["parent"][0] == 0 and all(p < i for i, p in enumerate(tree["parent"]) if i)
assert (tree["end"][0], tree["peak"][0]) == (7168, 167936), tree
names = [tree["names"][n] for n in tree["name"][1:]]
assert names == ["trunk", "branch", "leaf", "bud"], names
peak = next(m for m in data["moments"] if m.get("name") == "peak")
assert peak["bytes"] == sum(peak["live"][1::2]) == 167936, peak
end = next(m for m in data["moments"] if m.get("name") == "end")
assert end["live"] == [4, 7168], end
assert max(m["bytes"] for m in data["moments"]) == 167936
assert data["report"]["schema"] == "mpress-report/1" and data["text"].startswith("HEAP REPORT")
END
}

texts_of_a_hostile_trace_are_no_markup() {
    "$MAKE_TRACE" hostile t.mpt
    run "$MPRESS" report --html -o t.html t.mpt
    expect_status 0
    [ "$(grep -c '<script' t.html)" -eq 2 ] || fail "a script of the trace"
    ! grep -q '<img' t.html || fail "markup of the trace"
}

every_view_works_in_a_browser() {
    for kind in leaky later hostile empty habits sampled; do
        "$MAKE_TRACE" $kind $kind.mpt
        run "$MPRESS" report --html -o $kind.html $kind.mpt
        expect_status 0
    done
    run "$MPRESS" diff --html -o diff.html leaky.mpt later.mpt
    expect_status 0
    run "$MPRESS" diff --html -o same.html empty.mpt empty.mpt
    expect_status 0
    pages="leaky.html hostile.html empty.html diff.html same.html habits.html sampled.html"
    if [ -n "$LIBRARY" ]; then # a program with marks, that grows
        run "$MPRESS" record -q --no-pack -o grows.mpt -- "$CYCLES" 1 50 2700
        run "$MPRESS" report --html -o grows.html grows.mpt
        expect_status 0
        pages="$pages grows.html"
    fi
    # shellcheck disable=SC2086 # names, to be split
    [ -z "${has_browser-}" ] || browse $pages
}

run_tests
[ -n "${has_browser-}" ] && exit 0
echo "skipped: the views were not tried, for there is no chromium here"
exit 77
