// Habits: what an object costs, how long the blocks of a call stack live, what nobody touches, who frees whose blocks.

// The line through the marks with count=, and the marks: bytes held against objects.
function createScaling(box, scaling) {
    const height = 260, left = 76, right = 16, top = 10, bottom = 26;
    const points = scaling.points;
    const mostCount = Math.max(...points.map((point) => point.count));
    const at = (count) => scaling.fixed_bytes + scaling.bytes_an_object * count;
    const mostBytes = Math.max(1, ...points.map((point) => point.bytes), at(mostCount));
    const read = make("p", { class: "read" }, formatEach(scaling) + " over " + points.length + " marks");
    const plot = draw("svg", { class: "scaling", height, role: "img", "aria-label": "bytes held against objects" });

    function redraw() {
        const width = Math.min(900, Math.max(240, box.clientWidth));
        const x = (count) => left + (width - left - right) * count / mostCount;
        const y = (bytes) => top + (height - top - bottom) * (1 - Math.max(0, bytes) / mostBytes);
        plot.setAttribute("width", width);
        plot.replaceChildren();
        const step = chooseStep(mostBytes, 5, 2);
        for (let bytes = 0; bytes <= mostBytes; bytes += step) {
            plot.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(bytes), y2: y(bytes) }),
                draw("text", { x: left - 6, y: y(bytes) + 4, "text-anchor": "end" }, formatBytes(bytes)));
        }
        const pace = chooseStep(mostCount, 6, 10);
        for (let count = 0; count <= mostCount; count += pace) {
            plot.append(draw("text", {
                x: x(count), y: height - 6, "text-anchor": count + pace > mostCount ? "end" : count === 0 ? "start" : "middle",
            }, formatCount(count)));
        }
        plot.append(draw("line", { class: "fit", x1: x(0), y1: y(at(0)), x2: x(mostCount), y2: y(at(mostCount)) }));
        for (const point of points) {
            const dot = draw("circle", { cx: x(point.count), cy: y(point.bytes), r: 4 },
                draw("title", {}, formatCount(point.count) + " objects, " + formatBytes(point.bytes)));
            dot.addEventListener("pointerenter", () => {
                read.textContent = formatCount(point.count) + " objects, " + formatBytes(point.bytes) + " held; the line says " +
                    formatBytes(at(point.count));
            });
            plot.append(dot);
        }
    }

    box.append(plot, read);
    redrawWithWidth(box, redraw);
    if (scaling.stacks.length !== 0)
        box.append(makeScaling(scaling));
}

function formatEach(line) {
    const each = line.bytes_an_object < 1024 ? Number(line.bytes_an_object.toFixed(1)) + " B" : formatBytes(line.bytes_an_object);
    return each + " an object, and " + formatBytes(line.fixed_bytes) + " whatever the count; R² " + line.r2.toFixed(3);
}

function makeScaling(scaling) {
    return makeTable([
        { name: "bytes an object", get: (row) => row.bytes_an_object, show: (row) => row.bytes_an_object.toFixed(1),
            share: (row) => row.bytes_an_object / scaling.bytes_an_object },
        { name: "fixed", get: (row) => row.fixed_bytes, show: (row) => formatBytes(row.fixed_bytes) },
        { name: "R²", get: (row) => row.r2, show: (row) => row.r2.toFixed(3) },
        { name: "call stack", isText: true, get: (row) => row.frames.length === 0 ? "" : row.frames[0].function || "",
            show: (row) => makeStack(row.frames) },
    ], scaling.stacks);
}

// A row for each call stack, a column for each power of ten; the fuller, the darker.
function createLives(box, groups) {
    const limits = Array.from(new Set(groups.flatMap((group) => group.lives.map((life) => life.below_ns)))).sort((a, b) => a - b);
    const rows = groups.filter((group) => group.lives.length !== 0);
    const freed = (group) => group.lives.reduce((sum, life) => sum + life.blocks, 0);
    const columns = limits.map((limit) => ({
        name: "< " + formatTime(limit),
        get: (group) => (group.lives.find((life) => life.below_ns === limit) || { blocks: 0 }).blocks / freed(group),
        show: (group) => {
            const part = (group.lives.find((life) => life.below_ns === limit) || { blocks: 0 }).blocks;
            const share = part / freed(group);
            const text = part === 0 ? "" : share < 0.005 ? "·" : Math.round(100 * share) + " %";
            return make("span", { class: "heat", style: "--heat:" + Math.round(100 * share) + "%", title: formatCount(part) + " blocks" }, text);
        },
    }));
    box.append(makeTable([
        { name: "freed", get: freed }, ...columns,
        { name: "call stack", isText: true, get: (row) => row.frames.length === 0 ? "" : row.frames[0].function || "",
            show: (row) => makeStack(row.frames) },
    ], rows));
}

