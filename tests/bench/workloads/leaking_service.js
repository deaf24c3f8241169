// The same for node: `leaking_service.js SEED REQUESTS`.
let state = Number(process.argv[2]) + 1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
const words = ['alpha', 'beta', 'gamma', 'delta', 'orange', 'violet', 'north', 'south'];
const records = bytes => { // as applications keep them
    let text = '';
    while (text.length < bytes) {
        const tags = Array.from({length: 3}, () => words[Math.floor(random() * 8)]);
        text += JSON.stringify({id: text.length, name: 'user ' + Math.floor(random() * 1e6),
                                score: Math.floor(random() * 2e9), tags});
    }
    return Buffer.from(text);
};
const uploads = records(1e6);
const requests = Number(process.argv[3]), kept = [];
let answered = 0;
for (let number = 1; number <= requests; number++) {
    try {
        const from = Math.floor(random() * 9e5);
        const body = Buffer.from(uploads.subarray(from, from + 20000 + Math.floor(random() * 60000)));
        const answer = JSON.parse(JSON.stringify({id: number, text: 'x'.repeat(300)}));
        if (random() < 0.5)
            kept.push([answer.id, body]);
        answered++;
    } catch (error) { // the framework's: 500 Internal Server Error
    }
    if (number % 20 === 0)
        console.log(`${number} ${answered}`);
}
console.log(kept.length > 0, 'done');
