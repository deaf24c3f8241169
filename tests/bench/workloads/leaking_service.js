// The same for node: `leaking_service.js SEED REQUESTS`.
let state = Number(process.argv[2]) + 1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
const requests = Number(process.argv[3]), kept = [];
let answered = 0;
for (let number = 1; number <= requests; number++) {
    try {
        const body = Buffer.alloc(20000 + Math.floor(random() * 60000), number);
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
