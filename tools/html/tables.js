// Tables whose columns sort by a click on their heads; one shown at a time.
// A column is {name, get(row), show(row)}: `get` is what is sorted by, `show` what is seen; a text
// column has isText, and `share(row)` draws a bar of 0..1 below the number.
function makeTable(columns, rows) {
    const body = make("tbody");
    const head = make("tr");
    let sorted = rows;

    function makeCell(column, row) {
        const shown = column.show ? column.show(row) : formatCount(column.get(row));
        const cell = make("td", column.isText ? { class: "text" } : column.share ? { class: "share" } : {}, shown);
        if (column.share)
            cell.append(make("i", { style: "width:" + (100 * Math.min(1, column.share(row) || 0)).toFixed(1) + "%" }));
        return cell;
    }

    function refill() {
        body.replaceChildren(...sorted.map((row) =>
            make("tr", {}, ...columns.map((column) => makeCell(column, row)))));
    }

    function sortBy(column, cell) {
        const falling = cell.getAttribute("aria-sort") !== "descending";
        for (const other of head.children)
            other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const sign = falling ? -1 : 1;
        sorted = rows.slice().sort((a, b) => {
            const one = column.get(a), other = column.get(b);
            return sign * (one < other ? -1 : one > other ? 1 : 0);
        });
        refill();
    }

    for (const column of columns) {
        const button = make("button", { type: "button" }, column.name);
        const cell = make("th", column.isText ? { class: "text", scope: "col" } : { scope: "col" }, button);
        button.addEventListener("click", () => sortBy(column, cell));
        head.append(cell);
    }
    refill();
    return make("div", { class: "wide" }, make("table", {}, make("thead", {}, head), body));
}

function makeChange(change, format) {
    const text = (change > 0 ? "+" : change < 0 ? "-" : "") + format(Math.abs(change));
    return make("span", { class: change > 0 ? "more" : change < 0 ? "less" : "" }, text);
}

// Lists as tabs: [{name, rows, make()}]; those without rows are left away.
function createTabs(id, all) {
    const tabs = all.filter((tab) => tab.rows.length !== 0);
    if (tabs.length === 0)
        return;
    const bar = make("div", { class: "bar", role: "tablist" });
    const panel = make("div", { role: "tabpanel", tabindex: 0 });
    const buttons = tabs.map((tab, i) => {
        const button = make("button", { type: "button", role: "tab", "aria-selected": "false" }, tab.name);
        button.addEventListener("click", () => choose(i));
        button.addEventListener("keydown", (event) => {
            const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
            if (step !== undefined)
                choose((i + step + tabs.length) % tabs.length).focus();
        });
        return button;
    });

    function choose(number) {
        buttons.forEach((button, i) => {
            button.setAttribute("aria-selected", String(i === number));
            button.tabIndex = i === number ? 0 : -1;
        });
        panel.replaceChildren(tabs[number].make());
        return buttons[number];
    }

    bar.append(...buttons);
    show(id).append(bar, panel);
    choose(0);
}

// The innermost functions of a stack; all its frames once it is opened.
function makeStack(frames) {
    const nameOf = (frame) => frame.function || frame.module + "+0x" + frame.offset.toString(16);
    if (frames.length === 0)
        return "(no call stack)";
    const known = frames.findIndex((frame) => frame.function);
    const first = nameOf(frames[0]) + (known > 0 ? ", under " + nameOf(frames[known])
        : frames.length > 1 ? ", by " + nameOf(frames[1]) : "");
    const details = make("details", {}, make("summary", {}, first));
    for (const frame of frames) {
        const place = frame.file ? frame.file + (frame.line ? ":" + frame.line : "") : frame.module;
        details.append(make("div", { class: "mono" }, nameOf(frame) + (frame.inlined ? " (inlined) " : " "),
            make("span", { class: "place" }, place)));
    }
    return details;
}

function makeGroups(list, get, isBytes, whole) {
    const column = (name, read, show) => ({ name, get: read, show: (row) => show(read(row)) });
    return makeTable([
        { name: isBytes ? "bytes" : "calls", get, show: (row) => formatAs(isBytes, get(row)), share: (row) => get(row) / whole },
        { name: "share", get, show: (row) => formatShare(get(row), whole) },
        column("blocks", (row) => row.not_freed.blocks, formatCount),
        column("at peak", (row) => row.at_peak.bytes, formatBytes),
        column("allocations", (row) => row.allocations, formatCount),
        column("temporary", (row) => row.temporary, formatCount),
        { name: "call stack", isText: true, get: (row) => row.frames.length === 0 ? "" : row.frames[0].function || "",
            show: (row) => makeStack(row.frames) },
    ], list);
}

function makeSizes(report) {
    const whole = report.events.allocs + report.events.reallocs;
    return makeTable([
        { name: "up to", get: (row) => row.up_to, show: (row) => formatBytes(row.up_to) },
        { name: "allocations", get: (row) => row.allocations, share: (row) => row.allocations / whole },
        { name: "share", get: (row) => row.allocations, show: (row) => formatShare(row.allocations, whole) },
        { name: "bytes in all", get: (row) => row.allocated_bytes, show: (row) => formatBytes(row.allocated_bytes) },
        { name: "at peak", get: (row) => row.at_peak.bytes, show: (row) => formatBytes(row.at_peak.bytes),
            share: (row) => row.at_peak.bytes / report.peak.bytes },
        { name: "not freed", get: (row) => row.not_freed.bytes, show: (row) => formatBytes(row.not_freed.bytes) },
    ], report.sizes);
}

