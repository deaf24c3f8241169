// What was alive at a moment, as fields whose areas are bytes: squarified (Bruls, Huizing, van Wijk
// 2000). A field is a branch of the tree of callers; one that only calls one other stands for that.
function growMap(moment) {
    const node = new Map();
    const get = (branch) => {
        if (!node.has(branch))
            node.set(branch, { branch, value: 0, children: [] });
        return node.get(branch);
    };
    get(0);
    for (let i = 0; i < moment.live.length; i += 2) {
        const bytes = moment.live[i + 1];
        let child = null;
        for (let branch = moment.live[i]; ; branch = tree.parent[branch]) {
            const isNew = !node.has(branch);
            const one = get(branch);
            one.value += bytes;
            if (child !== null)
                one.children.push(child);
            child = isNew && branch !== 0 ? one : null;
            if (branch === 0)
                break;
        }
    }
    return node.get(0);
}

// Goes down where there is one way only.
function skipChain(node) {
    while (node.children.length === 1 && node.children[0].value === node.value)
        node = node.children[0];
    return node;
}

// Places {value} things in a rectangle: as [thing, x, y, width, height].
function squarify(things, x, y, width, height) {
    const placed = [];
    let rest = things.reduce((sum, thing) => sum + thing.value, 0), from = 0;
    while (from < things.length && rest > 0) {
        const scale = width * height / rest, side = Math.min(width, height);
        let to = from, sum = 0, worst = Infinity;
        for (; to < things.length; to++) {
            const next = sum + things[to].value, thick = next * scale / side;
            const ratio = Math.max(thick * thick / (things[to].value * scale),
                things[from].value * scale / (thick * thick));
            if (ratio > worst)
                break;
            worst = ratio;
            sum = next;
        }
        const thick = sum * scale / side;
        let along = 0;
        for (; from < to; from++) {
            const length = things[from].value * scale / thick;
            placed.push(width >= height ? [things[from], x, y + along, thick, length]
                : [things[from], x + along, y, length, thick]);
            along += length;
        }
        if (width >= height) {
            x += thick;
            width -= thick;
        } else {
            y += thick;
            height -= thick;
        }
        rest -= sum;
    }
    return placed;
}

function createMap(box) {
    const head = 17, least = 3;
    const way = make("nav", { class: "way", "aria-label": "callers" });
    const map = make("div", { class: "tree-map" });
    const read = make("p", { class: "read mono", "aria-live": "polite" });
    let moment = data.moments[0], root = null, at = null, chosen = 0;

    function nameOf(node) {
        return node.branch === 0 ? "all" : tree.names[tree.name[node.branch]];
    }

    function describe(node) {
        return (node.rest || nameOf(node)) + ": " + formatBytes(node.value) + ", " +
            formatShare(node.value, moment.bytes);
    }

    // What is not in the children: own bytes of the branch, and stacks too small to be kept.
    function listFields(node) {
        const fields = node.children.map((child) => ({ value: child.value, node: skipChain(child) }));
        const whole = node.branch === 0 ? Math.max(node.value, moment.bytes) : node.value;
        const own = whole - fields.reduce((sum, field) => sum + field.value, 0);
        if (own > 0)
            fields.push({ value: own, node: { value: own, children: [],
                rest: node.branch === 0 ? "smaller stacks" : "by " + nameOf(node) + " itself, or smaller" } });
        return fields.sort((a, b) => b.value - a.value);
    }

    function addField(node, x, y, width, height, levels) {
        if (width < least || height < least)
            return;
        const label = width > 30 && height > 12 ? [make("span", {}, node.rest || nameOf(node)),
            make("span", {}, height > 30 ? formatBytes(node.value) : "")] : [];
        const field = make("button", { type: "button", title: describe(node), class: node.rest ? "rest" : "",
            style: "left:" + x.toFixed(1) + "px;top:" + y.toFixed(1) + "px;width:" + width.toFixed(1) +
                "px;height:" + height.toFixed(1) + "px" + (node.rest ? "" : ";background:" +
                chooseHue(tree.name[node.branch])) }, ...label);
        field.addEventListener("click", () => { if (node.children.length !== 0) go(node); });
        for (const event of ["pointerenter", "focus"])
            field.addEventListener(event, () => { read.textContent = describe(node); });
        map.append(field);
        if (levels > 1 && node.children.length !== 0 && width > 40 && height > 4 * head)
            addFields(node, x + 3, y + 2 * head, width - 6, height - 2 * head - 3, levels - 1);
    }

    function addFields(node, x, y, width, height, levels) {
        for (const [field, left, top, wide, high] of squarify(listFields(node), x, y, width, height))
            addField(field.node, left, top, wide, high, levels);
    }

    function drawWay() {
        const above = [];
        for (let branch = at.branch; branch !== 0; branch = tree.parent[branch])
            above.unshift(branch);
        const steps = [0, ...above.slice(-6)];
        way.replaceChildren(...steps.map((branch) => {
            const button = make("button", { type: "button" }, branch === 0 ? "all" : "› " + tree.names[tree.name[branch]]);
            button.addEventListener("click", () => go(findNode(branch)));
            return button;
        }));
    }

    function redraw() {
        map.replaceChildren();
        drawWay();
        addFields(at, 0, 0, map.clientWidth, map.clientHeight, 6);
        read.textContent = at.branch === 0 && moment.bytes === 0 ? "nothing was alive" : describe(at);
    }

    // Other moments are shown from the same branch on.
    function go(node) {
        chosen = node.branch;
        at = skipChain(node);
        redraw();
    }

    // The nearest branch above where there was more than one way.
    function findAbove(branch) {
        const value = findNode(branch).value;
        while (branch !== 0 && findNode(branch).value === value)
            branch = tree.parent[branch];
        return branch;
    }

    // The same branch in another moment, or the nearest above it that was alive there.
    function findNode(branch) {
        const up = [];
        for (let one = branch; one !== 0; one = tree.parent[one])
            up.unshift(one);
        let node = root;
        for (const one of up) {
            const next = node.children.find((child) => child.branch === one);
            if (next === undefined)
                break;
            node = next;
        }
        return node;
    }

    function showMoment(number) {
        moment = data.moments[number];
        root = growMap(moment);
        root.value = Math.max(root.value, moment.bytes);
        at = skipChain(findNode(chosen));
        redraw();
        document.getElementById("moment").textContent = (moment.name ? "at the " + moment.name + ", " : "") +
            "after " + formatTime(moment.after_ns) + ": " + formatBytes(moment.bytes);
    }

    map.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" && event.key !== "Backspace")
            return;
        event.preventDefault();
        go(event.key === "Escape" ? root : findNode(findAbove(at.branch)));
        if (map.firstElementChild !== null)
            map.firstElementChild.focus();
    });
    box.append(way, map, read);
    redrawWithWidth(box, () => { if (at !== null) redraw(); });
    return showMoment;
}
