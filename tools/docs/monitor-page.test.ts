import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MODULES } from "#control/monitor/modules.ts";
import { monitorPage } from "./monitor-page.ts";

test("docs/monitor.md is what the table says; npx tsx tools/docs/main.ts writes it", () => {
  const page = readFileSync(new URL("../../docs/monitor.md", import.meta.url), "utf8");
  expect(page).toBe(monitorPage(MODULES));
});

test("the page has every command of the table", () => {
  const page = monitorPage(MODULES);
  for (const { name } of MODULES.flatMap(({ commands = [] }) => commands)) expect(page).toContain(`| \`${name}\` |`);
});
