// The flame graph of all call stacks, from the callers or, turned over, from the callees.
// A node is {name, value, before, after, depth, up, branch or parts}; its children are made when they
// are drawn: turned over, all of them together can be many times the tree.
const tree = data.tree;
tree.children = tree.parent.map(() => []);
tree.parent.forEach((parent, branch) => {
    if (branch !== 0)
        tree.children[parent].push(branch);
});

// What is in a branch itself, not in what it calls.
function findOwn(column) {
    const own = column.slice();
    column.forEach((value, branch) => {
        if (branch !== 0)
            own[tree.parent[branch]] -= value;
    });
    return own;
}

function sumUp(own) {
    const sum = own.slice();
    for (let branch = sum.length; branch-- > 1;)
        sum[tree.parent[branch]] += sum[branch];
    return sum;
}

// In a comparison a stack is as wide as the larger of both.
function readColumns(measure) {
    if (measure !== "change")
        return { value: tree[measure], own: findOwn(tree[measure]) };
    const before = findOwn(tree.before), after = findOwn(tree.after);
    const own = before.map((value, branch) => Math.max(value, after[branch]));
    return { value: sumUp(own), own, before: tree.before, after: tree.after, ownBefore: before, ownAfter: after };
}

function makeRoot(columns, inverted) {
    const root = { name: "all", number: -1, depth: 0, up: null, value: columns.value[0] };
    if (columns.before !== undefined)
        Object.assign(root, { before: columns.before[0], after: columns.after[0] });
    if (!inverted)
        return Object.assign(root, { branch: 0 });
    const parts = [];
    columns.own.forEach((own, branch) => {
        if (own > 0 && branch !== 0)
            parts.push([branch, branch]);
    });
    return Object.assign(root, { parts });
}

function findCalled(columns, node) {
    return tree.children[node.branch].filter((branch) => columns.value[branch] > 0).map((branch) => ({
        name: tree.names[tree.name[branch]], number: tree.name[branch], branch, value: columns.value[branch],
        before: columns.before && columns.before[branch], after: columns.after && columns.after[branch],
    }));
}

// Parts are pairs: where a stack ends, and the branch that comes next. A stack may have gone on in
// branches that were too small for the page.
const isCut = new Set(tree.cut);
function findCallers(columns, node) {
    const found = new Map();
    for (const [end, at] of node.parts) {
        const isSmall = node.depth === 0 && isCut.has(end);
        if (at === 0)
            continue;
        const number = isSmall ? -2 : tree.name[at];
        if (!found.has(number)) {
            found.set(number, { name: isSmall ? "(smaller stacks)" : tree.names[number], number, parts: [], value: 0 });
            if (columns.before !== undefined)
                Object.assign(found.get(number), { before: 0, after: 0 });
        }
        const one = found.get(number);
        one.parts.push([end, isSmall ? at : tree.parent[at]]);
        one.value += columns.own[end];
        if (columns.before !== undefined) {
            one.before += columns.ownBefore[end];
            one.after += columns.ownAfter[end];
        }
    }
    return Array.from(found.values());
}

function findChildren(columns, node) {
    if (node.children !== undefined)
        return node.children;
    const children = node.branch !== undefined ? findCalled(columns, node) : findCallers(columns, node);
    for (const child of children)
        Object.assign(child, { up: node, depth: node.depth + 1 });
    node.children = children.sort((a, b) => b.value - a.value || a.number - b.number);
    return node.children;
}

// A share of 1 is all: grown from nothing, or gone.
function chooseChange(node) {
    const share = (node.after - node.before) / Math.max(node.after, node.before, 1);
    const level = Math.abs(share) < 0.01 ? 0 : Math.abs(share) < 0.1 ? 1 : Math.abs(share) < 0.4 ? 2 : 3;
    return level === 0 ? "var(--same)" : "var(--" + (share > 0 ? "more" : "less") + level + ")";
}

