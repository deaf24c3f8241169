// What all parts share: the data, elements, numbers as people read them.
// Texts of the trace become text nodes, or attributes that are no script; nothing is ever parsed as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    for (const child of children)
        element.append(child);
    return element;
}

function make(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

// The body of a section, which appears with that.
function show(id) {
    const section = document.getElementById(id);
    section.hidden = false;
    return section.querySelector(".body");
}

function formatCount(n) {
    return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

function formatBytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let value = Math.abs(n), unit = 0;
    for (; value >= 1024 && unit + 1 < units.length; unit++)
        value /= 1024;
    const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return (n < 0 ? "-" : "") + value.toFixed(digits) + " " + units[unit];
}

function formatTime(ns) {
    const units = [["ns", 1], ["us", 1e3], ["ms", 1e6], ["s", 1e9]];
    if (ns >= 120e9) {
        const seconds = Math.round(ns / 1e9), hours = Math.floor(seconds / 3600);
        const minutes = Math.floor(seconds / 60) % 60;
        return hours > 0 ? hours + " h " + String(minutes).padStart(2, "0") + " min"
            : minutes + " min " + String(seconds % 60).padStart(2, "0") + " s";
    }
    const [unit, size] = units.filter((one) => ns >= one[1]).pop() || units[0];
    return String(Number((ns / size).toPrecision(3))) + " " + unit;
}

function formatShare(part, whole) {
    return whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "-";
}

function formatAs(isBytes, n) {
    return isBytes ? formatBytes(n) : formatCount(n);
}

// The same colour for the same name, everywhere.
function chooseHue(number) {
    return "var(--h" + (Math.imul(number + 1, 2654435761) >>> 16) % 8 + ")";
}

// Calls `redraw` now, and whenever its box has another width.
function redrawWithWidth(box, redraw) {
    let width = box.clientWidth;
    redraw();
    new ResizeObserver(() => {
        if (box.clientWidth === width)
            return;
        width = box.clientWidth;
        redraw();
    }).observe(box);
}

// Round distances for an axis, at most `most` of them.
function chooseStep(whole, most, base) {
    let step = base === 2 ? 1 : 1e-3;
    const factors = base === 2 ? [2] : [2, 2.5, 2];
    for (let i = 0; whole / step > most; i++)
        step *= factors[i % factors.length];
    return step;
}
