// A comparison of two traces.
const METRIC_KINDS = {
    bytes: formatBytes, count: formatCount, ns: formatTime, share: (n) => (100 * n).toFixed(1) + " %",
};

function makeMetrics(metrics) {
    const rows = Object.entries(metrics).filter(([, one]) => one !== null && one.before !== null && one.after !== null &&
        (one.before !== 0 || one.after !== 0)).map(([name, one]) => ({ name, ...one, format: METRIC_KINDS[one.kind] }));
    return makeTable([
        { name: "", isText: true, get: (row) => row.name, show: (row) => row.name.replace(/_/g, " ") },
        { name: "before", get: (row) => row.before, show: (row) => row.format(row.before) },
        { name: "after", get: (row) => row.after, show: (row) => row.format(row.after) },
        { name: "change", get: (row) => row.after - row.before, show: (row) => makeChange(row.after - row.before, row.format) },
        { name: "in percent", get: (row) => (row.after - row.before) / (row.before || 1),
            show: (row) => row.before === 0 ? "" : (100 * (row.after - row.before) / row.before).toFixed(1) },
    ], rows);
}

function makePairs(pairs) {
    const format = (n) => formatAs(data.is_bytes, n);
    return makeTable([
        { name: "change", get: (row) => row.change, show: (row) => makeChange(row.change, format) },
        { name: "before", get: (row) => row.before.value, show: (row) => format(row.before.value) },
        { name: "after", get: (row) => row.after.value, show: (row) => format(row.after.value) },
        { name: "blocks", get: (row) => row.after.blocks - row.before.blocks,
            show: (row) => formatCount(row.before.blocks) + " → " + formatCount(row.after.blocks) },
        { name: "certain", get: (row) => row.certain, show: (row) => row.certain ? "yes" : "may be chance" },
        { name: "call stack", isText: true, get: (row) => row.frames[0],
            show: (row) => makeStack(row.frames.map((name) => ({ function: name, module: "" }))) },
    ], pairs);
}

function makeSizeChanges(sizes) {
    const change = (pair) => pair[1] - pair[0];
    return makeTable([
        { name: "up to", get: (row) => row.up_to, show: (row) => formatBytes(row.up_to) },
        { name: "allocations before", get: (row) => row.allocations[0] },
        { name: "after", get: (row) => row.allocations[1] },
        { name: "change", get: (row) => change(row.allocations), show: (row) => makeChange(change(row.allocations), formatCount) },
        { name: "at peak before", get: (row) => row.at_peak[0], show: (row) => formatBytes(row.at_peak[0]) },
        { name: "after", get: (row) => row.at_peak[1], show: (row) => formatBytes(row.at_peak[1]) },
        { name: "change", get: (row) => change(row.at_peak), show: (row) => makeChange(change(row.at_peak), formatBytes) },
    ], sizes);
}

function showComparison() {
    const diff = data.diff;
    document.getElementById("title").textContent = "comparison of heaps: " + data.measure;
    document.title = "comparison - mpress";
    document.getElementById("facts").textContent = "before: " + diff.before + " " + data.titles[0] +
        " · after: " + diff.after + " " + data.titles[1];
    show("metrics").append(makeMetrics(diff.metrics));
    createFlame(show("stacks"), [{ name: "change", title: data.measure, is_bytes: data.is_bytes }]);
    createTabs("tables", [
        { name: "more", rows: diff.stacks.more, make: () => makePairs(diff.stacks.more) },
        { name: "less", rows: diff.stacks.less, make: () => makePairs(diff.stacks.less) },
        { name: "sizes", rows: data.sizes, make: () => makeSizeChanges(data.sizes) },
    ]);
}
