import { expect, test } from "bun:test";
import { paint, STYLES, wantsColour, wantsUnicode } from "./colour.ts";

test("who wants colour, as a table", () => {
  const tty = { flag: undefined, env: { TERM: "xterm" }, isTty: true };
  expect(wantsColour(tty)).toBe(true);
  expect(wantsColour({ ...tty, isTty: false })).toBe(false);
  expect(wantsColour({ ...tty, env: { TERM: "dumb" } })).toBe(false);
  expect(wantsColour({ ...tty, env: { NO_COLOR: "1" } })).toBe(false);
  expect(wantsColour({ ...tty, env: { NO_COLOR: "" } })).toBe(true);
  expect(wantsColour({ flag: "always", env: { NO_COLOR: "1", TERM: "dumb" }, isTty: false })).toBe(true);
  expect(wantsColour({ ...tty, flag: "never" })).toBe(false);
  expect(wantsColour({ ...tty, flag: "auto" })).toBe(true);
});

test("glyphs need a UTF-8 locale", () => {
  expect(wantsUnicode({ ascii: false, env: { LANG: "hu_HU.UTF-8" } })).toBe(true);
  expect(wantsUnicode({ ascii: false, env: { LANG: "C.UTF-8", LC_ALL: "C" } })).toBe(false);
  expect(wantsUnicode({ ascii: false, env: { LANG: "en_US.utf8", LC_ALL: "" } })).toBe(true);
  expect(wantsUnicode({ ascii: false, env: {} })).toBe(false);
  expect(wantsUnicode({ ascii: true, env: { LANG: "C.UTF-8" } })).toBe(false);
});

test("every shade is readable on black and on white", () => {
  for (const [style, sgr] of Object.entries(STYLES)) {
    const shade = /38;5;(\d+)/.exec(sgr)?.[1];
    if (shade === undefined) continue;
    const luminance = luminanceOf(Number(shade));
    const onBlack = (luminance + 0.05) / 0.05;
    const onWhite = 1.05 / (luminance + 0.05);
    expect([style, onBlack >= 3.8 && onWhite >= 3.8]).toEqual([style, true]);
  }
});

test("without colour nothing is added", () => {
  expect(paint({ colour: false }, "bad", "x")).toBe("x");
  expect(paint({ colour: true }, "plain", "x")).toBe("x");
  expect(paint({ colour: true }, "bad", "")).toBe("");
  expect(paint({ colour: true }, "good", "x")).toBe("\u001b[38;5;28mx\u001b[0m");
});

/** WCAG 2 relative luminance of an xterm 256-colour shade. */
function luminanceOf(shade: number): number {
  const levels = [0, 95, 135, 175, 215, 255];
  const grey = 8 + (shade - 232) * 10;
  const at = shade - 16;
  const rgb = shade >= 232 ? [grey, grey, grey] : [levels[Math.floor(at / 36)] ?? 0, levels[Math.floor(at / 6) % 6] ?? 0, levels[at % 6] ?? 0];
  const [r = 0, g = 0, b = 0] = rgb.map((value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
