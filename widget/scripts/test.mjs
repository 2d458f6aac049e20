/** Bundles tests/*.test.ts for Node and runs them with its own test runner. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { stylesheetPlugin } from "./stylesheets.mjs";

const tests = join(dirname(fileURLToPath(import.meta.url)), "..", "tests");
const names = (await readdir(tests)).filter((name) => name.endsWith(".test.ts")).sort();
const outdir = await mkdtemp(join(tmpdir(), "supportdesk-widget-"));
try {
  await esbuild.build({
    entryPoints: names.map((name) => join(tests, name)),
    bundle: true,
    platform: "node",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    sourcemap: "inline",
    plugins: [stylesheetPlugin],
    outdir,
  });
  const files = names.map((name) => join(outdir, name.replace(/\.ts$/, ".mjs")));
  const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], {
    stdio: "inherit",
  });
  process.exitCode = run.status ?? 1;
} finally {
  await rm(outdir, { recursive: true, force: true });
}
