import { expect, test } from "bun:test";
import { parseDpkgQuery, parsePolicy } from "./dpkg.ts";
import { parseShow, unitName } from "./systemd-show.ts";

test("only what dpkg calls installed is installed", () => {
  const text = "curl\tamd64\tinstalled\t7.88\nnano\tamd64\tconfig-files\t7.2\nlibc6\ti386\tinstalled\t2.36\nvim\tamd64\thalf-installed\t9\n";
  expect([...parseDpkgQuery(text, ["curl", "nano", "vim", "libc6:i386"])]).toEqual([
    ["curl", "7.88"],
    ["libc6:i386", "2.36"],
  ]);
});

test("a package without candidate has none", () => {
  expect([...parsePolicy("nginx:\n  Installed: (none)\n  Candidate: 1.22.1-9\n  Version table:\nold:\n  Installed: 1\n  Candidate: (none)\n")]).toEqual([
    ["nginx", "1.22.1-9"],
  ]);
});

test("systemctl's blocks become units; a crash loop is not running", () => {
  const block = (id: string, active: string, sub: string, file: string, load = "loaded"): string =>
    `Id=${id}\nNames=${id} alias-${id}\nLoadState=${load}\nActiveState=${active}\nSubState=${sub}\nUnitFileState=${file}\nNeedDaemonReload=no\n`;
  const units = parseShow(
    [
      block("a.service", "active", "running", "enabled"),
      block("b.service", "activating", "auto-restart", "disabled"),
      block("c.service", "inactive", "dead", "", "masked"),
      block("d.service", "active", "exited", "generated"),
    ].join("\n"),
  );
  expect(units.map(({ isRunning, boot }) => [isRunning, boot])).toEqual([
    [true, "enabled"],
    [false, "disabled"],
    [false, "masked"],
    [true, "static"],
  ]);
  expect(units[0]?.names).toEqual(["a.service", "alias-a.service"]);
});

test("a bare name is a service", () => {
  expect([unitName("nginx"), unitName("foo.timer"), unitName("php8.2-fpm")]).toEqual(["nginx.service", "foo.timer", "php8.2-fpm.service"]);
});
