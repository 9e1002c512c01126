/** Shell scripts stand in for the emulator. */
import { expect, test } from "vitest";
import { Emulator } from "./emulator.ts";

function script(text: string): Emulator {
  return new Emulator("sh", { program: "sh", args: ["-c", text] });
}

test("waits go on behind what was found", async () => {
  const emulator = script("printf 'one\\r\\n'; read word; echo \"two $word\"");
  expect((await emulator.waitFor(/one\n/, 10_000)).text).toBe("one\n");
  emulator.type("three\n");
  expect((await emulator.waitFor(/t\w+ (\w+)\n/, 10_000)).text).toBe("two three\n");
  expect(await emulator.endsWithin(10_000)).toBe(true);
});

test("an emulator that dies is an error at once, with its last words", async () => {
  const dead = script("echo console; echo trouble >&2; exit 3");
  await expect(dead.waitFor(/never/, 60_000)).rejects.toThrow(
    /^sh ended with code 3; its errors:\ntrouble[^]*console$/,
  );
  await expect(dead.waitFor(/never/, 60_000)).rejects.toMatchObject({ code: "emulator" });
  expect(await dead.endsWithin(10_000)).toBe(false);
});

test("one that hangs is an error after the time, and is ended", async () => {
  const hanging = script("exec sleep 1000");
  await expect(hanging.waitFor(/never/, 200)).rejects.toMatchObject({ code: "timeout" });
  expect(await hanging.endsWithin(100)).toBe(false);
  await expect(hanging.waitFor(/never/, 60_000)).rejects.toThrow(/was ended by SIGKILL/);
});

test("one that is not there is an error", async () => {
  const missing = new Emulator("missing", { program: "/nonexistent/emulator", args: [] });
  await expect(missing.waitFor(/never/, 60_000)).rejects.toThrow(/could not be started/);
});
