/* Who may charge, decided at the charge point: the local authorization list and the authorization cache (OCPP 1.6
   §3.5). Tags are case-insensitive (§7.28). */

const CACHE_SIZE = 1000;

export function isSame(idTag, other) {
    return (idTag ?? "").toLowerCase() === (other ?? "").toLowerCase();
}

/** Whether an entry lets its driver charge now. */
export function isAccepted(info, utcMs) {
    return info.status === "Accepted" && (info.expiryDate === undefined || Date.parse(info.expiryDate) > utcMs);
}

/** The local authorization list; only SendLocalList.req changes it (OCPP 1.6 §3.5.2). */
export class LocalList {
    version = 0;
    entries = new Map();

    constructor(maxLength) {
        this.maxLength = maxLength;
    }

    get(idTag) {
        return this.entries.get(idTag.toLowerCase());
    }

    /** What SendLocalList.req does (OCPP 1.6 §5.15); on any failure the list stays as it is. */
    update(updateType, version, changes) {
        const idTags = changes.map((change) => change.idTag.toLowerCase());
        const isFull = updateType === "Full";
        if (version <= 0 || new Set(idTags).size < idTags.length) return "Failed"; // errata 3.52; §6.41: no duplicates
        if (isFull && changes.some((change) => change.idTagInfo === undefined)) return "Failed";
        if (!isFull && version <= this.version) return "VersionMismatch";
        const entries = new Map(isFull ? [] : this.entries);
        for (const change of changes) {
            const key = change.idTag.toLowerCase();
            if (change.idTagInfo === undefined) entries.delete(key);
            else entries.set(key, change.idTagInfo);
        }
        if (entries.size > this.maxLength) return "Failed";
        this.entries = entries;
        this.version = version;
        return "Accepted";
    }

    /** What GetLocalListVersion.conf says: 0 for an empty list (OCPP 1.6 §5.10). */
    get reportedVersion() {
        return this.entries.size ? this.version : 0;
    }
}

/** The authorization cache: what the central system said last about a tag (OCPP 1.6 §3.5.1). */
export class Cache {
    #entries = new Map();

    get size() {
        return this.#entries.size;
    }

    get(idTag) {
        return this.#entries.get(idTag.toLowerCase());
    }

    /** Remember what a .conf said; a full cache first forgets a tag that is not accepted, then the oldest. */
    put(idTag, info) {
        const key = idTag.toLowerCase();
        this.#entries.delete(key);
        if (this.#entries.size >= CACHE_SIZE) {
            const rejected = [...this.#entries].find(([, known]) => known.status !== "Accepted");
            this.#entries.delete((rejected ?? this.#entries.entries().next().value)[0]);
        }
        this.#entries.set(key, info);
    }

    clear() {
        this.#entries.clear();
    }
}