// What calloc handed out, by call stack, and how much of it was never touched.
function createUnwritten(box, unwritten) {
    box.append(make("p", { class: "read" }, formatBytes(unwritten.untouched_bytes) + " of " + formatBytes(unwritten.looked_at_bytes) +
        " in " + formatCount(unwritten.looked_at) + (unwritten.looked_at === 1 ? " block" : " blocks")), makeTable([
        { name: "never touched", get: (row) => row.untouched_bytes, show: (row) => formatBytes(row.untouched_bytes),
            share: (row) => row.untouched_bytes / unwritten.untouched_bytes },
        { name: "zeros", get: (row) => row.zero_bytes, show: (row) => formatBytes(row.zero_bytes) },
        { name: "of", get: (row) => row.looked_at_bytes, show: (row) => formatBytes(row.looked_at_bytes) },
        { name: "blocks", get: (row) => row.looked_at },
        { name: "call stack", isText: true, get: (row) => row.frames.length === 0 ? "" : row.frames[0].function || "",
            show: (row) => makeStack(row.frames) },
    ], unwritten.stacks));
}

// Threads that allocated on the left, those that freed on the right, a band of bytes between them.
function createFlows(box, flows, threads) {
    const most = 24, bar = 12, gap = 8, hues = ["asked", "internal", "cached", "dirty", "external", "mark", "meta"];
    const shown = flows.slice(0, most), weigh = (flow) => Math.max(1, flow.bytes);
    const whole = shown.reduce((sum, flow) => sum + weigh(flow), 0);
    const names = new Map(threads.map((thread) => [thread.tid, thread.tid + (thread.name ? " " + thread.name : "")]));
    const nameOf = (tid) => names.get(tid) || String(tid);
    const read = make("p", { class: "read", "aria-live": "polite" }, formatBytes(flows.reduce((sum, flow) => sum + flow.bytes, 0)) +
        " in all" + (flows.length > most ? "; drawn are the " + most + " largest" : ""));
    const plot = draw("svg", { class: "flows", role: "group", "aria-label": "bytes from thread to thread" });

    // The bars of one side, largest first; bands fill them from above.
    function stack(key, height) {
        const bars = new Map();
        for (const flow of shown)
            bars.set(flow[key], { tid: flow[key], sum: ((bars.get(flow[key]) || {}).sum || 0) + weigh(flow), used: 0 });
        const sorted = Array.from(bars.values()).sort((a, b) => b.sum - a.sum);
        const scale = (height - gap * (most - 1)) / whole;
        let y = 0;
        for (const one of sorted) {
            Object.assign(one, { y, tall: one.sum * scale });
            y += one.tall + gap;
        }
        return { bars, scale, height: y };
    }

    function drawBar(one, x, textX, anchor, hue) {
        const name = nameOf(one.tid);
        plot.append(draw("rect", { x, y: one.y, width: bar, height: Math.max(1, one.tall), fill: hue }),
            draw("text", { x: textX, y: one.y + Math.max(9, one.tall / 2 + 4), "text-anchor": anchor },
                name.length > 22 ? name.slice(0, 21) + "…" : name));
    }

    function drawBand(flow, from, to, x, scale, hue) {
        const tall = Math.max(1, weigh(flow) * scale), middle = (x[0] + x[1]) / 2;
        const [a, b] = [from.y + from.used, to.y + to.used];
        from.used += weigh(flow) * scale;
        to.used += weigh(flow) * scale;
        const text = nameOf(flow.allocated_by) + " → " + nameOf(flow.freed_by) + ": " + formatBytes(flow.bytes) + " in " +
            formatCount(flow.blocks) + (flow.blocks === 1 ? " block" : " blocks");
        const band = draw("path", {
            d: "M" + [x[0], a] + "C" + [middle, a, middle, b, x[1], b] + "V" + (b + tall) +
                "C" + [middle, b + tall, middle, a + tall, x[0], a + tall] + "Z",
            fill: hue, tabindex: 0, "aria-label": text,
        }, draw("title", {}, text));
        for (const event of ["pointerenter", "focus"])
            band.addEventListener(event, () => { read.textContent = text; });
        plot.append(band);
    }

    function redraw() {
        const width = Math.min(900, Math.max(240, box.clientWidth)), label = Math.min(180, width / 3);
        const from = stack("allocated_by", 420), to = stack("freed_by", 420);
        const x = [label + bar, width - label - bar];
        const hueOf = new Map(Array.from(from.bars.values(), (one, i) => [one.tid, "var(--" + hues[i % hues.length] + ")"]));
        plot.setAttribute("width", width);
        plot.setAttribute("height", Math.max(from.height, to.height, 20) + 6);
        plot.replaceChildren();
        for (const flow of shown)
            drawBand(flow, from.bars.get(flow.allocated_by), to.bars.get(flow.freed_by), x, from.scale, hueOf.get(flow.allocated_by));
        for (const one of from.bars.values())
            drawBar(one, label, label - 6, "end", hueOf.get(one.tid));
        for (const one of to.bars.values())
            drawBar(one, x[1], x[1] + bar + 6, "start", hueOf.get(one.tid) || "var(--meta)");
    }

    box.append(plot, make("p", { class: "hint" }, "allocated on the left, freed on the right"), read);
    redrawWithWidth(box, redraw);
}