function makeLifetimes(report) {
    const most = Math.max(1, ...report.lifetimes.map((row) => row.blocks));
    return makeTable([
        { name: "lived below", get: (row) => row.below_ns, show: (row) => formatTime(row.below_ns) },
        { name: "blocks", get: (row) => row.blocks, share: (row) => row.blocks / most },
        { name: "bytes", get: (row) => row.bytes, show: (row) => formatBytes(row.bytes) },
    ], report.lifetimes);
}

function makeThreads(report) {
    return makeTable([
        { name: "tid", get: (row) => row.tid, show: (row) => String(row.tid) },
        { name: "name", isText: true, get: (row) => row.name || "", show: (row) => row.name || "" },
        { name: "allocations", get: (row) => row.allocations },
        { name: "bytes", get: (row) => row.allocated_bytes, show: (row) => formatBytes(row.allocated_bytes) },
        { name: "frees", get: (row) => row.frees },
        { name: "of others' blocks", get: (row) => row.frees_of_other_threads_blocks },
        { name: "temporary", get: (row) => row.temporary },
        { name: "not freed", get: (row) => row.not_freed.bytes, show: (row) => formatBytes(row.not_freed.bytes) },
    ], report.threads);
}

function makeStages(stages) {
    return makeTable([
        { name: "up to", isText: true, get: (row) => row.after_ns, show: (row) => row.up_to },
        { name: "after", get: (row) => row.after_ns, show: (row) => formatTime(row.after_ns) },
        { name: "live", get: (row) => row.live, show: (row) => formatBytes(row.live) },
        { name: "change", get: (row) => row.change, show: (row) => makeChange(row.change, formatBytes) },
        { name: "kept", get: (row) => row.kept, show: (row) => formatBytes(row.kept) },
        { name: "resident", get: (row) => row.rss || 0, show: (row) => row.rss === undefined ? "" : formatBytes(row.rss) },
        { name: "lost", get: (row) => row.lost || 0, show: (row) => row.lost === undefined ? "" : formatBytes(row.lost) },
    ], stages);
}

function makeGrowing(growth) {
    return makeTable([
        { name: "bytes a cycle", get: (row) => row.bytes_a_cycle, show: (row) => formatBytes(row.bytes_a_cycle) },
        { name: "at least", get: (row) => row.bytes_a_cycle_low, show: (row) => formatBytes(row.bytes_a_cycle_low) },
        { name: "early", get: (row) => row.early_bytes, show: (row) => formatBytes(row.early_bytes) },
        { name: "late", get: (row) => row.late_bytes, show: (row) => formatBytes(row.late_bytes) },
        { name: "call stack", isText: true, get: (row) => row.frames.length === 0 ? "" : row.frames[0].function || "",
            show: (row) => makeStack(row.frames) },
    ], growth.stacks);
}

const RESIDENT = {
    heap: "heap", tracer: "tracer", mapped: "memory that the program mapped", files: "files that it mapped",
    shared: "shared memory", stacks: "stacks of threads", libraries: "executable and libraries",
    rest: "rest: of libc, or older than the trace", rss: "= resident set (RSS)",
};

function makeResident(report) {
    const { at_largest: largest, at_end: end } = report.resident;
    return makeTable([
        { name: "", isText: true, get: (row) => row.name, show: (row) => row.name },
        { name: "largest", get: (row) => row.largest, show: (row) => formatBytes(row.largest), share: (row) => row.largest / largest.rss },
        { name: "last", get: (row) => row.end, show: (row) => formatBytes(row.end), share: (row) => row.end / end.rss },
    ], Object.keys(RESIDENT).map((key) => ({ name: RESIDENT[key], largest: largest[key], end: end[key] })));
}

function listTabs(report) {
    const pinned = report.maps.find((map) => map.when === "largest") || { pins: [] };
    const stacks = report.stacks, lost = (row) => row.lost.bytes + row.lost_by_lost.bytes;
    return [
        { name: "not freed", rows: stacks.not_freed, make: () => makeGroups(stacks.not_freed, (row) => row.not_freed.bytes, true, report.not_freed.bytes) },
        { name: "lost", rows: stacks.lost, make: () => makeGroups(stacks.lost, lost, true, report.leaks.lost.bytes + report.leaks.lost_by_lost.bytes) },
        { name: "growing", rows: report.growth === null ? [] : report.growth.stacks, make: () => makeGrowing(report.growth) },
        { name: "at peak", rows: stacks.at_peak, make: () => makeGroups(stacks.at_peak, (row) => row.at_peak.bytes, true, report.peak.bytes) },
        { name: "allocations", rows: stacks.allocations, make: () => makeGroups(stacks.allocations, (row) => row.allocations, false, report.events.allocs + report.events.reallocs) },
        { name: "temporary", rows: stacks.temporary, make: () => makeGroups(stacks.temporary, (row) => row.temporary, false, report.events.temporary) },
        { name: "stages", rows: report.marks.length === 0 ? [] : report.stages, make: () => makeStages(report.stages) },
        { name: "sizes", rows: report.sizes, make: () => makeSizes(report) },
        { name: "lifetimes", rows: report.lifetimes, make: () => makeLifetimes(report) },
        { name: "threads", rows: report.threads, make: () => makeThreads(report) },
        { name: "what pins pages", rows: pinned.pins, make: () => makePins(pinned) },
        { name: "resident memory", rows: report.resident.at_largest && report.resident.at_end ? [1] : [], make: () => makeResident(report) },
    ];
}
