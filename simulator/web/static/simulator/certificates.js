/* The certificates of a charge point (security whitepaper A02, M03-M05). Pure.

   They are read and kept as a charge point keeps them. That a chain is valid is not examined: a browser checks the
   certificate of a wss:// gateway against its own store, whatever is installed here. */

import { fromPem, parse } from "./der.js";
import { sha256 } from "./sha256.js";

/** What of a certificate matters here, from one DER block; throws `RangeError` where it is none. */
export function read(der) {
    const [certificate] = parse(der);
    const [tbs] = parse(certificate.content);
    const fields = parse(tbs.content);
    if (fields[0]?.tag === 0xa0) fields.shift(); // the version
    const [serial, , issuer, validity, subject, publicKey] = fields;
    if (serial?.tag !== 0x02 || publicKey?.tag !== 0x30) throw new RangeError("This is no X.509 certificate.");
    const key = parse(publicKey.content)[1].content.subarray(1); // without the number of unused bits
    return {
        subject: nameOf(subject),
        validTo: timeOf(parse(validity.content)[1]),
        publicKey: publicKey.whole,
        hashes: {
            hashAlgorithm: "SHA256",
            issuerNameHash: sha256(issuer.whole),
            issuerKeyHash: sha256(key), // of the certificate's own key: roots have signed themselves
            serialNumber: hex(serial.content).replace(/^0+(?=.)/, "").slice(-40),
        },
    };
}

/** The installed root certificates, and the charge point's own. */
export class Certificates {
    installed = []; // {type, …read}
    own = null; // what CertificateSigned brought, as of `read`
    requestedKey = null; // the public key of the request that is under way
    #mostInstalled;

    constructor(mostInstalled) {
        this.#mostInstalled = mostInstalled;
    }

    /** What InstallCertificate.req does. */
    install(type, pem) {
        let certificate;
        try {
            certificate = read(fromPem(pem)[0]);
        } catch {
            return "Rejected";
        }
        const others = this.installed.filter((one) => !isSameHash(one.hashes, certificate.hashes) || one.type !== type);
        if (others.length >= this.#mostInstalled) return "Rejected";
        this.installed = [...others, { type, ...certificate }];
        return "Accepted";
    }

    /** What DeleteCertificate.req does. */
    delete(hashes) {
        const left = this.installed.filter((one) => !isSameHash(one.hashes, hashes));
        if (left.length === this.installed.length) return "NotFound";
        this.installed = left;
        return "Accepted";
    }

    /** What CertificateSigned.req does: taken when it is for the key that was asked for. */
    sign(chain) {
        let certificate;
        try {
            certificate = read(fromPem(chain)[0]);
        } catch {
            return "Rejected";
        }
        if (this.requestedKey === null || hex(certificate.publicKey) !== hex(this.requestedKey)) return "Rejected";
        this.requestedKey = null;
        this.own = certificate;
        return "Accepted";
    }
}

function isSameHash(one, other) {
    const names = ["issuerNameHash", "issuerKeyHash", "serialNumber"];
    return (
        one.hashAlgorithm === other.hashAlgorithm &&
        names.every((name) => one[name].toLowerCase() === other[name].toLowerCase())
    );
}

/** The values of a distinguished name, for a person. */
function nameOf(name) {
    const attributes = parse(name.content).flatMap((set) => parse(set.content)).map((pair) => parse(pair.content)[1]);
    return attributes.map((value) => new TextDecoder().decode(value.content)).join(", ");
}

function timeOf({ tag, content }) {
    const text = new TextDecoder().decode(content);
    const year = tag === 0x17 ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text.slice(0, 2)}` : text.slice(0, 4);
    const rest = text.slice(tag === 0x17 ? 2 : 4);
    return `${year}-${rest.slice(0, 2)}-${rest.slice(2, 4)}`;
}

function hex(bytes) {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
