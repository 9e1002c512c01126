import { expect, test } from "vitest";
import { Capabilities } from "#control/migration/capabilities.ts";
import { changeParameters, DEFAULT_PARAMETERS, describeParameters } from "#control/migration/parameters.ts";
import { MIGRATION_COMMANDS } from "#control/migration/commands.ts";

test("capabilities: all or nothing, in QEMU's order", () => {
  const capabilities = new Capabilities();
  expect(capabilities.list()[0]).toEqual({ capability: "xbzrle", state: false });
  const events = { capability: "events", state: true };
  expect(() => capabilities.set([events, { capability: "multifd", state: true }])).toThrow(
    "'multifd' is not available",
  );
  expect(() => capabilities.set([{ capability: "x", state: false }])).toThrow("does not accept value 'x'");
  expect(capabilities.has("events")).toBe(false);
  capabilities.set([events, { capability: "multifd", state: false }]);
  expect(capabilities.list()).toContainEqual(events);
});

test("parameters", () => {
  expect(DEFAULT_PARAMETERS).toMatchObject({ "max-bandwidth": 134_217_728, "downtime-limit": 300 });
  expect(changeParameters(DEFAULT_PARAMETERS, { "downtime-limit": 10 })["downtime-limit"]).toBe(10);
  expect(() => changeParameters(DEFAULT_PARAMETERS, { "downtime-limit": -1 })).toThrow("expects a number from 0");
  // What libvirt sets.
  const most = 9_223_372_036_853_727_232n;
  expect(changeParameters(DEFAULT_PARAMETERS, { "tls-creds": "", "tls-hostname": "", "max-bandwidth": most })).toEqual({
    ...DEFAULT_PARAMETERS,
    "max-bandwidth": Number.MAX_SAFE_INTEGER,
  });
  expect(() => changeParameters(DEFAULT_PARAMETERS, { nothing: 1 })).toThrow("invalid parameter value: nothing");
  expect(() => changeParameters(DEFAULT_PARAMETERS, { "max-cpu-throttle": 5 })).toThrow("from cpu-throttle-initial");
  expect(changeParameters(DEFAULT_PARAMETERS, { "cpu-throttle-tailslow": true })["cpu-throttle-tailslow"]).toBe(true);
});

test("a parameter that has no effect here may be set to what it is, and to nothing else", () => {
  const all = describeParameters(DEFAULT_PARAMETERS);
  // As managers do it at the end of a migration.
  expect(changeParameters(DEFAULT_PARAMETERS, all)).toEqual(DEFAULT_PARAMETERS);
  expect(changeParameters(DEFAULT_PARAMETERS, { "tls-creds": null })).toEqual(DEFAULT_PARAMETERS);
  for (const [name, value, message] of [
    ["tls-creds", "x", "'tls-creds' can only be '' here: there is no TLS"],
    ["multifd-channels", 4, "'multifd-channels' can only be 2 here: there is no multifd"],
    ["compress-wait-thread", false, "'compress-wait-thread' can only be true here"],
    ["mode", "cpr-reboot", "'mode' can only be 'normal' here"],
    ["cpr-exec-command", ["sh"], "'cpr-exec-command' can only be [] here"],
  ] as const) {
    expect(() => changeParameters(DEFAULT_PARAMETERS, { "downtime-limit": 1, [name]: value })).toThrow(message);
  }
});

test("the commands are QEMU's", () => {
  expect(Object.keys(MIGRATION_COMMANDS).sort()).toEqual(
    [
      [
        "migrate",
        "migrate-continue",
        "migrate-incoming",
        "migrate-pause",
        "migrate-recover",
        "migrate-set-capabilities",
      ],
      ["migrate-set-parameters", "migrate-start-postcopy", "migrate_cancel"],
      ["query-migrate", "query-migrate-capabilities", "query-migrate-parameters"],
    ].flat(),
  );
});
