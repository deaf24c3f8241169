// The map of the heap: a square for each unit that holds a block, in the order of addresses; longer
// stretches without any are drawn short. Cells are [address, percent in use, n: blocks up to 2^n].
const USES = [["less than a quarter in use", "external"], ["to a half", "internal"], ["to three quarters", "cached"], ["more", "asked"]];
const SIZES = [["blocks up to 64 B", "asked", 6], ["256 B", "cached", 8], ["1 KiB", "internal", 10], ["4 KiB", "external", 12],
    ["16 KiB", "dirty", 14], ["64 KiB", "mark", 16], ["larger", "meta", Infinity]];

// Of samples there is none: report/map.c says why.
function showNoMap(box) {
    box.parentElement.querySelector(".hint").remove();
    box.append(make("p", {}, "Not known: this is a trace of samples. A sampled block is given pages of its own: where it lies says nothing " +
        "of the others. A trace of mpress record --mode full, or events (without call stacks), has a map."));
}

function unpackCells(map) {
    const cells = [];
    let address = map.first;
    for (let i = 0; i < map.cells.length; i += 3) {
        const step = map.cells[i];
        for (let k = 1; k < Math.min(step, 4); k++)
            cells.push(null);
        address += step * map.cell_bytes;
        cells.push([address, map.cells[i + 1], map.cells[i + 2]]);
    }
    return cells;
}

function nameMap(map) {
    const what = { largest: "when most was resident", end: "at the end", mark: "mark " + map.label }[map.when];
    return what + ", after " + formatTime(map.after_ns);
}

function createHeapMap(box) {
    const side = 11, maps = data.report.maps;
    const select = make("select", { "aria-label": "moment of the map" });
    maps.forEach((map, i) => select.append(make("option", { value: i }, nameMap(map))));
    select.value = String(Math.max(0, maps.findIndex((map) => map.when === "largest")));
    const turn = make("button", { type: "button", "aria-pressed": "false" }, "by size");
    const canvas = make("canvas", { class: "cells", tabindex: 0, role: "application", "aria-label": "map of the heap" });
    const legend = make("ul", { class: "legend" });
    const read = make("p", { class: "read mono", "aria-live": "polite" });
    let cells = [], across = 1, here = 0;

    function isBySize() {
        return turn.getAttribute("aria-pressed") === "true";
    }

    function choosePart(cell) {
        return isBySize() ? SIZES.find((size) => cell[2] <= size[2])[1] : USES[Math.min(3, Math.floor(cell[1] / 25))][1];
    }

    function redraw() {
        const style = getComputedStyle(document.documentElement), scale = window.devicePixelRatio || 1;
        const colours = new Map();
        const find = (name) => {
            if (!colours.has(name))
                colours.set(name, style.getPropertyValue("--" + name));
            return colours.get(name);
        };
        across = Math.max(1, Math.floor(box.clientWidth / side));
        const height = Math.max(1, Math.ceil(cells.length / across)) * side;
        canvas.width = across * side * scale;
        canvas.height = height * scale;
        canvas.style.width = across * side + "px";
        canvas.style.height = height + "px";
        const pen = canvas.getContext("2d");
        pen.scale(scale, scale);
        cells.forEach((cell, i) => {
            const x = i % across * side, y = Math.floor(i / across) * side;
            pen.fillStyle = cell === null ? find("box") : find(choosePart(cell));
            pen.fillRect(x, y, side - 1, side - 1);
            if (i === here && document.activeElement === canvas) {
                pen.strokeStyle = find("ink");
                pen.lineWidth = 2;
                pen.strokeRect(x + 1, y + 1, side - 3, side - 3);
            }
        });
        legend.replaceChildren(...(isBySize() ? SIZES : USES).map(([name, part]) =>
            make("li", {}, make("i", { style: "background: var(--" + part + ")" }), name)));
    }

    function say(cell) {
        const map = maps[Number(select.value)], bytes = data.maps[Number(select.value)].cell_bytes;
        const quarter = map.quarters.reduce((sum, one) => sum + one.pages, 0);
        read.textContent = cell ? "0x" + cell[0].toString(16) + ": " + cell[1] + " % of " + formatBytes(bytes) +
            " in use, blocks up to " + formatBytes(2 ** cell[2])
            : formatCount(quarter) + " pages hold blocks; " + formatBytes(map.pinned) + " not in use in pages less than a quarter full" +
                (map.unknown ? "; " + formatBytes(map.unknown) + " of " + formatBytes(map.in_use) + " in use are not on this map" : "");
    }

    function restart() {
        cells = unpackCells(data.maps[Number(select.value)]);
        here = 0;
        redraw();
        say(null);
    }

    canvas.addEventListener("pointermove", (event) => {
        const at = canvas.getBoundingClientRect();
        say(cells[Math.floor((event.clientY - at.top) / side) * across + Math.floor((event.clientX - at.left) / side)]);
    });
    canvas.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
        if (step === undefined)
            return;
        event.preventDefault();
        here = Math.max(0, Math.min(cells.length - 1, here + step));
        redraw();
        say(cells[here]);
    });
    for (const event of ["focus", "blur"])
        canvas.addEventListener(event, redraw);
    select.addEventListener("change", restart);
    turn.addEventListener("click", () => {
        turn.setAttribute("aria-pressed", String(!isBySize()));
        redraw();
    });
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    box.append(make("div", { class: "bar" }, select, turn), canvas, legend, read);
    restart();
    redrawWithWidth(box, redraw);
}

function makePins(map) {
    return makeTable([
        { name: "pinned", get: (row) => row.pinned, show: (row) => formatBytes(row.pinned), share: (row) => row.pinned / map.pinned },
        { name: "share", get: (row) => row.pinned, show: (row) => formatShare(row.pinned, map.pinned) },
        { name: "blocks", get: (row) => row.blocks },
        { name: "bytes of these", get: (row) => row.bytes, show: (row) => formatBytes(row.bytes) },
        { name: "call stack", isText: true, get: (row) => row.frames.length === 0 ? "" : row.frames[0].function || "",
            show: (row) => makeStack(row.frames) },
    ], map.pins);
}
