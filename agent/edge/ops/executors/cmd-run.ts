import { fromBase64, utf8 } from "../../../../shared/core/bytes.ts";
import { isFault } from "../../../../shared/core/fault.ts";
import type { OpParams } from "../../../../shared/ops/catalogue.ts";
import type { World } from "../../../../shared/ports/world.ts";
import { paths } from "../../../core/desired/paths.ts";
import { removeTree } from "../../desired/remove-tree.ts";
import { Accounts } from "../../providers/accounts.ts";
import { type Executor, failed, type OpWork } from "../executor.ts";
import { runProgram } from "../run-program.ts";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
type Params = OpParams["cmd.run"];

interface Runner {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
}

/** A program, or a script whose bytes are in the op: written into a directory that only its user can read, and removed with it. */
export const cmdRun: Executor<"cmd.run"> = async (params, work) => {
  const { world } = work;
  const runner = await runnerOf(world, params.user);
  if (runner === undefined) return failed("not_found", `there is no user ${params.user}`);
  const isOther = runner.uid !== world.self.uid;
  if (isOther && world.self.uid !== 0) return failed("denied", `the agent is not root and can't run anything as ${runner.name}`);
  const cwd = params.cwd ?? "/";
  if (world.files.stat("op.cwd", cwd, { follow: true })?.kind !== "directory") return failed("not_found", `${cwd} is not a directory`);
  const owner = isOther ? { uid: runner.uid, gid: runner.gid } : undefined;
  const script = "argv" in params ? undefined : writeScript(work, params.script, owner);
  try {
    return await runProgram(work, {
      op: "op.cmd",
      argv: "argv" in params ? words(params.argv) : words([...params.interpreter, script?.path ?? "", ...(params.args ?? [])]),
      env: { PATH, LANG: "C.UTF-8", HOME: runner.home, USER: runner.name, LOGNAME: runner.name, ...params.env },
      cwd,
      stdin: params.stdin === undefined ? undefined : fromBase64(params.stdin),
      user: owner,
    });
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    return failed(error.code, error.message);
  } finally {
    if (script !== undefined) removeTree(world.files, "op.scratch", script.dir);
  }
};

/** The schema has it that there is a first word. */
function words(argv: readonly string[]): [string, ...string[]] {
  const [program = "", ...rest] = argv;
  return [program, ...rest];
}

async function runnerOf(world: World, user: Params["user"]): Promise<Runner | undefined> {
  const accounts = new Accounts(world);
  const wanted = user ?? world.self.uid;
  await accounts.learn([wanted], []);
  for (const [name, entry] of accounts.users()) if (name === wanted || entry.uid === wanted) return { uid: entry.uid, gid: entry.gid, name, home: entry.home };
  // A number needs no name, and the agent's own user is there whatever the files say.
  if (typeof wanted === "number") return { uid: wanted, gid: wanted === world.self.uid ? world.self.gid : wanted, name: String(wanted), home: "/" };
  return undefined;
}

/** The data directory is closed to everybody else, as it should be: what another user is to read lies in /run. */
const RUN_SCRATCH = "/run/felhom-ops";

function writeScript(
  work: OpWork,
  script: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): { readonly dir: string; readonly path: string } {
  const { files } = work.world;
  const base = owner === undefined ? paths(work.desk.settings.dataDir).opScratch : RUN_SCRATCH;
  if (files.stat("op.scratch", base) === undefined) files.makeDir("op.scratch", base, owner === undefined ? 0o700 : 0o711);
  const dir = `${base}/${work.payload.id}`;
  removeTree(files, "op.scratch", dir); // of a run that a crash ended
  files.makeDir("op.scratch", dir, 0o700);
  const path = `${dir}/script`;
  const handle = files.open("op.scratch", path, "exclusive", 0o600);
  try {
    handle.write(utf8(script));
    if (owner !== undefined) handle.chown(owner.uid, owner.gid);
    handle.chmod(0o700);
  } finally {
    handle.close();
  }
  if (owner !== undefined) files.chown("op.scratch", dir, owner.uid, owner.gid);
  return { dir, path };
}
