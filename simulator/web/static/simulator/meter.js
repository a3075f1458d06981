/* A meter and the car behind it: power with a ramp and a taper, an energy register, state of charge. Pure; `at` is in
   seconds of simulated time. */

export const LINE_VOLTAGE_V = 230; // the set voltage of the area, by which OCPP 1.6 §7.12 converts between W and A
const MINIMUM_CURRENT_A = 6; // IEC 61851: an EVSE cannot offer less; below it offers nothing
const LONGEST_STEP_S = 5;
const RAMP_W_PER_S = 900;
const TAPER_FROM_SOC = 80;
const POWER_AT_FULL = 0.08; // of its greatest power is what a nearly full car takes
const CHARGING_EFFICIENCY = 0.92;

/** A car's battery and on-board charger. */
export class Car {
    constructor({ capacityWh = 60_000, soc = 40, maxPowerW = 11_000 } = {}) {
        this.capacityWh = capacityWh;
        this.soc = soc;
        this.maxPowerW = maxPowerW;
        this.isPaused = false; // it asks for no energy although it is offered some (SuspendedEV)
    }

    get isFull() {
        return this.soc >= 100;
    }

    /** The most it would take now: all up to 80 %, then less and less. */
    wantedPowerW() {
        if (this.isPaused || this.isFull) return 0;
        const beyond = Math.max(0, this.soc - TAPER_FROM_SOC) / (100 - TAPER_FROM_SOC);
        return this.maxPowerW * (1 - (1 - POWER_AT_FULL) * beyond);
    }

    /** Put what the meter measured, less the losses, into the battery. */
    store(energyWh) {
        this.soc = Math.min(100, this.soc + (100 * CHARGING_EFFICIENCY * energyWh) / this.capacityWh);
    }
}

/** The meter of one connector. Its register is never set back. */
export class Meter {
    #registerWh;
    #at;
    #variation;

    constructor({ phases = 1, energyWh = 0, at = 0, variation = 0 } = {}) {
        this.phases = phases;
        this.car = null;
        this.powerW = 0;
        this.offeredW = 0; // what the EVSE offers; 0 while its contactor is open
        this.#registerWh = energyWh;
        this.#at = at;
        this.#variation = variation;
    }

    /** Energy.Active.Import.Register, whole Wh. */
    get energyWh() {
        return Math.floor(this.#registerWh);
    }

    get exactWh() {
        return this.#registerWh;
    }

    /** Where the register stands when the meter comes up. */
    setRegister(energyWh) {
        this.#registerWh = energyWh;
    }

    /** Offer the car that much from now on; less than 6 A on each phase is none. */
    offer(powerW, at) {
        this.advance(at);
        this.offeredW = powerW >= MINIMUM_CURRENT_A * LINE_VOLTAGE_V * this.phases ? powerW : 0;
        this.powerW = Math.min(this.powerW, this.offeredW); // a limit holds at once, only the way up is a ramp
    }

    /** Let the energy flow until `at`. */
    advance(at) {
        let remaining = at - this.#at;
        if (remaining <= 0) return;
        this.#at = at;
        if (this.#wantedPowerW() <= 0) {
            this.powerW = 0;
            return;
        }
        while (remaining > 0) {
            const step = Math.min(remaining, LONGEST_STEP_S);
            remaining -= step;
            this.#flow(step);
        }
    }

    /** What the meter shows at `at`. */
    read(at) {
        this.advance(at);
        const current = this.powerW / (LINE_VOLTAGE_V * this.phases);
        const wave = Math.sin(at / 97 + this.#variation);
        const voltageV = Array.from(
            { length: this.phases },
            (_, phase) => LINE_VOLTAGE_V + 1.4 * Math.sin(at / 61 + this.#variation + phase) - 0.04 * current,
        );
        return {
            energyWh: this.energyWh,
            powerW: this.powerW,
            offeredW: this.offeredW,
            voltageV,
            currentA: voltageV.map((volts) => this.powerW / this.phases / volts),
            soc: this.car?.soc ?? null,
            temperatureC: 21 + 2 * wave + 0.25 * current,
            frequencyHz: 50 + 0.02 * wave,
        };
    }

    #wantedPowerW() {
        return this.car === null ? 0 : Math.min(this.offeredW, this.car.wantedPowerW());
    }

    #flow(stepS) {
        const powerW = Math.min(this.#wantedPowerW(), this.powerW + RAMP_W_PER_S * stepS);
        const meanW = powerW > this.powerW ? (this.powerW + powerW) / 2 : powerW;
        this.powerW = powerW;
        this.#registerWh += (meanW * stepS) / 3600;
        this.car?.store((meanW * stepS) / 3600);
    }
}
