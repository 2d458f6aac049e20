/**
 * Bundles the widget into ../static/widget/supportdesk.js, the one file that shops embed.
 *
 *     node scripts/build.mjs            write it
 *     node scripts/build.mjs --check    fail when the committed file is not what the sources give
 */
import { readFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { stylesheetPlugin } from "./stylesheets.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const output = join(here, "..", "..", "static", "widget", "supportdesk.js");
const GZIP_LIMIT_BYTES = 60 * 1024;

const result = await esbuild.build({
  entryPoints: [join(here, "..", "src", "main.ts")],
  absWorkingDir: join(here, ".."),
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome87", "safari14.1", "firefox90"],
  charset: "utf8",
  legalComments: "none",
  banner: { js: "/*! supportdesk widget, Apache-2.0; built from widget/, do not edit */" },
  plugins: [stylesheetPlugin],
  outfile: output,
  write: false,
});
const built = Buffer.from(result.outputFiles[0].contents);
const zipped = gzipSync(built, { level: 9 }).length;
if (zipped > GZIP_LIMIT_BYTES) {
  console.error(`The widget is ${zipped} bytes gzipped; the limit is ${GZIP_LIMIT_BYTES}.`);
  process.exit(1);
}
const size = `${built.length} bytes, ${zipped} gzipped`;

if (process.argv.includes("--check")) {
  const committed = await readFile(output).catch(() => Buffer.alloc(0));
  if (!committed.equals(built)) {
    console.error("static/widget/supportdesk.js is not current: run `npm run build` in widget/.");
    process.exit(1);
  }
  console.log(`static/widget/supportdesk.js is current (${size}).`);
} else {
  await mkdir(dirname(output), { recursive: true });
  await writeFile(output, built);
  console.log(`static/widget/supportdesk.js written (${size}).`);
}
