import { packageManagerOf } from "../../facts/package-manager.ts";
import { run, SYSTEM_ENV } from "../../providers/run.ts";
import { parseDpkgQuery } from "../../../core/converge/dpkg.ts";
import { type Executor, failed } from "../executor.ts";
import { runProgram } from "../run-program.ts";
import { stoppable } from "../stoppable.ts";

const APT_ENV = { ...SYSTEM_ENV, DEBIAN_FRONTEND: "noninteractive", DEBIAN_PRIORITY: "critical", APT_LISTCHANGES_FRONTEND: "none", NEEDRESTART_MODE: "l" };
const APT_OPTIONS = ["-y", "-q", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=600"];

/** apt, with the program itself on record: an upgrade that outlives the agent is found again. Configuration files stay as they are. */
export const packageUpgrade: Executor<"package.upgrade"> = async (params, work) => {
  const world = stoppable(work);
  const manager = packageManagerOf(world);
  if (manager.name !== "apt") return failed("op_precondition", `only apt is supported, ${manager.because}`);
  if ("names" in params) {
    const asked = await run(world, "op.packages", [
      "dpkg-query",
      "--show",
      "--showformat",
      "${Package}\\t${Architecture}\\t${db:Status-Status}\\t${Version}\\n",
      "--",
      ...params.names,
    ]);
    const installed = parseDpkgQuery(asked.stdout, params.names);
    const missing = params.names.filter((name) => !installed.has(name));
    if (missing.length > 0) return failed("not_found", `not installed: ${missing.join(", ")}`);
  }
  const base = { op: "op.packages", env: APT_ENV, cwd: "/" } as const;
  const refreshed = await runProgram(work, { ...base, argv: ["apt-get", ...APT_OPTIONS, "update"] });
  if (refreshed.as === "failed") return refreshed;
  const what = "names" in params ? ["install", "--only-upgrade", "--", ...params.names] : ["upgrade", "--with-new-pkgs"];
  return runProgram(work, { ...base, argv: ["apt-get", ...APT_OPTIONS, ...what] });
};
