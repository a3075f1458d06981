/* A key pair and a certificate signing request (PKCS #10, RFC 2986) of a charge point, with the browser's cryptography. */

import { concat, item, parse, toPem } from "./der.js";

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const ATTRIBUTES = 0xa0;
const COMMON_NAME = [0x55, 0x04, 0x03];
const ORGANIZATION = [0x55, 0x04, 0x0a];
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const CURVE = { name: "ECDSA", namedCurve: "P-256" };

/** Whether this page may use the browser's cryptography: over https, or on this machine. */
export const isPossible = () => globalThis.crypto?.subtle !== undefined;

/** `{csr, publicKey}`: the request as PEM, and the public key (SubjectPublicKeyInfo) that it is for. */
export async function requestCertificate(commonName, organization) {
    const pair = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
    const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
    const name = item(SEQUENCE, attribute(COMMON_NAME, commonName), attribute(ORGANIZATION, organization));
    const info = item(SEQUENCE, item(INTEGER, Uint8Array.of(0)), name, publicKey, item(ATTRIBUTES));
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, info);
    const algorithm = item(SEQUENCE, item(OBJECT_IDENTIFIER, Uint8Array.from(ECDSA_WITH_SHA256)));
    const bits = item(BIT_STRING, Uint8Array.of(0), asDer(new Uint8Array(signature)));
    return { csr: toPem(item(SEQUENCE, info, algorithm, bits), "CERTIFICATE REQUEST"), publicKey };
}

/** Whether a file's signature is its signing certificate's; null where this browser cannot tell. */
export async function isGenuine(publicKey, signature, content) {
    if (!isPossible()) return null;
    let bytes;
    try {
        bytes = Uint8Array.from(atob(signature), (character) => character.charCodeAt(0));
    } catch {
        return false;
    }
    const attempts = [
        { import: CURVE, verify: { name: "ECDSA", hash: "SHA-256" }, signature: () => asRaw(bytes, 32) },
        { import: { name: "RSA-PSS", hash: "SHA-256" }, verify: { name: "RSA-PSS", saltLength: 32 } },
        { import: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, verify: { name: "RSASSA-PKCS1-v1_5" } },
    ];
    let known = null;
    for (const attempt of attempts) {
        try {
            const key = await crypto.subtle.importKey("spki", publicKey, attempt.import, false, ["verify"]);
            known = await crypto.subtle.verify(attempt.verify, key, attempt.signature?.() ?? bytes, content);
        } catch {
            continue; // another kind of key, or of signature
        }
        if (known) return true;
    }
    return known;
}

function attribute(identifier, value) {
    const text = item(UTF8_STRING, new TextEncoder().encode(value));
    return item(SET, item(SEQUENCE, item(OBJECT_IDENTIFIER, Uint8Array.from(identifier)), text));
}

/** An ECDSA signature as two numbers in DER, from the browser's form of it. */
function asDer(raw) {
    const half = raw.length / 2;
    return item(SEQUENCE, integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

function integer(bytes) {
    let start = 0;
    while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
    const digits = bytes.subarray(start);
    return item(INTEGER, digits[0] & 0x80 ? concat(Uint8Array.of(0), digits) : digits);
}

/** The other way round. */
function asRaw(der, length) {
    const numbers = parse(parse(der)[0].content).map(({ content }) => {
        const digits = content.subarray(Math.max(0, content.length - length));
        return concat(new Uint8Array(length - digits.length), digits);
    });
    return concat(...numbers);
}
