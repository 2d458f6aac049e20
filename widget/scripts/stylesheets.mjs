/** Lets `import css from "./x.css"` give the minified text, for a constructable stylesheet. */
import { readFile } from "node:fs/promises";
import * as esbuild from "esbuild";

export const stylesheetPlugin = {
  name: "stylesheets",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(await readFile(path, "utf8"), {
        loader: "css",
        minify: true,
        charset: "utf8",
      });
      return { contents: code.trim(), loader: "text" };
    });
  },
};