function createFlame(box, measures) {
    const row = 18, letter = 7.3, least = 0.8;
    const select = make("select", { "aria-label": "measure" });
    for (const measure of measures)
        select.append(make("option", { value: measure.name }, measure.title));
    const turn = make("button", { type: "button", "aria-pressed": "false" }, "turned over");
    const search = make("input", { type: "search", placeholder: "search (/)", "aria-label": "search functions" });
    const reset = make("button", { type: "button", hidden: "" }, "show all (Esc)");
    const read = make("p", { class: "read mono", "aria-live": "polite" });
    const svg = draw("svg", { tabindex: 0, role: "application", "aria-label": "flame graph" });
    const frame = make("div", { class: "flame" }, svg);
    let columns, root, zoomed, here, shown = [], pattern = null, width = 800;

    function isBytes() {
        return measures[select.selectedIndex].is_bytes;
    }

    function describe(node) {
        const value = (n) => formatAs(isBytes(), n);
        if (node.before === undefined)
            return node.name + ": " + value(node.value) + ", " + formatShare(node.value, root.value);
        const change = node.after - node.before;
        return node.name + ": " + (change > 0 ? "+" : "") + value(change) + " (" + value(node.before) +
            " before, " + value(node.after) + " after)";
    }

    // All frames that are wide enough, as [node, x, width].
    function lay(node, x, wide, list) {
        list.push([node, x, wide]);
        for (const child of findChildren(columns, node)) {
            const share = wide * child.value / node.value;
            if (share < least)
                break;
            lay(child, x, share, list);
            x += share;
        }
        return list;
    }

    function makeFrame([node, x, wide], i) {
        const room = Math.floor((wide - 6) / letter);
        const label = room < 3 ? "" : node.name.length <= room ? node.name : node.name.slice(0, room - 2) + "..";
        const outer = node.depth < zoomed.depth;
        const group = draw("g", { "data-i": i, class: outer ? "outer" : "" },
            draw("rect", { x: x.toFixed(1), y: node.depth * row, width: Math.max(0.5, wide).toFixed(1), height: row - 1,
                fill: node.before !== undefined ? chooseChange(node) : chooseHue(node.number) }));
        if (label !== "")
            group.append(draw("text", { x: (x + 3).toFixed(1), y: node.depth * row + row - 5 }, label));
        if (pattern !== null && pattern.test(node.name))
            group.classList.add("found");
        if (node === here)
            group.classList.add("here");
        return group;
    }

    function redraw() {
        width = Math.max(200, box.clientWidth - 2);
        shown = [];
        svg.replaceChildren();
        if (root.value === 0) {
            svg.setAttribute("height", 2 * row);
            svg.append(draw("text", { x: 8, y: row + 4 }, "nothing of this kind in the trace"));
            return;
        }
        for (let node = zoomed.up; node !== null; node = node.up)
            shown.unshift([node, 0, width]);
        shown = lay(zoomed, 0, width, shown);
        svg.setAttribute("width", width);
        svg.setAttribute("height", row * (1 + shown.reduce((deepest, one) => Math.max(deepest, one[0].depth), 0)));
        svg.append(...shown.map(makeFrame));
        reset.hidden = zoomed === root;
    }

    function sayHere() {
        read.textContent = root.value === 0 ? "" : describe(here);
    }

    function zoom(node) {
        zoomed = here = node;
        redraw();
        sayHere();
    }

    function restart() {
        columns = readColumns(select.value);
        root = makeRoot(columns, turn.getAttribute("aria-pressed") === "true");
        zoom(root);
    }

    // Frames below a found one are part of it: only the outermost count.
    function sayFound() {
        let found = 0, sum = 0;
        const within = tree.parent.map(() => false);
        const matches = tree.names.map((name) => pattern.test(name));
        for (let branch = 1; branch < within.length; branch++) {
            const match = matches[tree.name[branch]];
            if (match && !within[tree.parent[branch]])
                sum += columns.value[branch];
            within[branch] = within[tree.parent[branch]] || match;
        }
        matches.forEach((match) => { found += match; });
        read.textContent = found + (found === 1 ? " function matches" : " functions match") + ", under " +
            (found === 1 ? "it " : "them ") + formatAs(isBytes(), sum) + ", " + formatShare(sum, root.value);
    }

    function find() {
        try {
            pattern = search.value === "" ? null : new RegExp(search.value, "i");
        } catch (error) {
            read.textContent = "no regular expression: " + search.value;
            return;
        }
        redraw();
        if (pattern !== null)
            sayFound();
        else
            sayHere();
    }

    function walk(key) {
        const siblings = here.up === null ? [here] : findChildren(columns, here.up);
        const at = siblings.indexOf(here);
        const next = key === "ArrowUp" ? here.up : key === "ArrowDown" ? findChildren(columns, here)[0]
            : siblings[at + (key === "ArrowRight" ? 1 : -1)];
        if (next === undefined || next === null)
            return;
        here = next;
        if (here.depth < zoomed.depth)
            zoomed = here;
        redraw();
        sayHere();
        frame.scrollTop = Math.min(frame.scrollTop, here.depth * row);
        if ((here.depth + 1) * row > frame.scrollTop + frame.clientHeight)
            frame.scrollTop = (here.depth + 1) * row - frame.clientHeight;
    }

    function findNode(event) {
        const group = event.target.closest("g[data-i]");
        return group === null ? null : shown[Number(group.getAttribute("data-i"))][0];
    }

    svg.addEventListener("click", (event) => {
        const node = findNode(event);
        if (node !== null)
            zoom(node);
    });
    svg.addEventListener("pointerover", (event) => {
        const node = findNode(event);
        if (node !== null)
            read.textContent = describe(node);
    });
    svg.addEventListener("keydown", (event) => {
        if (event.key.startsWith("Arrow")) {
            event.preventDefault();
            walk(event.key);
        } else if (event.key === "Enter")
            zoom(here);
    });
    box.addEventListener("keydown", (event) => {
        if (event.key === "Escape")
            zoom(root);
    });
    document.addEventListener("keydown", (event) => {
        if (event.key !== "/" || event.target.matches("input, select"))
            return;
        event.preventDefault();
        search.focus();
    });
    turn.addEventListener("click", () => {
        turn.setAttribute("aria-pressed", String(turn.getAttribute("aria-pressed") !== "true"));
        restart();
    });
    select.addEventListener("change", restart);
    search.addEventListener("input", find);
    reset.addEventListener("click", () => zoom(root));
    select.hidden = measures.length < 2;
    box.append(make("div", { class: "bar" }, select, turn, search, reset), read, frame);
    restart();
    redrawWithWidth(box, redraw);
}
