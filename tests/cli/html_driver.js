// Runs at the end of a page of html.sh: uses every view as a reader would, and says what it found.
(async function () {
    "use strict";
    const lines = [];
    const data = JSON.parse(document.getElementById("data").textContent);
    const all = (words) => Array.from(document.querySelectorAll(words));
    const one = (words) => document.querySelector(words);
    const settle = () => new Promise((done) => { setTimeout(done, 100); });
    const press = (element, key) =>
        element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    const click = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    const frames = () => all(".flame g");
    const readout = () => one("#stacks .read").textContent;

    function check(what, holds) {
        lines.push((holds ? "ok: " : "FAILED: ") + what);
    }

    const isFull = data.report !== undefined && data.report.stacks.at_peak.length !== 0 && data.report.scaling === null &&
        !data.report.trace.sample_period && data.title.startsWith("./app");
    const views = {
        page: async () => {
            check("the page got ready", document.documentElement.hasAttribute("data-ready"));
            check("nothing of the trace ran", !["1", "2"].includes(document.title));
            check("nothing of the trace is an element", all("img").length === 0);
            check("it is not wider than the window", document.documentElement.scrollWidth <= window.innerWidth);
        },
        theme: async () => {
            const back = () => getComputedStyle(document.body).backgroundColor;
            const seen = new Set([back()]);
            for (let i = 0; i < 2; i++) {
                click(one("#theme"));
                seen.add(back());
            }
            check("there is light and dark", seen.size === 2);
            click(one("#theme"));
            check("and what the system has", one("#theme").textContent.includes("auto"));
        },
    };
    const reportViews = {
        verdict: async () => {
            const findings = all("#verdict li").map((line) => line.textContent);
            check("the verdict is a list", findings.length >= 2);
            check("with the peak: " + findings.join("|"), findings.some((line) => line.startsWith("Peak: 164 KiB asked for")));
        },
        course: async () => {
            const plot = one(".plot");
            check("the course has parts, lines, and a cursor", plot.querySelectorAll("polygon").length === 6 &&
                plot.querySelectorAll("polyline").length === 2 && plot.querySelectorAll(".cursor").length === 1);
            check("it begins at the peak", one("#moment").textContent.startsWith("at the peak"));
            press(plot, "End");
            check("End picks the end", one("#moment").textContent.includes("7.00 KiB"));
            press(plot, "Home");
            const first = one("#moment").textContent;
            press(plot, "ArrowRight");
            check("an arrow goes on", one("#moment").textContent !== first);
            const box = plot.getBoundingClientRect();
            plot.dispatchEvent(new MouseEvent("click", { clientX: box.right - 1, bubbles: true }));
            check("a click at its end picks the end", one("#moment").textContent.includes("7.00 KiB"));
            plot.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - 20, bubbles: true }));
            check("the pointer reads values", /after .* asked for, .* resident/.test(one("#course .read").textContent));
        },
        live: async () => {
            const fields = () => all(".tree-map button");
            press(one(".plot"), "Home");
            for (let i = 0; i < data.moments.length && !one("#moment").textContent.startsWith("at the peak"); i++)
                press(one(".plot"), "ArrowRight");
            check("the map has fields", fields().length === 2);
            const area = (field) => field.offsetWidth * field.offsetHeight;
            const bud = fields().find((field) => field.title.startsWith("bud")), rest = fields().find((field) => field.classList.contains("rest"));
            check("areas are bytes", bud && rest && Math.abs(area(bud) / area(rest) / (100 / 64) - 1) < 0.1);
            click(bud);
            await settle();
            const steps = all(".way button").map((step) => step.textContent);
            check("the way up is told: " + steps.join(), steps[0] === "all" && steps.some((step) => step.includes("branch")));
            click(one(".way button"));
            check("and leads up", one("#live .read").textContent.startsWith("branch: 164 KiB") && fields().length === 2);
        },
        stacks: async () => {
            const select = one("#stacks select");
            const names = Array.from(select.options, (option) => option.value);
            check("all measures are there: " + names.join(), ["end", "peak", "allocations", "temporary"].every((name) => names.includes(name)));
            select.value = "peak";
            select.dispatchEvent(new Event("change"));
            check("five frames hold the peak", frames().length === 5 && readout().startsWith("all: 164 KiB"));
            const width = (frame) => Number(frame.querySelector("rect").getAttribute("width"));
            check("widths are shares", Math.abs(width(frames()[4]) / width(frames()[0]) - 100 / 164) < 0.01);
            click(frames()[4]);
            check("a click zooms", Math.abs(width(frames()[4]) - width(frames()[0])) < 1 && readout().startsWith("bud: 100 KiB, 61.0 %"));
            press(one(".flame svg"), "Escape");
            check("Escape shows all", readout().startsWith("all: "));
            for (let i = 0; i < 3; i++)
                press(one(".flame svg"), "ArrowDown");
            check("arrows walk", readout().startsWith("leaf: "));
            press(one(".flame svg"), "Enter");
            check("Enter zooms", all(".flame g.outer").length === 3);
            press(one(".flame svg"), "Escape");
            press(document.body, "/");
            check("/ searches", document.activeElement === one("#stacks input"));
            document.activeElement.value = "^LEAF|bud";
            document.activeElement.dispatchEvent(new Event("input"));
            check("what is found is told once: " + readout(), readout() === "2 functions match, under them 100 KiB, 61.0 %" && all("g.found").length === 2);
            document.activeElement.value = "(";
            document.activeElement.dispatchEvent(new Event("input"));
            check("no expression is told", readout() === "no regular expression: (");
            document.activeElement.value = "";
            document.activeElement.dispatchEvent(new Event("input"));
            click(all("#stacks button").find((button) => button.textContent === "turned over"));
            const second = frames().filter((frame) => frame.querySelector("rect").getAttribute("y") === "18");
            check("turned over, callees come first", second.map((frame) => frame.textContent).join() === "bud,branch");
            click(all("#stacks button").find((button) => button.textContent === "turned over"));
        },
        map: async () => {
            const canvas = one("#map canvas"), said = () => one("#map .read").textContent;
            check("maps of the peak and of the end", all("#map option").length === 2);
            check("pages are told: " + said(), /^\d+ pages hold blocks/.test(said()));
            const colours = () => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size;
            check("the map has colours", colours() > 3);
            press(canvas, "ArrowRight");
            check("arrows walk over it: " + said(), /^0x[0-9a-f]+: \d+ % of 16.0 KiB in use, blocks up to/.test(said()));
            click(one("#map button"));
            check("by size: " + one("#map .legend").textContent, one("#map .legend").textContent.includes("64 B"));
        },
        tables: async () => {
            const tabs = all("#tables [role=tab]"), names = tabs.map((tab) => tab.textContent);
            check("the tables: " + names.join(), ["not freed", "at peak", "allocations", "sizes", "lifetimes", "threads"].every((name) => names.includes(name)));
            click(tabs[names.indexOf("at peak")]);
            const first = () => one("#tables tbody tr td").textContent;
            check("largest first", first() === "100 KiB");
            click(one("#tables th button"));
            click(one("#tables th button"));
            check("a head sorts, and again the other way", first() === "64.0 KiB" && one("#tables th").getAttribute("aria-sort") === "ascending");
            check("stacks open", one("#tables details .mono").textContent.includes("branch"));
            press(tabs[names.indexOf("at peak")], "ArrowRight");
            check("arrows go to the next table", one("#tables [aria-selected=true]").textContent === names[names.indexOf("at peak") + 1]);
        },
        text: async () => {
            check("the text is all there", one("#text pre").textContent.includes("FRAGMENTATION"));
        },
    };
    const habitViews = {
        scaling: async () => {
            check("a dot for each mark, and the line", all(".scaling circle").length === 3 && all(".scaling .fit").length === 1);
            const said = () => one("#scaling .read").textContent;
            check("what an object costs: " + said(), /^(999\.\d|1000) B an object, and -?\d+ B whatever the count; R² 1.000 over 3 marks$/.test(said()));
            one(".scaling circle").dispatchEvent(new PointerEvent("pointerenter"));
            check("a dot tells: " + said(), /^100 objects, 97\.\d KiB held; the line says 97\.\d KiB$/.test(said()));
            check("and which stack does", all("#scaling tbody tr").length === 1);
        },
        lives: async () => {
            const rows = all("#lives tbody tr"), heads = all("#lives th").map((head) => head.textContent);
            check("a row for each stack, a column for each power: " + heads.join(), rows.length === 2 && heads.length >= 3);
            const heats = all("#lives .heat").map((cell) => cell.textContent);
            check("shares of what was freed: " + heats.join(), heats.includes("100 %"));
        },
        unwritten: async () => {
            const cells = all("#unwritten tbody td").map((cell) => cell.textContent);
            check("what nobody writes: " + cells.join(), cells.slice(0, 4).join() === "900 KiB,12.0 KiB,1.00 MiB,1" && cells[4].startsWith("branch"));
            check("and in all", one("#unwritten .read").textContent === "900 KiB of 1.00 MiB in 1 block");
        },
        flows: async () => {
            const said = () => one("#flows .read").textContent;
            check("one band, two bars: " + said(), all(".flows path").length === 1 && all(".flows rect").length === 2 && said() === "48.8 KiB in all");
            one(".flows path").dispatchEvent(new PointerEvent("pointerenter"));
            check("a band tells: " + said(), said() === "4711 maker → 4712 eater: 48.8 KiB in 50 blocks");
            check("bars are named", all(".flows text").map((text) => text.textContent).join() === "4711 maker,4712 eater");
        },
    };
    const comparisonViews = {
        comparison: async () => {
            const row = all("#metrics tr").find((line) => line.firstChild.textContent === "peak");
            check("the peak fell", row.textContent.includes("164 KiB132 KiB-32.0 KiB"));
            check("all is as wide as the larger of both", readout() === "all: -32.0 KiB (164 KiB before, 132 KiB after)");
            const fills = new Map(frames().map((frame) => [frame.textContent, frame.querySelector("rect").getAttribute("fill")]));
            check("what did not change has no colour", fills.get("bud") === "var(--same)");
            check("what is less is blue", fills.get("branch").startsWith("var(--less"));
            click(all("#stacks button").find((button) => button.textContent === "turned over"));
            check("turned over too", frames().some((frame) => frame.textContent === "branch"));
            const tabs = all("#tables [role=tab]").map((tab) => tab.textContent);
            check("tables by stack and size: " + tabs.join(), tabs.includes("less") && tabs.includes("sizes"));
            check("the change by stack", one("#tables td").textContent === "-32.0 KiB");
        },
    };
    const anyViews = {
        tabs: async () => {
            for (const tab of all("#tables [role=tab]")) {
                click(tab);
                check(tab.textContent + " has rows", all("#tables tbody tr").length > 0 && tab.getAttribute("aria-selected") === "true");
            }
            if (data.report !== undefined && data.report.trace.sample_period)
                check("that samples have no map is told", one("#map").textContent.includes("Not known: this is a trace of samples."));
            const names = all("#tables [role=tab]").map((tab) => tab.textContent);
            if (names.length !== 0)
                click(one("#tables [role=tab]"));
            if (data.report !== undefined && data.report.marks.length !== 0)
                check("stages and what grows: " + names.join(), names.includes("stages") && names.includes("growing"));
        },
    };
    Object.assign(views, anyViews);
    if (isFull)
        Object.assign(views, reportViews);
    if (data.report !== undefined && data.report.scaling !== null)
        Object.assign(views, habitViews);
    if (data.diff !== undefined && data.diff.stacks.less.length !== 0)
        Object.assign(views, comparisonViews);
    await settle();
    for (const [name, view] of Object.entries(views)) {
        try {
            await view();
        } catch (error) {
            check(name + ": " + error.stack, false);
        }
    }
    window.parent.postMessage(lines.join("\n") + "\ndone", "*");
})();
