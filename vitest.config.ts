/**
 * Two projects. `unit`: tests beside the code, two workers. `boot`: whole machines from the built `dist/`
 * (run `npm run build` first), and litmus tests, which want the processor's cores for themselves; one file at a time,
 * after the unit tests.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "tools/**/*.test.ts"],
          pool: "forks",
          setupFiles: ["tools/support/unit-setup.ts"],
          maxWorkers: 2,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "boot",
          include: ["tests/**/*.test.ts"],
          pool: "forks",
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
