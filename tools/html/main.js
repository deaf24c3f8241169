// Puts the parts together: a report, or a comparison of two.
function createTheme() {
    const button = document.getElementById("theme"), system = window.matchMedia("(prefers-color-scheme: dark)");
    const next = { auto: "light", light: "dark", dark: "auto" };
    let theme = "auto";
    function apply() {
        const isDark = theme === "auto" ? system.matches : theme === "dark";
        document.documentElement.setAttribute("data-theme", isDark ? "dark" : "light");
        button.textContent = "colours: " + theme;
    }
    button.addEventListener("click", () => {
        theme = next[theme];
        apply();
    });
    system.addEventListener("change", apply);
    apply();
}

// Findings begin with "* ", what to do about one with "- ", and what is indented below goes on with
// them. Lines with wide gaps are rows of a table: they stay as they are, together.
function showVerdict(text) {
    const body = show("verdict"), list = make("ul");
    let last = null, table = null;
    for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
        const item = line.match(/^ +[*-] (.*)/), isRow = / {2}/.test(line.trim());
        if (item !== null) {
            last = make("li", {}, item[1]);
            if (line.startsWith("    ") && list.lastChild !== null)
                list.lastChild.append(make("ul", {}, last));
            else
                list.append(last);
        } else if (!isRow && last !== null && table === null)
            last.append(" " + line.trim());
        else if (table !== null)
            table.append(line.replace(/^ {1,4}/, "") + "\n");
        if (item === null && isRow && table === null) {
            table = make("pre", {}, line.replace(/^ {1,4}/, "") + "\n");
            (list.lastChild || body).append(table);
        }
        if (item !== null)
            table = null;
    }
    body.append(list);
}

function describeProcess(report) {
    const process = report.process;
    const facts = ["process " + process.pid, formatTime(process.duration_ns), process.threads +
        (process.threads === 1 ? " thread" : " threads"), formatCount(report.events.events) + " events", process.end];
    if (!report.trace.complete)
        facts.push("not proven complete");
    return facts.join(" · ");
}

function showReport() {
    document.getElementById("title").textContent = data.title || "heap report";
    document.title = (data.title || "heap report") + " - mpress";
    document.getElementById("facts").textContent = describeProcess(data.report);
    showVerdict(data.verdict);
    data.moments.sort((a, b) => a.after_ns - b.after_ns);
    const showMoment = createMap(show("live"));
    const choose = createCourse(show("course"), showMoment);
    choose(data.moments.findIndex((moment) => moment.name === "peak"));
    createFlame(show("stacks"), data.measures.filter((measure) => tree[measure.name][0] > 0 || measure.name === "end"));
    if (data.maps.some((map) => map.cells.length !== 0))
        createHeapMap(show("map"));
    else if (data.report.trace.sample_period)
        showNoMap(show("map"));
    if (data.report.scaling !== null)
        createScaling(show("scaling"), data.report.scaling);
    if (data.report.stacks.allocations.some((group) => group.lives.length !== 0))
        createLives(show("lives"), data.report.stacks.allocations);
    if (data.report.callocs !== null && data.report.callocs.stacks.length !== 0)
        createUnwritten(show("unwritten"), data.report.callocs);
    if (data.report.flows.length !== 0)
        createFlows(show("flows"), data.report.flows, data.report.threads);
    createTabs("tables", listTabs(data.report));
    show("text").append(make("details", {}, make("summary", {}, "what mpress report prints"), make("pre", {}, data.text)));
}

createTheme();
if (data.report !== undefined)
    showReport();
else
    showComparison();
document.documentElement.setAttribute("data-ready", "");
