/**
 * The first script of a TypeScript state's realm, as text because it must be compiled in there: objects of this realm
 * would give a state a way out. It takes away what differs from run to run or reaches out of the realm. Its value is a
 * function that takes the state and the host as JSON; `__felhomRun()` then gives the answer as JSON.
 *
 * `host` is strict: a label, fact, setting or secret that is not there throws and says its name. `"x" in host.labels` asks
 * first. What a state returns must be plain data; a function, a symbol, NaN or a Promise in it is a mistake that is named.
 */
export const REALM = `(() => {
  "use strict";
  const { parse, stringify } = JSON;
  const { ownKeys } = Reflect;
  const deny = (name, why) => Object.defineProperty(globalThis, name, { configurable: false, enumerable: false, get() { throw new Error(name + " is not there: " + why); } });
  for (const name of ["ShadowRealm", "WebAssembly", "SharedArrayBuffer", "Atomics", "console"]) {
    delete globalThis[name];
    deny(name, "a state only returns resources");
  }
  for (const name of ["Date", "Intl", "Temporal", "WeakRef", "FinalizationRegistry"]) {
    delete globalThis[name];
    deny(name, "a state has to give the same resources every time");
  }
  Object.defineProperty(Math, "random", { configurable: false, writable: false, value() { throw new Error("Math.random is not there: a state has to give the same resources every time"); } });
  Object.defineProperty(Error, "prepareStackTrace", { configurable: false, writable: false, value: undefined });

  let usesSecret = false;
  const strict = (value, path, what) => {
    if (Array.isArray(value)) return Object.freeze(value.map((item, at) => strict(item, path + "[" + at + "]", what)));
    if (typeof value !== "object" || value === null) return value;
    const target = Object.create(null);
    for (const key of ownKeys(value)) target[key] = strict(value[key], path === "" ? key : path + "." + key, what);
    return new Proxy(Object.freeze(target), {
      get(_, key) {
        if (typeof key === "symbol" || key === "toJSON") return undefined;
        if (what === "secret") usesSecret = true;
        if (key in target) return target[key];
        throw new Error("this host has no " + what + " " + (path === "" ? key : path + "." + key));
      },
    });
  };

  const plain = (value, path, depth) => {
    if (depth > 40) throw new Error(path + " nests too deep");
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        if (!Number.isFinite(value)) throw new Error(path + " is " + value);
        return value;
      case "object":
        break;
      default:
        throw new Error(path + " is " + (value === undefined ? "undefined" : "a " + typeof value));
    }
    if (value === null) return null;
    if (Array.isArray(value)) return value.map((item, at) => plain(item, path + "[" + at + "]", depth + 1));
    if (typeof value.then === "function" && !("then" in Object.prototype)) throw new Error(path + " is a Promise: a state must not be async");
    const copy = Object.create(null);
    for (const key of Object.keys(value)) if (value[key] !== undefined) copy[key] = plain(value[key], path === "the answer" ? key : path + "." + key, depth + 1);
    return copy;
  };

  let task;
  const run = () => {
    try {
      const { state, hostJson } = task;
      usesSecret = false;
      const given = parse(hostJson);
      const host = Object.freeze({
        id: given.id,
        name: given.name,
        labels: strict(given.labels, "", "label"),
        facts: strict(given.facts, "", "fact"),
        settings: strict(given.settings, "", "setting"),
        secrets: strict(given.secrets, "", "secret"),
      });
      const entries = plain(state(host), "the answer", 0);
      return stringify({ entries, usesSecret });
    } catch (error) {
      let message = "threw something that is not an Error";
      let stack = "";
      try {
        message = String(error.message);
        stack = String(error.stack);
      } catch {}
      return stringify({ error: message, stack });
    }
  };
  Object.defineProperty(globalThis, "__felhomRun", { configurable: false, writable: false, enumerable: false, value: run });
  return (state, hostJson) => {
    task = { state, hostJson };
  };
})()`;
