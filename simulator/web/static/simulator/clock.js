/* UTC as the central system tells it, and simulated time, which may run faster. Pure.

   What happens at the charge point (charging, samples, installations) follows simulated time. What it owes the central
   system (heartbeats, timeouts, timestamps) follows real time, at any speed. */

const SMALLEST_CORRECTION_MS = 1000; // less is the network's delay, not the clock's

export class Clock {
    #realAt;
    #simulatedAt = 0;
    #utcOffsetMs;

    /** `utcMs` is what the charge point takes for the time before it is told. */
    constructor(now, utcMs, speed = 1) {
        this.#realAt = now;
        this.#utcOffsetMs = utcMs - now * 1000;
        this.speed = speed;
    }

    /** Simulated seconds since the charge point was built. */
    simulated(now) {
        return this.#simulatedAt + (now - this.#realAt) * this.speed;
    }

    setSpeed(speed, now) {
        this.#simulatedAt = this.simulated(now);
        this.#realAt = now;
        this.speed = speed;
    }

    /** The time, in milliseconds since 1970. */
    utc(now) {
        return Math.round(this.#utcOffsetMs + now * 1000);
    }

    /** The time to write into a message. */
    stamp(now) {
        return new Date(this.utc(now)).toISOString();
    }

    /** Take over the central system's current time (OCPP 1.6 §4.2 and §4.6). */
    setUtc(utcMs, now) {
        const correction = utcMs - this.utc(now);
        if (Math.abs(correction) >= SMALLEST_CORRECTION_MS) this.#utcOffsetMs += correction;
    }
}
