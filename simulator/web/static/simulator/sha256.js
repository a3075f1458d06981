/* SHA-256 (FIPS 180-4), at once: a browser's own waits, and is missing on a page without TLS. */

const PRIMES = firstPrimes(64);
const fraction = (value) => ((value - Math.floor(value)) * 2 ** 32) >>> 0;
const K = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const H = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

/** The digest of bytes, in hexadecimal digits. */
export function sha256(bytes) {
    const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
    view.setUint32(padded.length - 4, bytes.length << 3);
    const hash = [...H];
    for (let offset = 0; offset < padded.length; offset += 64) compress(hash, view, offset);
    return hash.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

function compress(hash, view, offset) {
    const w = Array.from({ length: 16 }, (_, index) => view.getUint32(offset + index * 4));
    for (let i = 16; i < 64; i += 1) {
        const s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
        const s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i += 1) {
        const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, index) => { hash[index] = (hash[index] + word) | 0; });
}

function rotate(word, bits) {
    return (word >>> bits) | (word << (32 - bits));
}

function firstPrimes(count) {
    const primes = [];
    for (let n = 2; primes.length < count; n += 1) {
        if (primes.every((prime) => n % prime)) primes.push(n);
    }
    return primes;
}
