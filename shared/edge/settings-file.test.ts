import { expect, test } from "bun:test";
import { isFault } from "../core/fault.ts";
import { testWorld } from "../sim/test-world.ts";
import { readSettingsFile } from "./settings-file.ts";

test("a settings file that is named has to be there, and the usual one need not", async () => {
  using world = testWorld();
  const path = `${world.dir}/hub.yaml`;
  expect(await readSettingsFile(world.files, path, false)).toBeUndefined();
  const error: unknown = await readSettingsFile(world.files, path, true).catch((thrown: unknown) => thrown);
  expect([isFault(error, "file_missing"), isFault(error) ? [error.message, error.remedy] : []]).toEqual([
    true,
    [`Cannot read the settings in ${path}: there is no such file`, expect.stringContaining("leave --config and FELHOM_CONFIG out")],
  ]);
  await Bun.write(path, "port: 1\n");
  expect(await readSettingsFile(world.files, path, true)).toMatchObject({ path, values: { port: 1 } });
});
