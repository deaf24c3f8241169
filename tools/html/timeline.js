// The course of the memory: the parts of the resident heap above each other, the most that was asked
// for, the resident set, marks. Picks moments: `pick` is called with the number of one.
const LOOK = { time: 0, asked: 1, internal: 2, external: 3, cached: 4, dirty: 5, meta: 6, rss: 7 };
const PARTS = ["asked", "internal", "external", "cached", "dirty", "meta"];
const PART_NAMES = {
    asked: "asked for", internal: "internal: rounding up", external: "external: free in slabs",
    cached: "cached for threads", dirty: "dirty: not given back", meta: "bookkeeping",
};

function createCourse(box, pick) {
    const height = 240, left = 76, right = 12, top = 18, bottom = 24;
    const looks = data.looks, marks = data.report.marks, moments = data.moments;
    const duration = Math.max(1, data.report.process.duration_ns);
    const hasParts = looks.some((look) => look[LOOK.meta] !== 0);
    const most = Math.max(1, ...data.asked.most, ...looks.map((look) => look[LOOK.rss]),
        ...looks.map((look) => sumParts(look, PARTS.length)));
    const read = make("p", { class: "read", "aria-live": "polite" });
    const plot = draw("svg", {
        class: "plot", height, tabindex: 0, role: "slider", "aria-label": "moment of the run",
        "aria-valuemin": 0, "aria-valuemax": moments.length - 1,
    });
    let width = 800, picked = 0, cursor = null;

    function sumParts(look, parts) {
        let sum = 0;
        for (let i = 0; i < parts; i++)
            sum += look[LOOK.asked + i];
        return sum;
    }

    function x(time) {
        return left + (width - left - right) * Math.min(1, time / duration);
    }

    function y(bytes) {
        return top + (height - top - bottom) * (1 - bytes / most);
    }

    function join(points) {
        return points.map((point) => point[0].toFixed(1) + "," + point[1].toFixed(1)).join(" ");
    }

    function drawGrid() {
        const step = chooseStep(most, 5, 2);
        for (let bytes = 0; bytes <= most; bytes += step) {
            plot.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(bytes), y2: y(bytes) }),
                draw("text", { x: left - 6, y: y(bytes) + 4, "text-anchor": "end" }, formatBytes(bytes)));
        }
        const pause = chooseStep(duration, Math.max(2, (width - left) / 110), 10);
        for (let time = 0; time <= duration; time += pause) {
            const anchor = x(time) > width - 40 ? "end" : time === 0 ? "start" : "middle";
            plot.append(draw("text", { x: x(time), y: height - 6, "text-anchor": anchor }, formatTime(time)));
        }
    }

    function drawParts() {
        if (!hasParts)
            return;
        for (let part = PARTS.length; part-- > 0;) {
            const upper = looks.map((look) => [x(look[LOOK.time]), y(sumParts(look, part + 1))]);
            const lower = looks.map((look) => [x(look[LOOK.time]), y(sumParts(look, part))]);
            plot.append(draw("polygon", {
                points: join(upper.concat(lower.reverse())), fill: "var(--" + PARTS[part] + ")",
                "fill-opacity": part === 0 ? 0.35 : 0.9,
            }));
        }
    }

    function drawLines() {
        const asked = [];
        data.asked.most.forEach((bytes, i) => {
            asked.push([x(i * data.asked.step_ns), y(bytes)], [x((i + 1) * data.asked.step_ns), y(bytes)]);
        });
        plot.append(draw("polyline", { class: "most", points: join(asked) }));
        const rss = looks.filter((look) => look[LOOK.rss] !== 0);
        plot.append(draw("polyline", {
            class: "rss", points: join(rss.map((look) => [x(look[LOOK.time]), y(look[LOOK.rss])])),
        }));
    }

    // A name is left away where the one before it would run into it.
    function drawMarks() {
        let end = 0;
        for (const mark of marks) {
            const at = x(mark.after_ns);
            plot.append(draw("line", { class: "mark", x1: at, x2: at, y1: top, y2: height - bottom },
                draw("title", {}, mark.label)));
            const label = mark.label.length > 18 ? mark.label.slice(0, 17) + "…" : mark.label;
            const from = Math.min(at, width - right - label.length * 7);
            if (from < end)
                continue;
            plot.append(draw("text", { class: "mark-name", x: from, y: top - 5 }, label));
            end = from + label.length * 7 + 8;
        }
    }

    function drawCursor() {
        const at = x(moments[picked].after_ns);
        cursor.setAttribute("x1", at);
        cursor.setAttribute("x2", at);
    }

    function redraw() {
        width = Math.max(240, box.clientWidth);
        plot.setAttribute("width", width);
        plot.replaceChildren();
        drawGrid();
        drawParts();
        drawLines();
        drawMarks();
        cursor = draw("line", { class: "cursor", y1: top, y2: height - bottom });
        plot.append(cursor);
        drawCursor();
    }

    function choose(number) {
        picked = Math.max(0, Math.min(moments.length - 1, number));
        plot.setAttribute("aria-valuenow", picked);
        plot.setAttribute("aria-valuetext", "after " + formatTime(moments[picked].after_ns));
        if (cursor !== null)
            drawCursor();
        pick(picked);
    }

    function findTime(event) {
        const at = event.clientX - plot.getBoundingClientRect().left;
        return duration * Math.max(0, Math.min(1, (at - left) / (width - left - right)));
    }

    function sayAt(time) {
        const column = Math.min(data.asked.most.length - 1, Math.floor(time / data.asked.step_ns));
        let look = null;
        for (const one of looks) {
            if (look === null || one[LOOK.time] <= time)
                look = one;
        }
        read.textContent = "after " + formatTime(time) + ": " + formatBytes(data.asked.most[column] || 0) +
            " asked for" + (look !== null ? ", " + formatBytes(look[LOOK.rss]) + " resident" : "");
    }

    plot.addEventListener("pointermove", (event) => sayAt(findTime(event)));
    plot.addEventListener("click", (event) => {
        const time = findTime(event);
        let best = 0;
        moments.forEach((moment, i) => {
            if (moment.after_ns <= time)
                best = i;
        });
        choose(best);
    });
    plot.addEventListener("keydown", (event) => {
        const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10,
            Home: -moments.length, End: moments.length };
        if (steps[event.key] === undefined)
            return;
        event.preventDefault();
        choose(picked + steps[event.key]);
    });

    const legend = make("ul", { class: "legend" });
    for (const part of hasParts ? PARTS : ["asked"])
        legend.append(make("li", {}, make("i", { style: "background: var(--" + part + ")" }), PART_NAMES[part]));
    legend.append(make("li", {}, "- - resident set (RSS)"));
    box.append(plot, legend, read);
    redrawWithWidth(box, redraw);
    return choose;
}
