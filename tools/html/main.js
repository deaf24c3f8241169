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

// Findings begin with "* "; what is indented below one goes on with it. Other lines stay as they are.
function showVerdict(text) {
    const list = make("ul"), other = [];
    for (const line of text.split("\n")) {
        if (line.startsWith("  * "))
            list.append(make("li", {}, line.slice(4)));
        else if (/^ {4}\S/.test(line) && list.lastChild !== null && other.length === 0)
            list.lastChild.append(" " + line.trim());
        else if (line.trim() !== "")
            other.push(line);
    }
    const body = show("verdict");
    if (list.children.length !== 0)
        body.append(list);
    if (other.length !== 0)
        body.append(make("pre", {}, other.join("\n")));
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
    createTabs("tables", listTabs(data.report));
    show("text").append(make("details", {}, make("summary", {}, "what mpress report prints"), make("pre", {}, data.text)));
}

createTheme();
if (data.report !== undefined)
    showReport();
else
    showComparison();
document.documentElement.setAttribute("data-ready", "");
