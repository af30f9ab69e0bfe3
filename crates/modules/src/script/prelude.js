// What a script finds around it: a console, a clock that stands still, dice that fall the same
// way every time, and the bridge over which values come in and go out. It runs first, so that
// nothing a script does to the globals can reach it.
(function (host, now, dice, mark) {
  "use strict";

  const { parse, stringify, rawJSON } = JSON;
  const { BigInt, Date: NativeDate, Map, Number, Set, String, TypeError } = globalThis;
  const { isFinite } = Number;

  // console: texts as they are, everything else as JSON.
  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return String(value.stack ? `${value}\n${value.stack}` : value);
    try {
      return stringify(value, (_, inner) => (typeof inner === "bigint" ? String(inner) : inner)) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const line = (level) => (...values) => host(level, values.map(shown).join(" ").slice(0, 8192));
  globalThis.console = {
    debug: line("debug"),
    log: line("info"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };

  // Math.random: sfc32 from the step's recorded seed.
  let [a, b, c, d] = dice;
  Math.random = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  };

  // Date: the time of the step, and UTC whatever the zone of the machine.
  const { UTC, parse: parseLocal, prototype } = NativeDate;
  const hasZone = /(?:Z|GMT|UTC|[+-]\d\d:?\d\d)\s*(?:\([^)]*\))?$/i;
  const isDateOnly = /^\s*[+-]?\d{4,6}(?:-\d\d(?:-\d\d)?)?\s*$/;
  const asUtc = (local) => {
    const date = new NativeDate(local);
    return local - date.getTimezoneOffset() * 60000;
  };
  const instant = (text) => {
    const parsed = parseLocal(text);
    return hasZone.test(text) || isDateOnly.test(text) ? parsed : asUtc(parsed);
  };
  const { getTime, setTime, toISOString, valueOf } = prototype;
  function Date(...parts) {
    const of = () => {
      if (parts.length === 0) return now;
      if (parts.length > 1) return UTC(...parts);
      const [part] = parts;
      if (part instanceof NativeDate) return getTime.call(part);
      const value = typeof part === "object" && part !== null ? part[Symbol.toPrimitive]?.("default") ?? part.valueOf() : part;
      return typeof value === "string" ? instant(value) : Number(value);
    };
    if (!new.target) return new Date().toString();
    const date = new NativeDate(of());
    return new.target === Date ? date : Object.setPrototypeOf(date, new.target.prototype);
  }
  Date.prototype = prototype;
  Date.now = () => now;
  Date.parse = (text) => instant(String(text));
  Date.UTC = UTC;
  prototype.constructor = Date;
  for (const part of ["Date", "Day", "FullYear", "Hours", "Milliseconds", "Minutes", "Month", "Seconds"]) {
    prototype[`get${part}`] = prototype[`getUTC${part}`];
    if (part !== "Day") prototype[`set${part}`] = prototype[`setUTC${part}`];
  }
  prototype.getTimezoneOffset = () => 0;
  const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (number) => String(number).padStart(2, "0");
  const day = (date) =>
    `${days[date.getUTCDay()]} ${months[date.getUTCMonth()]} ${two(date.getUTCDate())} ${String(date.getUTCFullYear()).padStart(4, "0")}`;
  const clock = (date) => `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} GMT+0000 (UTC)`;
  const valid = (write) => function () {
    return Number.isNaN(getTime.call(this)) ? "Invalid Date" : write(this);
  };
  prototype.toDateString = valid(day);
  prototype.toTimeString = valid(clock);
  prototype.toString = valid((date) => `${day(date)} ${clock(date)}`);
  prototype.toLocaleDateString = valid((date) => toISOString.call(date).slice(0, 10));
  prototype.toLocaleTimeString = valid((date) => toISOString.call(date).slice(11, 19));
  prototype.toLocaleString = valid((date) => toISOString.call(date).slice(0, 19).replace("T", " "));
  globalThis.Date = Date;

  // A number with more digits than a number of JavaScript holds: it goes through unchanged, and
  // to compute with it is an error instead of a wrong result.
  class ExactNumber {
    #digits;
    constructor(digits) {
      this.#digits = digits;
      Object.freeze(this);
    }
    toString() {
      return this.#digits;
    }
    toNumber() {
      return Number(this.#digits);
    }
    toJSON() {
      return rawJSON(this.#digits);
    }
    valueOf() {
      throw new TypeError(
        "this number has more digits than JavaScript computes with: String(x) gives them, x.toNumber() rounds",
      );
    }
    [Symbol.toPrimitive](hint) {
      return hint === "string" ? this.#digits : this.valueOf();
    }
  }

  const revived = (_, value) => {
    if (typeof value !== "string" || !value.startsWith(mark)) return value;
    const digits = value.slice(mark.length + 1);
    return value[mark.length] === "i" ? BigInt(digits) : new ExactNumber(digits);
  };

  const written = (key, value) => {
    if (typeof value === "bigint") return rawJSON(String(value));
    const at = key === "" ? "the result" : `"${key}" of the result`;
    if (typeof value === "number" && !isFinite(value)) throw new TypeError(`${at} is ${value}, which is no JSON`);
    if (value instanceof Map) throw new TypeError(`${at} is a Map: Object.fromEntries(map) makes an object of it`);
    if (value instanceof Set) throw new TypeError(`${at} is a Set: Array.from(set) makes a list of it`);
    return value;
  };

  return {
    input: (text, marked) => (marked ? parse(text, revived) : parse(text)),
    output: (value) => stringify(value, written) ?? "null",
  };
});
