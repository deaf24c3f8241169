// Zoom: a click on a frame makes it as wide as the picture. Search: frames whose name matches.
(function () {
    "use strict";
    const svg = document.documentElement;
    const frames = Array.from(svg.querySelectorAll("g[data-d]"), (element) => ({
        element,
        rect: element.querySelector("rect"),
        text: element.querySelector("text"),
        name: element.getAttribute("data-n"),
        title: element.querySelector("title").textContent,
        x: Number(element.getAttribute("data-x")),
        width: Number(element.getAttribute("data-w")),
        depth: Number(element.getAttribute("data-d")),
    }));
    const left = 10, whole = 1180, letter = 7.3;
    const info = svg.getElementById("info"), reset = svg.getElementById("reset");
    const search = svg.getElementById("search");
    const quiet = info.textContent;

    function place(frame, x, width) {
        const pixels = width * whole;
        frame.element.style.display = pixels < 0.3 ? "none" : "";
        frame.rect.setAttribute("x", left + x * whole);
        frame.rect.setAttribute("width", pixels);
        frame.text.setAttribute("x", left + x * whole + 3);
        const room = Math.floor((pixels - 4) / letter);
        frame.text.textContent = room < 3 ? ""
            : frame.name.length <= room ? frame.name : frame.name.slice(0, room - 2) + "..";
    }

    function zoom(to) {
        const end = to.x + to.width, least = 1e-9;
        for (const frame of frames) {
            const holds = frame.depth < to.depth && frame.x <= to.x + least &&
                frame.x + frame.width >= end - least;
            const within = frame.depth >= to.depth && frame.x >= to.x - least &&
                frame.x + frame.width <= end + least;
            frame.element.classList.toggle("outer", holds);
            if (holds)
                place(frame, 0, 1);
            else if (within)
                place(frame, (frame.x - to.x) / to.width, frame.width / to.width);
            else
                frame.element.style.display = "none";
        }
        reset.style.display = to.depth === 0 ? "none" : "";
    }

    // Frames below a found one are part of it: only the outermost count.
    function find(words) {
        let pattern = null;
        try {
            pattern = words ? new RegExp(words, "i") : null;
        } catch (error) {
            info.textContent = "no regular expression: " + words;
            return;
        }
        const found = frames.filter((frame) => pattern && pattern.test(frame.name));
        let sum = 0, end = -1;
        for (const frame of frames)
            frame.element.classList.toggle("found", found.includes(frame));
        for (const frame of found.sort((a, b) => a.x - b.x || a.depth - b.depth)) {
            if (frame.x + 1e-9 < end)
                continue;
            sum += frame.width;
            end = frame.x + frame.width;
        }
        info.textContent = pattern
            ? found.length + " frames match, with " + (100 * sum).toFixed(1) + " % of all" : quiet;
    }

    function ask() {
        find(window.prompt("Function (regular expression; empty: none)", "") || "");
    }

    for (const frame of frames) {
        frame.element.addEventListener("click", () => zoom(frame));
        frame.element.addEventListener("mouseover", () => { info.textContent = frame.title; });
    }
    reset.addEventListener("click", () => zoom(frames[0]));
    search.addEventListener("click", ask);
    window.addEventListener("keydown", (event) => {
        if (event.key === "Escape")
            zoom(frames[0]);
        else if (event.key === "/") {
            event.preventDefault();
            ask();
        }
    });
    svg.mpress = { zoom, find, frames };
    zoom(frames[0]);
})();
