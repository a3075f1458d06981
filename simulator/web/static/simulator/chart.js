/* A small curve of power over time: an area with a line on it, and a dashed line where a limit holds. */

const WIDTH = 300;
const HEIGHT = 56;
const MOST_POINTS = 150;

export class Chart {
    #line;
    #area;
    #limit;
    #points = [];

    constructor(svg) {
        svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
        [this.#area, this.#line, this.#limit] = ["area", "line", "limit"].map((name) => svg.querySelector(`.${name}`));
    }

    /** Add a point, and draw. */
    add(powerW, limitW, greatestW) {
        this.#points.push(powerW);
        if (this.#points.length > MOST_POINTS) this.#points.shift();
        const y = (watts) => (HEIGHT - 2 - (Math.min(watts, greatestW) / greatestW) * (HEIGHT - 6)).toFixed(1);
        const first = MOST_POINTS - this.#points.length;
        const x = (index) => (((first + index) / (MOST_POINTS - 1)) * WIDTH).toFixed(1);
        const path = this.#points.map((watts, index) => `${index ? "L" : "M"}${x(index)} ${y(watts)}`).join("");
        this.#line.setAttribute("d", path);
        this.#area.setAttribute("d", `${path}V${HEIGHT}H${x(0)}Z`);
        this.#limit.setAttribute("d", limitW === null ? "" : `M0 ${y(limitW)}H${WIDTH}`);
    }
}
