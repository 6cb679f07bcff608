import { expect, test } from "bun:test";
import { roleOf } from "./role.ts";

test("felhom-sign is felhom sign, and its flags alone mean what waits", () => {
  const words = (...argv: string[]) => {
    const role = roleOf("/usr/local/bin/felhom-sign", argv);
    return role.is === "command" ? role.argv.join(" ") : role.is;
  };
  expect(words("--pending")).toBe("sign pending");
  expect(words("--pending", "--json")).toBe("sign pending --json");
  expect(words("--json", "--pending")).toBe("sign pending --json");
  expect(words("--digest", "ab", "--no-input")).toBe("sign pending --digest ab --no-input");
  expect(words("--digest=ab")).toBe("sign pending --digest=ab");
  expect(words("show", "o-1")).toBe("sign show o-1");
  expect(words("verify", "x", "--digest")).toBe("sign verify x --digest");
  expect(words("--help")).toBe("sign --help");
});
