/* Firmware updates, diagnostics and logs (OCPP 1.6 §4.4, §4.5, §5.9, §5.19; security whitepaper L01, N01). Pure.

   It never sends and never transfers: what the central system is to be told goes into `reports`, files to move into
   `jobs`. A signed update and a GetLog go the same way as their older siblings, with statuses of their own. */

const INSTALLATION_S = 20; // simulated
const OWN_RETRY_INTERVAL_S = 30; // simulated, where the central system names none

export class Maintenance {
    #clock;
    #identity;
    #planned = []; // {at: utc ms, job}
    #retries = []; // {due: simulated, job}
    #newVersion = "";
    #installAt = null; // utc ms: SignedUpdateFirmware may name a time
    #installedAt = null; // simulated
    #update = null; // the update under way: {isSigned, requestId}

    constructor(clock, identity, firmwareVersion) {
        this.reports = [];
        this.jobs = [];
        this.firmwareStatus = "Idle";
        this.uploadStatus = "Idle"; // of diagnostics and logs
        this.uploadRequestId = undefined;
        this.firmwareVersion = firmwareVersion;
        this.needsRestart = false; // the new firmware is installed and comes into force with a reset
        this.#clock = clock;
        this.#identity = identity;
    }

    /** Whether new firmware waits for the transactions to end, so that no new one should begin. */
    get wantsToInstall() {
        return ["Downloaded", "SignatureVerified", "Installing", "InstallRebooting"].includes(this.firmwareStatus);
    }

    get isUpdating() {
        return this.wantsToInstall || this.firmwareStatus === "Downloading";
    }

    get requestId() {
        return this.#update?.requestId;
    }

    get isUploading() {
        return this.uploadStatus === "Uploading";
    }

    takeJobs() {
        return this.jobs.splice(0);
    }

    /** Fetch and install firmware, not before its retrieveDate; an update that waits is replaced. */
    updateFirmware(request) {
        this.#plan(request, { url: request.location, isSigned: false }, request.retrieveDate);
    }

    /** The same, signed. */
    signedUpdateFirmware(request) {
        const { location, retrieveDateTime, installDateTime, signingCertificate, signature } = request.firmware;
        const job = {
            url: location, isSigned: true, requestId: request.requestId, installDateTime, signingCertificate, signature,
        };
        this.#plan(request, job, retrieveDateTime);
    }

    /** Upload diagnostics; the name of the file. */
    getDiagnostics(request, now) {
        return this.#planUpload(request, { url: request.location, since: request.startTime, until: request.stopTime }, now);
    }

    /** Upload a log; the name of the file. */
    getLog(request, now) {
        const { remoteLocation, oldestTimestamp, latestTimestamp } = request.log;
        const job = {
            url: remoteLocation, since: oldestTimestamp, until: latestTimestamp,
            isLog: true, requestId: request.requestId, logType: request.logType,
        };
        return this.#planUpload(request, job, now);
    }

    /** Let time pass. */
    tick(now, isCharging) {
        const utc = this.#clock.utc(now);
        const simulated = this.#clock.simulated(now);
        const due = [
            ...this.#planned.filter((one) => one.at <= utc), ...this.#retries.filter((one) => one.due <= simulated),
        ];
        this.#planned = this.#planned.filter((one) => one.at > utc);
        this.#retries = this.#retries.filter((one) => one.due > simulated);
        for (const { job } of due) this.#begin(job);
        const isReady = ["Downloaded", "SignatureVerified"].includes(this.firmwareStatus);
        if (isReady && !isCharging && (this.#installAt === null || this.#installAt <= utc)) { // errata 3.49
            this.#reportFirmware("Installing");
            this.#installedAt = simulated + INSTALLATION_S;
        } else if (this.#installedAt !== null && this.#installedAt <= simulated) {
            this.#installedAt = null;
            if (this.#update?.isSigned) this.#reportFirmware("InstallRebooting");
            this.needsRestart = true;
        }
    }

    /** A file of so many bytes has been moved, or it could not be (`size` null); `isGenuine` false: a wrong signature. */
    finished(job, size, now, isGenuine = true) {
        if (job.kind === "upload") {
            const failed = job.isLog ? "UploadFailure" : "UploadFailed";
            this.#reportUpload(job, size === null ? failed : "Uploaded");
        } else if (size === null) {
            this.#reportFirmware("DownloadFailed");
        } else {
            this.#downloaded(job, size, isGenuine);
        }
        if (size === null && job.retriesLeft > 0) {
            job.retriesLeft -= 1;
            this.#retries.push({ due: this.#clock.simulated(now) + job.retryIntervalS, job });
        }
    }

    /** The charge point has come up again; new firmware is in force now. */
    restarted() {
        if (this.needsRestart) {
            this.needsRestart = false;
            this.firmwareVersion = this.#newVersion;
            this.#reportFirmware("Installed");
        } else if (this.firmwareStatus === "Installing") { // the reset came in between
            this.#installedAt = null;
            this.#reportFirmware("InstallationFailed");
        }
    }

    #plan(request, job, retrieveDate) {
        const waits = (one) => one.job.kind !== "download";
        this.#planned = this.#planned.filter(waits);
        this.#retries = this.#retries.filter(waits);
        this.#planned.push({ at: Date.parse(retrieveDate), job: { kind: "download", ...withRetries(request), ...job } });
    }

    #planUpload(request, job, now) {
        const at = this.#clock.utc(now);
        const stamp = new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
        const fileName = `${this.#identity}-${stamp}.log`.slice(-255);
        this.#planned.push({ at, job: { kind: "upload", fileName, ...withRetries(request), ...job } });
        return fileName;
    }

    #begin(job) {
        if (job.kind === "download") {
            this.#update = job;
            this.#reportFirmware("Downloading");
        } else {
            this.#reportUpload(job, "Uploading");
        }
        this.jobs.push(job);
    }

    #downloaded(job, size, isGenuine) {
        this.#reportFirmware("Downloaded");
        this.#newVersion = versionIn(job.url);
        this.#installAt = job.installDateTime === undefined ? null : Date.parse(job.installDateTime);
        if (job.isSigned) this.#reportFirmware(isGenuine ? "SignatureVerified" : "InvalidSignature");
        if (!size) this.#reportFirmware("InstallationFailed"); // an empty file is no valid image
    }

    #reportFirmware(status) {
        this.firmwareStatus = status;
        if (this.#update?.isSigned) {
            const payload = { status, requestId: this.#update.requestId };
            this.reports.push({ action: "SignedFirmwareStatusNotification", payload });
        } else {
            this.reports.push({ action: "FirmwareStatusNotification", payload: { status } });
        }
    }

    #reportUpload(job, status) {
        this.uploadStatus = status;
        this.uploadRequestId = job.requestId;
        if (job.isLog) {
            this.reports.push({ action: "LogStatusNotification", payload: { status, requestId: job.requestId } });
        } else {
            this.reports.push({ action: "DiagnosticsStatusNotification", payload: { status } });
        }
    }
}

function withRetries(request) {
    return { retriesLeft: request.retries ?? 0, retryIntervalS: request.retryInterval ?? OWN_RETRY_INTERVAL_S };
}

/** A version number in the file's name, or that name. */
function versionIn(url) {
    const name = url.split(/[?#]/)[0].split("/").at(-1);
    return /\d+(?:\.\d+)+/.exec(name)?.[0] ?? (name || "unknown");
}
